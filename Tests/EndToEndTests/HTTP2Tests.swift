import ChunkStore
import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// HTTP/2 over TLS, as browsers speak it: all requests of a page on one connection.
    @Suite struct HTTP2 {
        private struct Answer {
            let version: String
            let status: Int
            let connections: Int
            let reply: ReceivedReply
        }

        /// Sends requests with curl on one connection: all at once, or one after the other.
        private func send(
            _ requests: [SentRequest], together: Bool, to address: String, in directory: String
        ) throws -> [Answer] {
            var configuration = together ? "parallel\nparallel-max = 30\n" : ""
            configuration += """
                silent
                http2
                cacert = "\(directory)/certificate.pem"
                header = "Expect:"

                """
            for (index, request) in requests.enumerated() {
                let name = "\(directory)/request-\(index)"
                try Data(request.body).write(to: URL(fileURLWithPath: name))
                if index > 0 {
                    configuration += """
                        next
                        silent
                        http2
                        cacert = "\(directory)/certificate.pem"
                        header = "Expect:"

                        """
                }
                configuration += """
                    url = "\(address)\(request.target)"
                    data-binary = "@\(name)"
                    header = "Content-Type: \(request.contentType ?? "text/plain")"
                    output = "\(directory)/reply-\(index)"
                    write-out = "\(index) %{http_version} %{http_code} %{num_connects}\\n"

                    """
                for (name, value) in request.headers { configuration += "header = \"\(name): \(value)\"\n" }
            }
            try Data(configuration.utf8).write(to: URL(fileURLWithPath: "\(directory)/curl"))
            let run = try ChildProcess.run("curl", ["--config", "\(directory)/curl"])
            #expect(run.end == .exit(0), "\(run.errors)")
            return run.output.split(separator: "\n").compactMap { line -> (Int, Answer)? in
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 4, let index = Int(words[0]), let status = Int(words[2]) else { return nil }
                let body = [UInt8](textOfFile("\(directory)/reply-\(index)").utf8)
                let reply = ReceivedReply(status: status, headers: [], body: body)
                return (index, Answer(version: words[1], status: status, connections: Int(words[3]) ?? 0, reply: reply))
            }.sorted { $0.0 < $1.0 }.map(\.1)
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func thirtyStreamsAtOnceUploadAVideo(mode: InProcessSite.BodyMode) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let path = directory.path
            let made = try ChildProcess.run(
                "openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", "\(path)/key.pem", "-out", "\(path)/certificate.pem",
                ])
            try #require(made.end == .exit(0), "\(made.errors)")
            let port = try LocalSocket.freePort()
            let site = try NginxSite(mode) { files in
                try files.addToServer(
                    """
                    listen 127.0.0.1:\(port) ssl http2;
                    ssl_certificate \(path)/certificate.pem;
                    ssl_certificate_key \(path)/key.pem;
                    """)
            }
            let address = "https://localhost:\(port)"
            var upload = PageUpload(content: SampleFile(size: 30 * 262_144 - 100).bytes)
            upload.chunkSize = 262_144
            let first = try send([upload.determineRequest()], together: false, to: address, in: path)
            #expect(first.map(\.version) == ["2"] && first.first?.reply.code == 2)

            let chunks = (0..<upload.chunks).map { upload.request($0) }
            #expect(chunks.count == 30)
            let answers = try send(chunks, together: true, to: address, in: path)
            #expect(answers.count == 30 && answers.allSatisfy { $0.version == "2" && $0.status == 200 })
            #expect(answers.reduce(0) { $0 + $1.connections } == 1)
            #expect(answers.allSatisfy { [1, 2].contains($0.reply.code) })
            let done = try #require(answers.first { $0.reply.code == 1 })
            let isIdentical = try site.storedBytes(#require(done.reply.path)) == upload.content
            #expect(isIdentical)
            #expect(site.leftovers() == [])

            // Replies that come before the body, on a connection that goes on. Not at once: curl 7.88 then loses some.
            var foreign = upload.request(0)
            foreign.headers = [("Origin", "https://evil.com")]
            let large = SentRequest(
                "/service/upload/upload_file", contentType: "text/plain", body: [UInt8](repeating: 1, count: 6 << 20))
            let refused = try send(
                [foreign, large, upload.request(1), large, foreign, upload.determineRequest()], together: false,
                to: address, in: path)
            #expect(refused.reduce(0) { $0 + $1.connections } == 1)
            #expect(refused.map(\.status) == [403, 413, 200, 413, 403, 200])
            #expect(refused.map { $0.reply.code } == [-4, -1, 1, -1, -4, 1])
        }
    }
}
