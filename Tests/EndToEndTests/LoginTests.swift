import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// The shipped example of a login by PHP's session, with a real php-fpm.
    @Suite(.enabled(if: PHPLogin.isInstalled, "php-fpm8.2 is not installed (Debian: php8.2-fpm)")) struct Login {
        private static let question = "/service/upload/list_class"

        private func ask(_ login: PHPLogin, _ cookie: String?, host: String = "shop.example.com") throws
            -> ReceivedReply
        {
            var request = SentRequest(Self.question)
            request.headers = [("Host", host)] + (cookie.map { [("Cookie", $0)] } ?? [])
            return try login.site.send(request)
        }

        private func expectRefused(_ reply: ReceivedReply, _ status: Int, _ reason: String) {
            #expect(reply.status == status && reply.code == (status == 409 ? -2 : -4), "\(reply)")
            #expect(reply.headers["x-intake-reason"] == reason)
            #expect(reply.headers["set-cookie"] == nil && reply.headers["location"] == nil)
        }

        @Test func letsInWhoHasASessionAndAsksOnceInTenSeconds() throws {
            let login = try PHPLogin()
            let alice = try login.newSession(user: "alice")
            let nobody = try login.newSession(user: nil)
            // Without a session PHP is not asked.
            for cookie in [nil, "a=b", "PHPSESSID=", "XPHPSESSID=\(alice)"] {
                expectRefused(try ask(login, cookie), 401, "login")
            }
            #expect(login.questions == 0)
            for _ in 0..<3 { expectRefused(try ask(login, "PHPSESSID=\(nobody)"), 401, "login") }
            #expect(login.questions == 1)

            var upload = PageUpload(content: SampleFile(size: 5 << 20).bytes)
            upload.chunkSize = 2 << 20
            let start = ContinuousClock.now
            for chunk in 0..<upload.chunks {
                var request = upload.request(chunk)
                request.headers = [("Host", "shop.example.com"), ("Cookie", "a=b; PHPSESSID=\(alice); c=d")]
                let reply = try login.site.send(request)
                #expect(reply.code == (chunk == upload.chunks - 1 ? 1 : 2))
                #expect(reply.headers["set-cookie"] == nil)
            }
            #expect(login.questions == 2)
            upload.owner = "alice"
            #expect(try login.site.recordCount(upload) == 1)
            // Another server of the same nginx has sessions of its own.
            #expect(try ask(login, "PHPSESSID=\(alice)", host: "other.example.com").status == 200)
            #expect(login.questions == 3)
            // nginx takes a name in any case for it, and the first of two: PHP is told of no other.
            let stranger = try login.newSession(user: nil)
            expectRefused(try ask(login, "phpsessid=\(stranger); PHPSESSID=\(alice)"), 401, "login")

            // Logged out: let in no longer than that.
            try login.setSession(alice, user: nil)
            #expect(try ask(login, "PHPSESSID=\(alice)").status == 200 || ContinuousClock.now - start > .seconds(9))
            #expect(eventually(within: 20) { (try? ask(login, "PHPSESSID=\(alice)").status) == 401 })
            #expect(ContinuousClock.now - start > .seconds(8))
        }

        @Test func countsARedirectAs401() throws {
            // Where the site shows its own login page to those who have to log in.
            let login = try PHPLogin { files in
                try files.addToServer("error_page 401 403 = /index.html; recursive_error_pages on;")
            }
            for (line, status, reason, asksAgain) in [
                ("header('Location: /login.php');", 401, "login", false),
                ("header('Location: /login.php', true, 303);", 401, "login", false),
                ("http_response_code(403);", 403, "forbidden", true),
                ("no_such_function();", 409, "unavailable", true),
                ("http_response_code(401);", 401, "login", false),
            ] {
                try login.replaceScript("http_response_code(401);", with: line)
                let (session, before) = (try login.newSession(user: nil), login.questions)
                for _ in 0..<2 { expectRefused(try ask(login, "PHPSESSID=\(session)"), status, reason) }
                #expect(login.questions == before + (asksAgain ? 2 : 1), "\(line)")
            }
            login.stop()
            let other = try login.newSession(user: "alice")
            expectRefused(try ask(login, "PHPSESSID=\(other)"), 409, "unavailable")
        }

        @Test(arguments: ["http_response_code(401);", "header('Location: /login.php');", nil])
        func asksOnceForRequestsThatComeAtTheSameTime(refusal: String?) throws {
            let login = try PHPLogin()
            let session = try login.newSession(user: refusal == nil ? "alice" : nil)
            let shipped = "if (empty($_SESSION['user_id'])) {"
            try login.replaceScript(shipped, with: "usleep(300000); " + shipped)
            if let refusal { try login.replaceScript("http_response_code(401);", with: "usleep(300000); " + refusal) }
            let statuses = try onThreads(12) { _ in try ask(login, "PHPSESSID=\(session)").status }
            #expect(statuses == Array(repeating: refusal == nil ? 200 : 401, count: 12))
            #expect(login.questions == 1)
        }

        @Test func guardsUploadsAndThePlayPageOnly() throws {
            let login = try PHPLogin()
            let alice = try login.newSession(user: "alice")
            try Data("video".utf8).write(to: login.site.dataDirectory.appendingPathComponent("upload/a.mp4"))
            func status(_ path: String, method: String = "GET", cookie: String? = nil) throws -> Int {
                var request = SentRequest(method: method, path)
                if let cookie { request.headers = [("Cookie", cookie)] }
                return try login.site.send(request).status
            }
            for path in ["/", "/js/upload-page.js", "/css/base.css", "/play/play.js", "/healthz", "/upload/a.mp4"] {
                #expect(try status(path) == 200, "\(path)")
            }
            #expect(login.questions == 0)
            for action in [
                "upload_file", "ssl_upload_file", "determine_video_exist", "determine_chunk_exist", "list_class",
                "video_info", "x",
            ] {
                #expect(try status("/service/upload/\(action)", method: "POST") == 401, "\(action)")
            }
            let page = try login.site.send(SentRequest(method: "GET", "/play/?video_id=1"))
            #expect(page.status == 401 && page.headers["content-type"] == "text/html; charset=utf-8")
            // There is no such video, says the responder.
            #expect(try status("/play/?video_id=1", cookie: "PHPSESSID=\(alice)") == 404)
            // The address is nginx's own.
            #expect(try status("/video-intake-login", cookie: "PHPSESSID=\(alice)") == 404)
        }
    }
}
