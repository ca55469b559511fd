import Foundation
import Glibc

/// The real responder behind a real nginx with the shipped configuration, in a directory of its own on a free port.
///
/// Set up as `nginx/run` does it. Thread-safe. Both processes end with the value, or with this process.
package final class NginxSite: Site {
    package typealias BodyMode = InProcessSite.BodyMode

    package let dataDirectory: URL
    package let mode: BodyMode
    package let port: UInt16
    private let binary: String
    private let flags: [String]
    private let limits: [String]
    private let faults: FaultLibrary?
    private let environment: [String: String]
    private let processes: Locked<Processes>

    private struct Processes {
        var nginx: ChildProcess?
        var responder: ChildProcess?
    }

    /// Why a site does not come up.
    /// Starts both and waits until requests succeed.
    ///
    /// - Parameters:
    ///   - flags: more flags for `video-intake serve`, like `["--size-limit", "3G"]`.
    ///   - limits: options of prlimit(1) for the responder, like `["--nofile=64"]`.
    ///   - binary: another one than that under test.
    ///   - directory: where everything is written; a new one by default. It goes with the site.
    ///   - authenticates: whether owners are named by an authentication service, as login.conf does it. The service here
    ///     lets in whoever says an owner.
    ///   - faults: what the responder has with it, but not nginx.
    ///   - environment: what responder and workers have in theirs, besides.
    ///   - configure: changes nginx's files before nginx starts, as an operator does.
    package init(
        _ mode: BodyMode, flags: [String] = [], limits: [String] = [], binary: String = NginxSite.binary,
        directory: URL? = nil, authenticates: Bool = false, faults: FaultLibrary? = nil,
        environment: [String: String] = [:], configure: (NginxFiles) throws -> Void = { _ in }
    ) throws {
        self.mode = mode
        self.binary = binary
        self.environment = environment
        self.flags = flags
        self.limits = limits
        self.faults = faults
        dataDirectory = try directory ?? makeTemporaryDirectory()
        let directory = dataDirectory.path
        for name in ["body", "log", "upload", "nginx/temporary"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
        }
        port = try LocalSocket.freePort()
        processes = Locked(Processes())
        let files = try NginxFiles(for: self)
        if authenticates { try files.authenticate() }
        try configure(files)
        if access(cataloguePath, F_OK) != 0 { try Self.makeCatalogue(in: dataDirectory.path, by: binary) }
        try startResponder()
        try startNginx()
        Self.running.withLock { running in
            running = running.filter { $0.site != nil } + [Reference(site: self)]
        }
        try waitUntilReady()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: dataDirectory)
    }

    package func send(_ request: SentRequest) throws -> ReceivedReply {
        try HTTPConnection(port: port, from: request.address ?? "127.0.0.1").send(request)
    }

    /// A connection to nginx.
    package func connect() throws -> HTTPConnection { try HTTPConnection(port: port) }

    /// Whether the responder answers.
    package func isHealthy() -> Bool {
        // Where users are told apart it is a user who asks.
        let request = SentRequest(method: "GET", "/healthz", owner: "monitor")
        return (try? HTTPConnection(port: port, timeLimit: 20).send(request).status) == 200
    }
}

// MARK: - Files

extension NginxSite {
    package var socketPath: String { dataDirectory.path + "/video-intake.sock" }
    package var cataloguePath: String { dataDirectory.path + "/video-intake.db" }
    /// What the responder wrote to standard error, over all its starts.
    package var responderLog: String { textOfFile(dataDirectory.path + "/log/responder.log") }
    /// nginx's error log.
    package var nginxLog: String { textOfFile(dataDirectory.path + "/log/nginx.log") }

    /// The binary under test: VIDEO_INTAKE_TEST_BINARY, or the debug binary next to the tests' own.
    package static let binary =
        releaseBinary
        ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("video-intake").path

    /// The command without a look at the nginx of this machine, which may have files of another version.
    package static let configCheck = ["config", "check", "--nginx-directory", "/dev/null"]

    /// The release binary, if Tests/run has built one.
    package static let releaseBinary = ProcessInfo.processInfo.environment["VIDEO_INTAKE_TEST_BINARY"]
}

// MARK: - Processes

extension NginxSite {
    /// The responder's process. It may have ended.
    package var responder: ChildProcess { processes.withLock { $0.responder! } }

    /// nginx's master process. It may have ended.
    package var nginx: ChildProcess { processes.withLock { $0.nginx! } }

    /// Makes an empty catalogue, as an administrator does it before the first start.
    package static func makeCatalogue(in directory: String, by binary: String = NginxSite.binary) throws {
        let made = try ChildProcess.run(binary, ["init", "--data-directory", directory])
        guard made.end == .exit(0) else { throw NotReady("\(binary) init: \(made.errors)") }
    }

    /// Starts the responder and does not wait for it.
    ///
    /// - Parameter socket: a listening socket to be its descriptor 0, in place of its own.
    package func startResponder(inheriting socket: LocalSocket? = nil) throws {
        let directory = dataDirectory.path
        let environment = environment.merging(faults?.environment(for: dataDirectory) ?? [:]) { $1 }
        // prlimit(1) becomes the responder.
        let child = try ChildProcess(
            limits.isEmpty ? binary : "prlimit",
            (limits.isEmpty ? [] : limits + [binary]) + [
                "serve", "--socket", "video-intake.sock", "--data-directory", directory, "--body-directory",
                "\(directory)/body", "--video-domain", "http://127.0.0.1:\(port)", "--reserve", "0", "--time-zone",
                "UTC",
            ] + flags,
            environment: ChildProcess.plainEnvironment.merging(environment) { $1 }, directory: directory,
            input: socket?.descriptor,
            output: "\(directory)/log/responder.out", errors: "\(directory)/log/responder.log")
        processes.withLock { $0.responder = child }
    }

    /// Starts a worker, which the site does not know of.
    package func startWorker(_ flags: [String] = []) throws -> ChildProcess {
        let directory = dataDirectory.path
        return try ChildProcess(
            binary, ["worker", "--data-directory", directory, "--reserve", "0", "--transcode", "yes"] + flags,
            environment: ChildProcess.plainEnvironment.merging(environment) { $1 }, directory: directory,
            output: "\(directory)/log/worker.out",
            errors: "\(directory)/log/worker.log")
    }

    /// What all workers wrote to standard error.
    package var workerLog: String { textOfFile(dataDirectory.path + "/log/worker.log") }

    /// Kills the responder at once, as the kernel does when memory is short.
    package func killResponder() {
        responder.signal(SIGKILL)
        responder.wait(within: 10)
    }

    /// Ends the responder in good order and starts it again.
    package func restartResponder() throws {
        responder.stop()
        try startResponder()
        try waitUntilReady()
    }

    /// Waits until requests succeed.
    package func waitUntilReady() throws {
        let isReady = eventually(within: 30) {
            isHealthy() || processes.withLock { $0.nginx?.poll() != nil || $0.responder?.poll() != nil }
        }
        guard isReady, isHealthy() else {
            throw NotReady("\(binary) behind nginx is not ready\n\(nginxLog)\n\(responderLog)")
        }
    }

    /// Kills nginx, master and workers, at once.
    package func killNginx() {
        guard let nginx = processes.withLock(\.nginx) else { return }
        kill(-nginx.id, SIGKILL)
        nginx.wait(within: 10)
    }

    /// Starts nginx and does not wait for it.
    package func startNginx() throws {
        let directory = dataDirectory.path
        let child = try ChildProcess(
            "nginx",
            ["-p", directory, "-c", "nginx/nginx.conf", "-e", "stderr"]
                + (geteuid() == 0 ? ["-g", "user root;"] : []),
            environment: ChildProcess.plainEnvironment, directory: directory,
            output: "\(directory)/log/nginx.out", errors: "\(directory)/log/nginx.log")
        processes.withLock { $0.nginx = child }
    }

    /// The bytes of upload_file requests with this guid that nginx has received, head and body.
    package func bytesReceived(guid: String) -> Int {
        // The guid is in the body, so tests put it into the query as well.
        textOfFile(dataDirectory.path + "/log/access.log").split(separator: "\n")
            .filter { $0.contains("guid=\(guid)") }
            .reduce(0) { sum, line in
                sum + (line.split(separator: " ").last.flatMap { Int($0.dropFirst("received=".count)) } ?? 0)
            }
    }

    /// Ends both, nginx first.
    package func stop() {
        let (nginx, responder) = processes.withLock { processes in
            defer { processes = Processes() }
            return (processes.nginx, processes.responder)
        }
        nginx?.stop()
        responder?.stop()
    }

    private struct Reference {
        weak var site: NginxSite?
    }

    private static let running: Locked<[Reference]> = {
        // Sites in static variables never go by themselves.
        atexit { NginxSite.stopAll() }
        return Locked([])
    }()

    private static func stopAll() {
        for site in running.withLock({ $0.compactMap(\.site) }) {
            site.stop()
            try? FileManager.default.removeItem(at: site.dataDirectory)
        }
    }
}
