import Foundation
import TestSupport

/// A server that takes uploads: how it is started behind nginx, and how a client uploads a video to it.
protocol Contestant: Sendable {
    /// What tables call it.
    var name: String { get }
    /// What it says of the stored bytes when it has answered: whether they were verified, and synced to the medium.
    var promise: String { get }
    /// Why it cannot run here; `nil` if it can.
    var absence: String? { get }
    /// The directory, below that of its `start`, where a file has a whole video's bytes after its upload; `nil` where
    /// they are in several files or in one with others.
    var storage: String? { get }
    /// Starts it with everything it writes below `directory`, which is empty.
    ///
    /// - Throws: `BenchmarkError` if it is not ready within its time.
    func start(in directory: String) throws -> RunningContestant
    /// Computes what a client must know of a video before it uploads it; not measured.
    func prepare(_ video: SampleVideo) throws
    /// Uploads the client's video.
    ///
    /// - Throws: if a reply says that it failed, or the last one does not say that the video is whole.
    func upload(_ client: Client) throws
}

/// A contestant that tells by a video's md5 whether it has it.
protocol LookupContestant: Contestant {}

extension Contestant {
    var absence: String? { nil }

    func prepare(_ video: SampleVideo) throws {}

    var storage: String? { nil }
}

/// A started contestant. Its processes end with `stop`, or with this process.
struct RunningContestant: Sendable {
    let port: UInt16
    let nginx: [ChildProcess]
    let backends: [ChildProcess]
    /// Seconds that a backend gets to end when it is asked to; with none it is killed.
    var patience = 15.0
    /// What else has to stay until the end, and ends with it.
    var site: NginxSite?

    func stop() {
        site?.stop()
        for process in nginx { process.stop() }
        for process in backends.reversed() { process.stop(within: patience) }
    }
}

/// nginx with the development configuration of video-intake, but other directives in its server.
struct OtherNginx {
    let port: UInt16
    let process: ChildProcess

    /// Each body that goes to a file would be a warning.
    private static let common = """
                fastcgi_read_timeout 300s;
                proxy_read_timeout 300s;
                proxy_send_timeout 300s;
                error_log stderr error;
        """

    /// Starts it in `directory` and waits until it accepts connections. Relative paths are below `directory`.
    ///
    /// - Parameters:
    ///   - bodyBuffer: the size of the buffer for a body; video-intake's, which others shall not lack.
    ///   - http: directives around the server.
    ///   - server: directives in it.
    init(in directory: String, bodyBuffer: String = "256k", http: String = "", server: String) throws {
        port = try LocalSocket.freePort()
        for name in ["log", "nginx/temporary"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
        }
        if !FileManager.default.fileExists(atPath: "\(directory)/nginx/conf.d") {
            try NginxFiles.copyShipped(to: "\(directory)/nginx")
        }
        let template = textOfFile(Repository.directory.path + "/nginx/development.conf.template")
        var lines = template.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let start = lines.firstIndex(of: "    server {") else {
            throw BenchmarkError("nginx/development.conf.template has no server")
        }
        lines.removeSubrange(start...)
        lines += [
            "    client_body_temp_path body;", http,
            "    server {", "        listen 127.0.0.1:\(port);", Self.common,
            "        client_body_buffer_size \(bodyBuffer);", server, "    }",
        ]
        lines.append("}\n")
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: "\(directory)/nginx/nginx.conf"))
        process = try ChildProcess(
            "nginx",
            ["-p", directory, "-c", "nginx/nginx.conf", "-e", "stderr"] + (geteuid() == 0 ? ["-g", "user root;"] : []),
            environment: ChildProcess.plainEnvironment, directory: directory,
            output: "\(directory)/log/nginx.out", errors: "\(directory)/log/nginx.log")
        let port = port
        guard eventually(within: 10, { (try? HTTPConnection(port: port)) != nil }) else {
            throw BenchmarkError("nginx does not start: \(textOfFile("\(directory)/log/nginx.log"))")
        }
    }
}

extension OtherNginx {
    /// Hands every request on to `upstream`, "127.0.0.1:1234" or "unix:name", while its body still comes in.
    init(in directory: String, streamingTo upstream: String) throws {
        try self.init(
            in: directory, http: "    upstream backend { server \(upstream); keepalive 32; }",
            server: """
                        client_max_body_size 0;
                        location / {
                            proxy_pass http://backend;
                            proxy_http_version 1.1;
                            proxy_request_buffering off;
                            proxy_buffering off;
                            proxy_set_header Host $http_host;
                            proxy_set_header X-Forwarded-Proto $scheme;
                            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                            proxy_set_header Connection "";
                        }
                """)
    }
}

/// Starts a backend whose output goes to `log/NAME.log`.
func startBackend(
    _ program: String, _ arguments: [String], in directory: String, environment: [String: String] = [:]
) throws -> ChildProcess {
    try FileManager.default.createDirectory(atPath: "\(directory)/log", withIntermediateDirectories: true)
    let log = "\(directory)/log/\(URL(fileURLWithPath: program).lastPathComponent).log"
    return try ChildProcess(
        program, arguments, environment: ChildProcess.plainEnvironment.merging(environment) { $1 },
        directory: directory, output: log, errors: log)
}

/// Waits until a backend is ready, or says what it logged.
func waitForBackend(_ process: ChildProcess, _ name: String, in directory: String, _ isReady: () -> Bool) throws {
    guard eventually(within: 60, { isReady() || process.poll() != nil }), process.poll() == nil else {
        throw BenchmarkError("\(name) does not start: \(textOfFile("\(directory)/log/\(name).log").suffix(2000))")
    }
}
