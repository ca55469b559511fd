import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// What a shop had below /upload/ before it had video-intake.
    @Suite struct OldFiles {
        @Test func theShopsOwnPicturesKeepWorkingWithTheirTypes() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set $video_intake_old_root shop;")
                try files.addToServer("types { image/png png; image/jpeg jpg; text/html html; text/css css; }")
            }
            let shop = site.dataDirectory.path + "/shop/upload"
            try FileManager.default.createDirectory(atPath: shop + "/2019", withIntermediateDirectories: true)
            let names = [
                "a.png", "2019/b.jpg", "photo.phone.png", "note.txt", "x.php", "x.php.bak", "y.PHTML", ".htpasswd",
                "c.php5",
                "2019/z.inc", "page.html",
            ]
            for name in names { try Data("old \(name)".utf8).write(to: URL(fileURLWithPath: "\(shop)/\(name)")) }
            let upload = PageUpload(content: SampleFile(size: 3_000).bytes)
            let path = try #require(try site.send(upload.request()).path)

            func get(_ path: String, method: String = "GET") throws -> ReceivedReply {
                try site.send(SentRequest(method: method, path))
            }
            for (name, type) in [
                ("a.png", "image/png"), ("2019/b.jpg", "image/jpeg"), ("photo.phone.png", "image/png"),
                ("note.txt", "text/plain"), ("page.html", "text/html"), ("x.php.bak", "text/plain"),
            ] {
                let reply = try get("/upload/\(name)")
                #expect(reply.status == 200 && reply.headers["content-type"] == type, "\(name): \(reply)")
                #expect(reply.body == Array("old \(name)".utf8))
                #expect(reply.headers["content-security-policy"] == nil)
            }
            // What was run, not read.
            for name in [
                "x.php", "x.php/a.png", "y.PHTML", "c.php5", "2019/z.inc", ".htpasswd", "nothing.png", "%2e%2e/x",
            ] {
                #expect(try [400, 404].contains(get("/upload/\(name)").status), "\(name)")
            }
            let directory = try get("/upload/2019")
            #expect(directory.status == 301 && directory.headers["location"] == "/upload/2019/")
            #expect(try get("/upload/a.png", method: "POST").status == 405)

            // Ours come first, and are nothing but media.
            let video = try get("/\(path)")
            #expect(video.status == 200 && video.headers["content-type"] == "video/mp4")
            #expect(video.headers["x-content-type-options"] == "nosniff")
            #expect(video.headers["content-security-policy"]?.contains("sandbox") == true)
            #expect(video.headers["cache-control"] == "max-age=3600")
            try Data("<script>".utf8).write(to: site.dataDirectory.appendingPathComponent("upload/evil.html"))
            let page = try get("/upload/evil.html")
            #expect(page.headers["content-type"] == "application/octet-stream")
            // A link in our directory is none of our files.
            try FileManager.default.createSymbolicLink(
                atPath: site.dataDirectory.path + "/upload/link.mp4", withDestinationPath: "/etc/passwd")
            #expect(try get("/upload/link.mp4").status != 200)
        }

        @Test func withoutAnOldRootNothingElseIsServed() throws {
            let site = try EndToEnd.site(.handOff)
            for target in ["/upload/", "/upload/nothing.mp4", "/upload/mp4", "/upload/../../../../etc/passwd"] {
                #expect(try [400, 404].contains(site.send(SentRequest(method: "GET", target)).status), "\(target)")
            }
        }
    }
}
