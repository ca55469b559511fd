import ChunkStore
import Foundation
import TestSupport

/// nginx alone: each part of a video becomes a file in the video's directory, and nobody joins them.
struct WebDAV: Contestant {
    let name = "nginx WebDAV PUT"
    let promise = "nothing verified or synced, parts not joined"

    func start(in directory: String) throws -> RunningContestant {
        try FileManager.default.createDirectory(atPath: directory + "/store", withIntermediateDirectories: true)
        let nginx = try OtherNginx(
            in: directory,
            server: """
                        client_max_body_size 5m;
                        location / {
                            root store;
                            dav_methods PUT;
                            create_full_put_path on;
                            dav_access user:rw group:r all:r;
                        }
                """)
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [])
    }

    func upload(_ client: Client) throws {
        let md5 = client.video.md5
        try client.sendAll(client.parts()) { index, range in
            Request("PUT", "/\(md5)/\(index)", headers: [("Content-Type", "application/octet-stream")], part: range)
        }
    }
}
