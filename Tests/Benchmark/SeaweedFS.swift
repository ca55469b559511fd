import ChunkStore
import Foundation
import TestSupport

/// SeaweedFS: master, volume server and filer in one process. Videos are in volumes among others, not in files.
struct SeaweedFS: Contestant {
    /// How a video is uploaded.
    private enum Way {
        /// The whole file in one request.
        case put
        /// The tus protocol, parts of the pages' size.
        case tus
    }

    let name: String
    let promise: String
    private let way: Way

    static let put = SeaweedFS(name: "SeaweedFS PUT", promise: "md5, never synced", way: .put)
    static let tus = SeaweedFS(name: "SeaweedFS tus", promise: "nothing verified or synced", way: .tus)

    var absence: String? { VirtualEnvironment.absence(of: "weed") }

    func start(in directory: String) throws -> RunningContestant {
        try FileManager.default.createDirectory(atPath: directory + "/store", withIntermediateDirectories: true)
        let services = ["master", "volume", "filer"]
        var free: Set<UInt16> = []
        while free.count < 2 * services.count { free.insert(try LocalSocket.freePort()) }
        let ports = Array(free)
        let portOptions = services.indices.flatMap {
            ["-\(services[$0]).port=\(ports[$0])", "-\(services[$0]).port.grpc=\(ports[services.count + $0])"]
        }
        let server = try startBackend(
            VirtualEnvironment.path("weed"),
            [
                "server", "-dir=\(directory)/store", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer",
                "-filer.localSocket=\(directory)/filer.sock", "-filer.maxMB=4", "-volume.max=32",
                "-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=1024",
                // It would tell its makers about itself.
                "-master.telemetry=false",
            ] + portOptions,
            in: directory, environment: ["HOME": directory])
        let (master, volume, filer) = (ports[0], ports[1], ports[2])
        try waitForBackend(server, "weed", in: directory) {
            let status = try? HTTPConnection(port: master).send(SentRequest(method: "GET", "/dir/status"))
            let room = (status?.json?["Topology"] as? [String: Any])?["Max"] as? Int ?? 0
            return room > 0 && [volume, filer].allSatisfy { (try? HTTPConnection(port: $0)) != nil }
        }
        // The first write makes the volumes.
        let warm = try HTTPConnection(port: filer).send(
            SentRequest(method: "PUT", "/warm/up", body: Array(repeating: 120, count: 5 << 20)))
        guard warm.status == 201 else { throw BenchmarkError("weed does not store: \(warm)") }

        let nginx = try OtherNginx(in: directory, streamingTo: "127.0.0.1:\(filer)")
        // Asked to end it takes 15 s.
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [server], patience: 0)
    }

    func upload(_ client: Client) throws {
        let video = client.video
        let path = "/videos/\(video.md5).mp4"
        switch way {
        case .tus: try TusUpload.upload(client, creating: "/.tus" + path, size: Client.partSize)
        case .put:
            let digest = stride(from: 0, to: 32, by: 2).compactMap {
                UInt8(video.md5.dropFirst($0).prefix(2), radix: 16)
            }
            let headers = [("Content-Type", "video/mp4"), ("Content-MD5", Data(digest).base64EncodedString())]
            let reply = try client.send(Request("PUT", path, headers: headers, part: 0..<video.size))
            guard reply.json?["size"] as? Int == video.size else { throw BenchmarkError("not whole: \(reply)") }
        }
    }
}
