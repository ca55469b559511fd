import ArgumentParser
import Catalogue
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

    /// Seconds between two sweeps.
    private static let sweepInterval = 600

    func run() throws {
        let settings = try options.settings()
        let signals = TerminationSignals.block()
        Self.raiseDescriptorLimit()
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "video-intake")
        logger.logLevel = settings.logLevel

        let service: IntakeService
        let server: FastCGIServer
        let unfinished: [Upload]
        do {
            service = try settings.makeService(logger)
            unfinished = try service.recover()
            let socket = try ListeningSocket.inherited() ?? Self.bind(settings.socket)
            server = try FastCGIServer(socket: socket, threads: settings.threads) { service.handle($0) }
            try server.start()
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        logger.notice("serving", metadata: ["socket": "\(settings.socket)", "threads": "\(settings.threads)"])

        Thread.detachNewThread {
            service.takeUp(unfinished)
            service.findDurations()
        }
        let sweep = DispatchSource.makeTimerSource()
        sweep.schedule(deadline: .now(), repeating: .seconds(Self.sweepInterval))
        sweep.setEventHandler { Self.sweep(service, logger) }
        sweep.resume()

        let signal = signals.wait()
        logger.notice("stopping", metadata: ["signal": "\(signal)"])
        Thread.detachNewThread {
            _ = signals.wait()
            _exit(1)
        }
        guard server.stop(grace: Self.grace) else {
            complain("requests were still running after \(Int(Self.grace)) s")
            throw ExitCode(1)
        }
        logger.notice("stopped")
    }

    private static func sweep(_ service: IntakeService, _ logger: Logger) {
        do {
            let report = try service.sweep()
            if report != SweepReport() {
                logger.notice("swept", metadata: report.lines.reduce(into: [:]) { $0[$1.what] = "\($1.amount)" })
            }
        } catch {
            logger.error("cannot sweep", metadata: ["cause": "\(error)"])
        }
    }

    /// Every unfinished upload that was touched lately has its file open.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// A process that was killed leaves its socket open for a moment if it was just starting a child: patience of 1 s.
    private static func bind(_ path: String) throws -> ListeningSocket {
        for _ in 0..<20 {
            do throws(ListeningSocketError) {
                return try ListeningSocket.bind(path: path)
            } catch .inUse {
                usleep(50_000)
            } catch {
                throw error
            }
        }
        return try ListeningSocket.bind(path: path)
    }
}

/// Writes one line about a mistake to standard error.
func complain(_ line: String) {
    writeToStandardError("video-intake: \(line)\n")
}
