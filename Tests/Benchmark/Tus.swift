import Foundation
import TestSupport

/// tuspyserver, a server of the tus protocol, under uvicorn.
struct Tus: Contestant {
    let name: String
    let promise = "nothing verified, content not synced"
    /// Bytes of each PATCH at most.
    private let size: Int

    static let parts = Tus(name: "tuspyserver (tus)", size: Client.partSize)
    static let whole = Tus(name: "tuspyserver, one PATCH", size: .max)

    var absence: String? { VirtualEnvironment.absence(of: "uvicorn") }

    var storage: String? { "files" }

    func start(in directory: String) throws -> RunningContestant {
        let port = try LocalSocket.freePort()
        let server = try startBackend(
            VirtualEnvironment.path("uvicorn"),
            [
                "app:app", "--app-dir", Repository.directory.path + "/Tests/Benchmark/Contestants/tus",
                "--host", "127.0.0.1", "--port", "\(port)", "--loop", "uvloop", "--http", "httptools",
                "--no-access-log", "--log-level", "warning",
            ],
            in: directory, environment: ["UPLOAD_DIR": directory + "/files", "PYTHONDONTWRITEBYTECODE": "1"])
        try waitForBackend(server, "uvicorn", in: directory) { (try? HTTPConnection(port: port)) != nil }
        let nginx = try OtherNginx(in: directory, streamingTo: "127.0.0.1:\(port)")
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [server])
    }

    func upload(_ client: Client) throws {
        try TusUpload.upload(client, creating: "/files/", size: min(size, client.video.size))
    }
}
