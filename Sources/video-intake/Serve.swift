import ArgumentParser
import Catalogue
import ChunkStore
import Dispatch
import FastCGI
import Foundation
import Glibc
import IntakeService
import Logging

/// `video-intake serve`
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve FastCGI requests until SIGTERM or SIGINT.",
        discussion: """
            Listens on --socket with mode 0660, or on an inherited socket (systemd socket activation, spawn-fcgi). \
            The first SIGTERM or SIGINT lets running requests finish, for at most 10 seconds; a second one ends at once.
            """)

    @OptionGroup var options: SettingOptions

    /// Seconds that running requests get to finish.
    private static let grace = 9.0

    /// Seconds between two looks for uploads that have expired.
    private static let expiryInterval = 600

    func run() throws {
        let settings = try options.settings()
        let signals = Self.blockSignals()
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "video-intake")
        logger.logLevel = settings.logLevel

        let service: IntakeService
        let server: FastCGIServer
        do {
            service = try Self.makeService(settings, logger)
            let socket = try ListeningSocket.inherited() ?? ListeningSocket.bind(path: settings.socket)
            server = try FastCGIServer(socket: socket, threads: settings.threads) { service.handle($0) }
            try server.start()
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        logger.notice("serving", metadata: ["socket": "\(settings.socket)", "threads": "\(settings.threads)"])

        let expiry = DispatchSource.makeTimerSource()
        expiry.schedule(deadline: .now(), repeating: .seconds(Self.expiryInterval))
        expiry.setEventHandler { service.expireUploads() }
        expiry.resume()

        let signal = Self.wait(for: signals)
        logger.notice("stopping", metadata: ["signal": "\(signal)"])
        Thread.detachNewThread {
            _ = Self.wait(for: signals)
            _exit(1)
        }
        guard server.stop(grace: Self.grace) else {
            complain("requests were still running after \(Int(Self.grace)) s")
            throw ExitCode(1)
        }
        logger.notice("stopped")
    }

    private static func makeService(_ settings: Settings, _ logger: Logger) throws -> IntakeService {
        try makeDirectory(settings.dataDirectory, mode: 0o755)
        let store = try FileChunkStore(directory: settings.dataDirectory, reserve: settings.reserve)
        let catalogue = try SQLiteCatalogue(path: settings.cataloguePath)
        if let body = settings.intake.bodyDirectory {
            try makeDirectory(body, mode: 0o700)
            var (ours, theirs) = (stat(), stat())
            if stat(settings.dataDirectory, &ours) == 0, stat(body, &theirs) == 0, ours.st_dev != theirs.st_dev {
                logger.warning("body directory and data directory are on two file systems: uploads will be slower")
            }
        }
        return IntakeService(catalogue: catalogue, store: store, settings: settings.intake, logger: logger)
    }

    private static func makeDirectory(_ path: String, mode: mode_t) throws {
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw StoreError("cannot create the directory \(path)", code: errno)
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw StoreError("cannot write to the directory \(path)", code: errno)
        }
    }

    /// The signals that stop the server wait until `wait` takes them; every thread made later inherits that.
    private static func blockSignals() -> sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        return signals
    }

    private static func wait(for signals: sigset_t) -> Int32 {
        var signals = signals
        var signal: Int32 = 0
        while sigwait(&signals, &signal) != 0 {}
        return signal
    }
}

extension Settings {
    /// The SQLite file of the catalogue.
    var cataloguePath: String { dataDirectory + "/video-intake.db" }
}

/// Writes one line about a mistake to standard error.
func complain(_ line: String) {
    FileHandle.standardError.write(Data("video-intake: \(line)\n".utf8))
}
