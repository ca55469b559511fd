import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// Pages on other hosts: who may send, and what their browsers must see.
    @Suite struct Origins {
        private static let listed = "http://www.example.com"
        private static let upload = "/service/upload/upload_file"
        private static let question = "/service/upload/list_class"

        private func site(_ lines: String = "") throws -> NginxSite {
            try NginxSite(.handOff) { files in
                try files.addToSite(
                    """
                    set $video_intake_origins "www.example.com m.example.com";
                    \(lines)
                    """)
            }
        }

        private func request(
            _ target: String = upload, method: String = "POST", origin: String?, host: String = "shop.example.com",
            fetchSite: String? = nil, body: Int = 0
        ) -> SentRequest {
            var request = SentRequest(method: method, target, body: [UInt8](repeating: 120, count: body))
            request.contentType = "application/x-www-form-urlencoded"
            request.headers = [("Host", host)]
            if let origin { request.headers.append(("Origin", origin)) }
            if let fetchSite { request.headers.append(("Sec-Fetch-Site", fetchSite)) }
            return request
        }

        @Test func onlyTheRequestsOwnHostAndListedOnesMaySend() throws {
            let site = try site()
            let rows: [(origin: String?, host: String, fetchSite: String?, passes: Bool)] = [
                (nil, "shop.example.com", nil, true),
                (nil, "shop.example.com", "cross-site", true),
                ("http://shop.example.com", "shop.example.com", nil, true),
                ("https://shop.example.com", "shop.example.com:8080", nil, true),
                ("http://shop.example.com:8080", "shop.example.com", nil, true),
                ("http://SHOP.example.com", "Shop.Example.com", "cross-site", true),
                ("http://[::1]:8080", "[::1]", nil, true),
                ("http://[::1]", "[::2]", nil, false),
                ("http://shop.example.com.", "shop.example.com.", nil, true),
                // A proxy that changes Host, over https.
                ("https://shop.example.com", "127.0.0.1:8080", "same-origin", true),
                ("null", "shop.example.com", "same-origin", true),
                ("http://anything.example", "shop.example.com", "none", true),
                ("http://www.example.com", "shop.example.com", "cross-site", true),
                ("https://m.example.com:444", "shop.example.com", "same-site", true),
                ("http://M.example.com", "shop.example.com", nil, true),
                ("http://evil.com", "shop.example.com", nil, false),
                ("http://evil.com", "shop.example.com", "same-site", false),
                ("http://evil.com", "shop.example.com", "cross-site", false),
                ("http://evil.com", "shop.example.com", "x same-origin", false),
                ("null", "shop.example.com", nil, false),
                ("null", "null", nil, false),
                ("http://shop.example.com.evil.com", "shop.example.com", nil, false),
                ("http://evilshop.example.com", "shop.example.com", nil, false),
                ("http://evil.com:shop.example.com", "shop.example.com", nil, false),
                ("http://evil.com/@shop.example.com", "shop.example.com", nil, false),
                ("http://evil.com|shop.example.com", "shop.example.com", nil, false),
                ("http://shop.example.com@evil.com", "shop.example.com", nil, false),
                ("http://shop.example.com, http://evil.com", "shop.example.com", nil, false),
                ("http://shopXexample.com", "shop.example.com", nil, false),
                ("http://www.example.com.evil.com", "shop.example.com", nil, false),
                ("http://xwww.example.com", "shop.example.com", nil, false),
                ("http://example.com", "shop.example.com", nil, false),
                ("http://www.example.co", "shop.example.com", nil, false),
                ("shop.example.com", "shop.example.com", nil, false),
            ]
            for row in rows {
                for target in [Self.upload, Self.question] {
                    let reply = try site.send(
                        request(target, origin: row.origin, host: row.host, fetchSite: row.fetchSite))
                    #expect(reply.status == (row.passes ? 200 : 403), "\(target) \(row): \(reply)")
                    #expect(reply.headers["vary"] == "Origin")
                }
            }
        }

        @Test func aForeignPageIsRefusedBeforeItsBodyIsRead() throws {
            let site = try site("set $video_intake_language en;")
            let video = PageUpload(content: SampleFile(size: 5_000).bytes)
            var chunk = video.request()
            chunk.headers = [("Host", "shop.example.com"), ("Origin", "http://evil.com")]
            // The body never comes; nginx answers nevertheless.
            let connection = try site.connect()
            try connection.send(chunk.httpHead(contentLength: 100_000))
            let replies = [
                try connection.reply(),
                try site.send(chunk),
                try site.send(request(method: "OPTIONS", origin: "http://evil.com")),
                try site.send(request(Self.question, method: "OPTIONS", origin: "http://evil.com")),
                try site.send(request(Self.question, method: "GET", origin: "null")),
                // nginx looks at the length first.
                try site.send(request(origin: "http://evil.com", body: 6_000_000)),
            ]
            for reply in replies {
                #expect(reply.status == 403 && reply.code == -4, "\(reply)")
                #expect(reply.message == "Requests from this site are not allowed")
                #expect(reply.headers["x-intake-code"] == "-4" && reply.headers["x-intake-reason"] == "origin")
                #expect(reply.headers["access-control-allow-origin"] == nil)
                #expect(reply.repeatedHeaders == [])
            }
            #expect(site.leftovers() == [] && site.publishedFiles() == [])
            #expect(try site.recordCount(video) == 0)
        }

        @Test func theLogNamesTheLineThatWouldAllowIt() throws {
            let site = try site()
            _ = try site.send(request(origin: "https://Old.example.com:8443"))
            _ = try site.send(request(origin: "https://e.com'; evil \""))
            let log = { textOfFile(site.dataDirectory.path + "/log/video-intake.log").split(separator: "\n") }
            try #require(eventually { log().count == 2 })
            #expect(log()[0].contains(#"Origin "https://Old.example.com:8443", Host "shop.example.com""#))
            // The server's own log has them too.
            let all = { textOfFile(site.dataDirectory.path + "/log/access.log") }
            #expect(eventually { all().split(separator: "\n").count { $0.contains(" 403 ") } == 2 }, "\(all())")
            #expect(log()[1].hasSuffix("cannot be allowed") && !log()[1].contains("set $"))
            let line = try #require(log()[0].firstMatch(of: /in site\.conf: (set .*;)$/)).1
            // The very line, put in.
            let other = try self.site(String(line))
            for origin in ["http://old.example.com", Self.listed] {
                #expect(try other.send(request(origin: origin)).status == 200)
            }
        }

        private func expectReadable(_ reply: ReceivedReply, _ what: String) {
            #expect(reply.headers["access-control-allow-origin"] == Self.listed, "\(what)")
            #expect(reply.headers["access-control-allow-credentials"] == "true", "\(what)")
            #expect(
                reply.headers["access-control-expose-headers"] == "X-Intake-Code, X-Intake-Reason", "\(what)")
            #expect(reply.headers["vary"] == "Origin", "\(what)")
            #expect(reply.repeatedHeaders == [], "\(what)")
        }

        @Test func aListedPageReadsEveryReply() throws {
            let site = try NginxSite(.handOff, authenticates: true) { files in
                try files.addToSite("set $video_intake_origins www.example.com;")
            }
            var video = PageUpload(content: SampleFile(size: 100_000).bytes)
            video.chunkSize = 65_536
            video.owner = "alice"
            func listed(_ request: SentRequest) -> SentRequest {
                var request = request
                request.headers = [("Host", "shop.example.com"), ("Origin", Self.listed)]
                return request
            }
            func owned(_ request: SentRequest) -> SentRequest {
                var request = request
                request.owner = "alice"
                return request
            }
            var rows: [(String, SentRequest, status: Int, code: Int?)] = [
                ("chunk", listed(video.request(0)), 200, 2),
                ("determine", listed(video.determineRequest()), 200, 2),
                ("chunks", listed(video.chunksRequest()), 200, 1),
                ("no file", owned(request(origin: Self.listed)), 200, -1),
                ("no such action", owned(request("/service/upload/x", origin: Self.listed)), 404, -1),
                ("method", owned(request(method: "PUT", origin: Self.listed)), 405, -1),
                ("truncated", listed(video.request(1)), 409, -2),
                ("too large", owned(request(origin: Self.listed, body: 6_000_000)), 413, -1),
                ("question too large", owned(request(Self.question, origin: Self.listed, body: 6_000_000)), 413, -1),
                ("not logged in", request(origin: Self.listed), 401, -4),
                ("question, not logged in", request(Self.question, origin: Self.listed), 401, -4),
            ]
            rows[6].1.body.removeLast(100)
            for (name, request, status, code) in rows {
                let reply = try site.send(request)
                #expect(reply.status == status && reply.code == code, "\(name): \(reply)")
                #expect(reply.headers["x-intake-code"] == code.flatMap { $0 < 0 ? "\($0)" : nil }, "\(name)")
                expectReadable(reply, name)
            }
            // Before the browser sends anything, it asks, and has no cookies with that.
            for target in [Self.upload, Self.question] {
                var request = request(target, method: "OPTIONS", origin: Self.listed)
                request.headers.append(("Access-Control-Request-Method", "POST"))
                request.headers.append(("Access-Control-Request-Headers", "x-requested-with"))
                let reply = try site.send(request)
                #expect(reply.status == 204 && reply.body == [])
                expectReadable(reply, target)
                #expect(reply.headers["access-control-allow-methods"] == "GET, POST")
                #expect(reply.headers["access-control-allow-headers"] == "x-requested-with")
            }
            site.responder.stop()
            for request in [listed(video.request(1)), listed(video.determineRequest())] {
                let reply = try site.send(request)
                #expect(reply.status == 409 && reply.code == -2)
                #expect(reply.headers["x-intake-reason"] == "unavailable")
                expectReadable(reply, "responder stopped")
            }
        }

        @Test func behindAProxyThatChangesHostItsPublicNameIsListed() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set $video_intake_origins shop.example.com;")
                try files.addToHTTP(
                    """
                    upstream inner { server 127.0.0.1:\(files.port); }
                    server {
                        listen unix:proxy.sock;
                        location / { proxy_pass http://inner; }
                    }
                    """)
            }
            // http, where browsers do not send Sec-Fetch-Site. The proxy says Host: inner.
            for (origin, status) in [("http://shop.example.com", 200), ("http://evil.com", 403)] {
                let connection = try HTTPConnection(unixSocket: site.dataDirectory.path + "/proxy.sock")
                #expect(try connection.send(request(origin: origin)).status == status)
            }
        }
    }
}
