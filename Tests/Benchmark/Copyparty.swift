import ChunkStore
import CCrypto
import Foundation
import Glibc
import TestSupport

/// copyparty, a file server with a resumable protocol of its own.
struct Copyparty: Contestant {
    /// How a video is uploaded.
    private enum Way {
        /// The protocol of its pages: https://github.com/9001/copyparty/blob/hovudstraum/docs/devnotes.md#up2k
        case up2k
        /// The whole file in one request.
        case put
    }

    let name: String
    let promise: String
    private let way: Way

    static let up2k = Copyparty(name: "copyparty up2k", promise: "SHA-512 of each chunk, never synced", way: .up2k)
    static let put = Copyparty(name: "copyparty PUT", promise: "nothing verified or synced", way: .put)

    var absence: String? { VirtualEnvironment.absence(of: "copyparty") }

    var storage: String? { "store" }

    func start(in directory: String) throws -> RunningContestant {
        try FileManager.default.createDirectory(atPath: directory + "/store", withIntermediateDirectories: true)
        let server = try startBackend(
            VirtualEnvironment.path("copyparty"),
            [
                "-q", "--http-only", "-i", "unix:770:\(directory)/party.sock", "-v", "\(directory)/store::rw",
                "--hist", directory + "/hist", "-e2d", "--no-thumb",
            ],
            in: directory, environment: ["HOME": directory, "XDG_CONFIG_HOME": directory, "NO_COLOR": "1"])
        let nginx = try OtherNginx(in: directory, streamingTo: "unix:party.sock")
        // Its socket is there before it listens.
        try waitForBackend(server, "copyparty", in: directory) {
            let reply = try? HTTPConnection(port: nginx.port).send(SentRequest(method: "GET", "/?h"))
            return reply?.status == 200
        }
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [server])
    }

    func prepare(_ video: SampleVideo) throws {
        guard way == .up2k, Self.known.withLock({ $0[video.md5] == nil }) else { return }
        let size = Self.chunkSize(for: video.size)
        let hashes = try stride(from: 0, to: video.size, by: size).map { start in
            try Self.hash(video.bytes(start..<min(video.size, start + size)))
        }
        Self.known.withLock { $0[video.md5] = hashes }
    }

    func upload(_ client: Client) throws {
        switch way {
        case .up2k: try uploadInChunks(client)
        case .put: try uploadWhole(client)
        }
    }

    private func uploadWhole(_ client: Client) throws {
        let video = client.video
        let reply = try client.send(
            Request(
                "PUT", "/\(video.md5).mp4", headers: [("Content-Type", "video/mp4"), ("Accept", "application/json")],
                part: 0..<video.size))
        guard reply.json?["filesz"] as? Int == video.size else { throw BenchmarkError("not whole: \(reply)") }
    }
}

// MARK: - up2k

extension Copyparty {
    /// Chunk hashes of videos by md5.
    private static let known = Locked<[String: [String]]>([:])

    private func uploadInChunks(_ client: Client) throws {
        let video = client.video
        let hashes = Self.known.withLock { $0[video.md5] ?? [] }
        let list = hashes.map { "\"\($0)\"" }.joined(separator: ",")
        let description = """
            {"name":"\(video.md5).mp4","size":\(video.size),"lmod":\(time(nil)),"hash":[\(list)]}
            """
        func shakeHands(_ target: String) throws -> ReceivedReply {
            try client.send(
                Request(
                    "POST", target, headers: [("Content-Type", "text/plain;charset=UTF-8")],
                    body: Array(description.utf8)))
        }

        let begun = try shakeHands("/")
        guard let path = begun.json?["purl"] as? String, let upload = begun.json?["wark"] as? String,
            (begun.json?["hash"] as? [String])?.count == hashes.count
        else { throw BenchmarkError("not all chunks are wanted: \(begun)") }
        try client.sendAll(client.parts(of: Self.chunkSize(for: video.size))) { index, range in
            Request(
                "POST", path,
                headers: [
                    ("Content-Type", "application/octet-stream"), ("X-Up2k-Hash", hashes[index]),
                    ("X-Up2k-Wark", upload),
                ], part: range)
        }
        let ended = try shakeHands(path)
        guard (ended.json?["hash"] as? [String])?.isEmpty == true else {
            throw BenchmarkError("chunks are still wanted: \(ended)")
        }
    }

    /// Bytes of each chunk: 1 MiB, more for files of more than 256 chunks.
    private static func chunkSize(for size: Int) -> Int {
        var chunk = 1 << 20
        var step = 1 << 19
        while true {
            for factor in 1...2 {
                let count = (size + chunk - 1) / chunk
                if count <= 256 || chunk >= 32 << 20 && count <= 4096 { return chunk }
                chunk += step
                step *= factor
            }
        }
    }

    /// 33 bytes of the SHA-512, in the Base64 for URLs.
    private static func hash(_ chunk: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: Int(SHA512_DIGEST_LENGTH))
        _ = SHA512(chunk, chunk.count, &digest)
        return Data(digest.prefix(33)).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_")
    }
}
