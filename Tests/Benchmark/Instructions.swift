import Foundation
import Glibc
import TestSupport

/// Instructions that the responder executes, counted by callgrind: the same on a busy machine as on an idle one.
enum Instructions {
    /// Those for one determine_video_exist of a video that is not there; `nil` if there is no valgrind.
    static func perLookup(in directory: String) throws -> Int? {
        let question = SentRequest.form(
            "/service/upload/determine_video_exist", [("md5", String(repeating: "0", count: 32)), ("type", "1")])
        return try perRequest(few: 50, many: 250, in: directory) { _ in question }
    }

    /// Those for one chunk of 4 KiB, so that little of it is the digest; `nil` if there is no valgrind.
    static func perChunk(in directory: String) throws -> Int? {
        var page = PageUpload(content: videoBytes(1_000_000))
        page.chunkSize = 4096
        return try perRequest(few: 20, many: 220, in: directory) { page.request($0) }
    }

    private static func perRequest(
        few: Int, many: Int, in directory: String, _ request: (Int) -> SentRequest
    ) throws -> Int? {
        guard (try? ChildProcess.run("valgrind", ["--version"]))?.end == .exit(0) else { return nil }
        let less = try count((0..<few).map(request), in: directory)
        return (try count((0..<many).map(request), in: directory) - less) / (many - few)
    }

    /// All of a responder's life, with these requests in it.
    private static func count(_ requests: [SentRequest], in directory: String) throws -> Int {
        try FileManager.default.createDirectory(atPath: directory + "/body", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        // valgrind gives up on what newer compilers say for debuggers.
        let binary = directory + "/video-intake"
        let stripped = try ChildProcess.run("objcopy", ["--strip-debug", NginxSite.binary, binary])
        guard stripped.end == .exit(0) else { throw BenchmarkError("objcopy: \(stripped.errors)") }
        try NginxSite.makeCatalogue(in: directory)
        let responder = try startBackend(
            "valgrind",
            [
                "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, "serve", "--socket",
                directory + "/video-intake.sock", "--data-directory", directory, "--body-directory",
                directory + "/body", "--reserve", "0",
            ], in: directory, environment: ["LD_PRELOAD": FaultLibrary.compile("openat2")])
        defer { responder.stop(within: 0) }
        try waitForBackend(responder, "valgrind", in: directory) {
            access(directory + "/video-intake.sock", F_OK) == 0
        }
        let nginx = try OtherNginx(beforeResponderIn: directory)
        defer { nginx.process.stop() }
        for request in requests {
            let reply = try HTTPConnection(port: nginx.port).send(request)
            guard reply.code == 2 else { throw BenchmarkError("a request under callgrind: \(reply)") }
        }
        guard responder.stop(within: 60) == .exit(0) else {
            throw BenchmarkError("the responder under callgrind failed")
        }
        let log = textOfFile(directory + "/log/valgrind.log")
        // ==17== Collected : 51460536
        guard let line = log.split(separator: "\n").last(where: { $0.contains("Collected :") }),
            let count = Int(line.split(separator: " ").last ?? "")
        else { throw BenchmarkError("callgrind: \(log.suffix(500))") }
        return count
    }
}
