import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// `nginx/run` as somebody uses it who tries the product, with real videos.
    @Suite struct RunScript {
        /// Whether the script would start at once. It would build for minutes otherwise, and wait for `swift test`.
        private static func isReady() -> Bool {
            if NginxSite.releaseBinary != nil { return true }
            let script = Repository.directory.path + "/nginx/prerequisites.sh"
            let check = try? ChildProcess.run("bash", ["-c", "source \"$1\" && release_is_current", "bash", script])
            if check?.end == .exit(0) { return true }
            print("skipped: nginx/run would build the release binary now; Tests/run builds it before the tests")
            return false
        }

        @Test(.enabled(if: isReady(), "the release binary is up to date"))
        func itServesRealVideosAndStopsCleanly() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let videos = try Self.makeVideos(in: directory)
            let data = directory.path + "/data"
            let (output, errors) = (directory.path + "/output", directory.path + "/errors")
            let port = try LocalSocket.freePort()
            let script = try ChildProcess(
                Repository.directory.path + "/nginx/run", ["--port", "\(port)", "--data", data],
                environment: ChildProcess.plainEnvironment, directory: directory.path, output: output, errors: errors)
            defer { script.stop(within: 30) }
            let ready = "ready: http://127.0.0.1:\(port)/\n"
            let cameUp = eventually(within: 120) { textOfFile(output) == ready || script.poll() != nil }
            try #require(cameUp && script.poll() == nil, "\(textOfFile(output))\(textOfFile(errors))")

            let site = RunningSite(dataDirectory: URL(fileURLWithPath: data), port: port)
            for video in videos { try expectUpload(of: video, to: site) }
            #expect(eventually { site.bodyFiles().isEmpty && site.incomingFiles().isEmpty })

            let children = Self.children(of: script.id)
            // The responder, nginx and the worker.
            #expect(children.count == 3)
            #expect(script.stop(within: 30) == .exit(0), "\(textOfFile(errors))")
            #expect(children.filter { FileManager.default.fileExists(atPath: "/proc/\($0)") } == [])
            #expect(textOfFile(output) == ready)
            #expect(throws: HTTPConnection.Fault.self) { try HTTPConnection(port: port) }
        }

        private func expectUpload(of video: URL, to site: RunningSite) throws {
            let content = try Array(Data(contentsOf: video))
            let upload = PageUpload(fileName: video.lastPathComponent, content: content)
            #expect(try site.send(upload.determineRequest()).code == 2)
            let last = try #require(try upload.send(to: site.port).completing)
            #expect(last.code == 1, "\(last)")
            let isStored = try site.storedBytes(#require(last.path)) == content
            #expect(isStored, "\(video.lastPathComponent)")

            let known = try site.send(upload.determineRequest())
            #expect(known.code == 1 && known.videoID == last.videoID)
            let expected = try Self.duration(of: video)
            #expect(expected > 1)
            // Found out after the reply.
            let isRight = eventually {
                let duration = (try? site.send(upload.determineRequest()))?.data?["duration"] as? Double
                return duration.map { abs($0 - expected) < 0.1 } ?? false
            }
            #expect(isRight)

            let address = try #require(known.data?["video_url"] as? String)
            let prefix = "http://127.0.0.1:\(site.port)"
            #expect(address.hasPrefix(prefix + "/upload/"))
            let served = try site.send(SentRequest(method: "GET", String(address.dropFirst(prefix.count))))
            let isServed = served.status == 200 && served.body == content
            #expect(isServed, "\(served.status)")
            #expect(served.headers["content-type"]?.hasPrefix("video/") == true)
        }

        /// A mp4 of more than 60 MB, an avi and a flv.
        private static func makeVideos(in directory: URL) throws -> [URL] {
            let rate = ["-b:v", "28M", "-minrate", "28M", "-maxrate", "28M", "-bufsize", "10M"]
            let kinds: [(name: String, size: String, seconds: Int, codecs: [String])] = [
                (
                    "big.mp4", "1280x720", 20,
                    ["-c:v", "libx264", "-preset", "ultrafast"] + rate
                        + ["-x264-params", "nal-hrd=cbr", "-c:a", "aac"]
                ),
                ("small.avi", "640x360", 7, ["-c:v", "mpeg4", "-b:v", "6M", "-c:a", "mp3"]),
                ("small.flv", "640x360", 5, ["-c:v", "flv", "-b:v", "6M", "-c:a", "aac"]),
            ]
            return try kinds.map { kind in
                let file = directory.appendingPathComponent(kind.name)
                let made = try ChildProcess.run(
                    "ffmpeg",
                    [
                        "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=\(kind.size):rate=30", "-f",
                        "lavfi", "-i", "sine=440", "-t", "\(kind.seconds)",
                    ] + kind.codecs + [file.path], within: 300)
                try #require(made.end == .exit(0), "\(made.errors)")
                let size = try #require(try file.resourceValues(forKeys: [.fileSizeKey]).fileSize)
                #expect(size > (kind.name == "big.mp4" ? 60_000_000 : 2 << 20), "\(kind.name): \(size)")
                return file
            }
        }

        private static func duration(of video: URL) throws -> Double {
            let probe = try ChildProcess.run(
                "ffprobe", ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", video.path])
            return try #require(Double(probe.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        }

        private static func children(of process: pid_t) -> [String] {
            let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return processes.filter {
                Int($0) != nil && textOfFile("/proc/\($0)/status").contains("\nPPid:\t\(process)\n")
            }
        }
    }
}

/// A site that somebody else has started.
struct RunningSite: Site {
    let dataDirectory: URL
    let port: UInt16

    func send(_ request: SentRequest) throws -> ReceivedReply {
        try HTTPConnection(port: port).send(request)
    }
}
