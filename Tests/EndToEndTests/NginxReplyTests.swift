import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// Refusals that nginx sends itself, in the form of the responder's.
    @Suite struct NginxReplies {
        /// A site whose nginx refuses in every way, by the address's query.
        private func site(language: String) throws -> NginxSite {
            try NginxSite(.handOff) { files in
                try files.addToSite("set $video_intake_language \(language);")
                try files.write(NginxFiles.snippet("login"), "auth_request /login;\n")
                try files.addToServer(
                    """
                    location = /login {
                        internal;
                        if ($request_uri ~ "\\?login$") { return 401; }
                        if ($request_uri ~ "\\?forbidden$") { return 403; }
                        if ($request_uri ~ "\\?broken$") { return 302; }
                        return 204;
                    }
                    """)
            }
        }

        @Test(arguments: ["zh", "en"])
        func haveCodeReasonAndWords(language: String) throws {
            let site = try site(language: language)
            let large = [UInt8](repeating: 120, count: 6 << 20)
            let rows: [(String, String, status: Int, code: Int, zh: String, en: String)] = [
                ("login", "login", 401, -4, "请先登录", "Log in first"),
                ("forbidden", "forbidden", 403, -4, "没有权限", "You have no permission"),
                (
                    "large", "body-limit", 413, -1, "请求体不能超过 5242880 字节",
                    "The request body must not exceed 5242880 bytes"
                ),
                ("broken", "unavailable", 409, -2, "分片上传失败", "The chunk was not stored"),
                ("stopped", "unavailable", 409, -2, "分片上传失败", "The chunk was not stored"),
            ]
            for (name, reason, status, code, zh, en) in rows {
                if name == "stopped" { site.responder.stop() }
                for action in ["upload_file", "list_class"] {
                    let reply = try site.send(
                        SentRequest(
                            "/service/upload/\(action)?\(name)", contentType: "application/octet-stream",
                            body: name == "large" ? large : [1]))
                    #expect(reply.status == status && reply.code == code, "\(name): \(reply)")
                    // A question has a limit of its own.
                    let words = (language == "en" ? en : zh)
                        .replacing("5242880", with: action == "list_class" ? "262144" : "5242880")
                    #expect(reply.message == words)
                    #expect(Set(try #require(reply.json).keys) == ["code", "msg", "data"])
                    #expect(reply.json?["data"] is NSNull)
                    #expect(reply.headers["x-intake-code"] == "\(code)")
                    #expect(reply.headers["x-intake-reason"] == reason)
                    #expect(reply.headers["content-type"] == "application/json; charset=utf-8")
                    #expect(reply.headers["cache-control"] == "no-store")
                    #expect(reply.repeatedHeaders == [])
                }
            }
            // The log has them too.
            for (name, reason, status, code, _, _) in rows {
                let line = "upload_file?\(name) HTTP/1.1\" \(status) "
                var lines: [Substring] = []
                // nginx writes it after the reply.
                eventually {
                    lines = textOfFile(site.dataDirectory.path + "/log/access.log").split(separator: "\n")
                        .filter { $0.contains(line) }
                    return !lines.isEmpty
                }
                #expect(lines.count == 1)
                #expect(lines.allSatisfy { $0.contains(" code=\(code) reason=\(reason) seconds=") }, "\(lines)")
            }
        }

        @Test func tooManyAtOnceAreRefusedForTheServerToo() throws {
            for (zone, limit) in [("video_intake_clients", 600), ("video_intake_servers", 2000)] {
                let site = try NginxSite(.handOff) { files in
                    try files.replace(
                        "limit_conn \(zone) \(limit);", with: "limit_conn \(zone) 1;", in: NginxFiles.snippet("upload"))
                }
                // Requests under way: their bodies are not whole. Several, because one that meets another is refused itself.
                let request = SentRequest("/service/upload/upload_file", contentType: "text/plain", body: [1])
                var underWay: [HTTPConnection] = []
                var reply: ReceivedReply?
                eventually {
                    guard let connection = try? site.connect() else { return false }
                    underWay.append(connection)
                    try? connection.send(request.httpHead(contentLength: 2))
                    reply = try? site.send(request)
                    return reply?.status == 409
                }
                #expect(reply?.status == 409 && reply?.headers["x-intake-reason"] == "unavailable", "\(zone)")
            }
        }
    }
}
