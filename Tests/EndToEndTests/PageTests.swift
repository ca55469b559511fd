import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// The pages that nginx serves: their status and their headers. What is on them is in Tests/Browser.
    @Suite struct Pages {
        /// A header that keeps a page from doing what it need not.
        private func expectGuarded(_ reply: ReceivedReply, _ path: String) {
            #expect(reply.headers["x-content-type-options"] == "nosniff", "\(path)")
            let policy = reply.headers["content-security-policy"] ?? ""
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "\(path)")
        }

        @Test func theUploadPageAndItsPartsHaveTheirTypes() throws {
            let site = try EndToEnd.site(.handOff)
            for (path, type) in [
                ("/", "text/html"), ("/css/base.css", "text/css"), ("/js/upload-page.js", "text/javascript"),
                ("/favicon.svg", "image/svg+xml"), ("/webuploader-resume.js", "text/javascript"),
            ] {
                let reply = try site.send(SentRequest(method: "GET", path))
                #expect(reply.status == 200, "\(path)")
                #expect(reply.headers["content-type"] == "\(type); charset=utf-8", "\(path)")
                expectGuarded(reply, path)
            }
            #expect(try site.send(SentRequest(method: "GET", "/nothing")).status == 404)
        }

        @Test func aVideoThatIsNotThereHasAPageThatSaysSo() throws {
            let site = try EndToEnd.site(.handOff)
            var page = PageUpload(content: SampleFile(size: 2000).bytes)
            page.owner = EndToEnd.newOwner()
            let id = try #require(try site.send(page.request()).videoID)
            func play(_ id: Int, method: String = "GET", owner: String?) throws -> ReceivedReply {
                try site.send(SentRequest(method: method, "/play/?video_id=\(id)", owner: owner))
            }
            let found = try play(id, owner: page.owner)
            #expect(found.status == 200 && found.headers["content-type"] == "text/html; charset=utf-8")
            expectGuarded(found, "found")
            #expect(try play(id, method: "HEAD", owner: page.owner).status == 200)
            for (id, owner) in [(id, EndToEnd.newOwner()), (id + 1_000_000, page.owner), (0, page.owner)] {
                let missing = try play(id, owner: owner)
                #expect(missing.status == 404 && missing.headers["content-type"] == "text/html; charset=utf-8")
                #expect(missing.body != found.body)
                expectGuarded(missing, "missing")
            }
            // The parts that only nginx itself asks for.
            for name in ["index", "missing", "unavailable"] {
                #expect(try site.send(SentRequest(method: "GET", "/play/\(name).html")).status == 404)
            }
        }

        @Test func whileTheResponderIsDownThePlayPageSaysSo() throws {
            let site = try NginxSite(.handOff)
            site.responder.stop()
            let reply = try site.send(SentRequest(method: "GET", "/play/?video_id=1"))
            #expect(reply.status == 503 && reply.headers["content-type"] == "text/html; charset=utf-8")
            expectGuarded(reply, "unavailable")
            #expect(try site.send(SentRequest(method: "GET", "/")).status == 200)
        }
    }
}
