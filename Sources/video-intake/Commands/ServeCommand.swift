import Maintenance
import ArgumentParser
import Model
import Dispatch
import FastCGI
import Foundation
import Glibc
import Intake
import Logging
import Synchronization

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve FastCGI requests until SIGTERM or SIGINT.",
        discussion: """
            Listens on --socket with mode 0660, or on an inherited socket (systemd socket activation, spawn-fcgi). \
            The first SIGTERM or SIGINT lets running requests finish, for at most 10 seconds; a second one ends at once. \
            SIGHUP reads the settings again; the log names those that need a restart. \
            Exits with 64 if a setting has to be changed, with 75 if a disk may come later.
            """)

    @OptionGroup var options: SettingOptions

    /// Seconds that running requests get to finish.
    private static let grace = 9.0

    /// Seconds between two sweeps.
    private static let sweepInterval = 600

    /// Seconds between two looks for files that another process has removed, and for refusals that no line told of.
    private static let closeInterval = 2

    func run() throws {
        let signals = ProcessSignals.block()
        let supervisor = Supervisor()
        let settings = try options.settings()
        Self.raiseDescriptorLimit()
        let (logger, level) = LogStreamHandler.bootstrap(settings.logLevel)
        if let missing = settings.missingCatalogue {
            complain(missing)
            guard supervisor.restarts else { throw ExitCode(64) }
            supervisor.status(missing)
            try Self.turnAway(settings, signals)
            throw ExitCode(75)
        }
        let test = SelfTest(settings: settings, logger: logger)
        try test.tryStore(withBodies: true)
        try test.tryProbe()
        if settings.areBodiesElsewhere {
            logger.warning(
                """
                bodies and data are on two file systems: bodies under way need room of their own there, and uploads take \
                longer (1.2 times as long from memory to a disk); the reserve is kept on both
                """,
                metadata: ["bodies": "\(settings.bodyDirectory)", "data": "\(settings.dataDirectory)"])
        }

        let service = try orExit { try settings.makeService(logger) }
        let unfinished = try orExit { try service.maintainer.recover() }
        let server = try orExit { try Self.start(settings, service.handle) }
        let status = "serving, \(settings.threads) threads, data in \(settings.dataDirectory)"
        supervisor.ready(status)
        logger.notice("serving", metadata: ["socket": "\(settings.socket)", "threads": "\(settings.threads)"])
        Self.startWatchdog(supervisor, server)

        Thread.detachNewThread {
            service.takeUp(unfinished)
            service.findDurations()
        }
        let sweep = DispatchSource.makeTimerSource()
        sweep.schedule(deadline: .now(), repeating: .seconds(Self.sweepInterval))
        sweep.setEventHandler { Self.sweep(service, logger) }
        sweep.resume()
        let close = DispatchSource.makeTimerSource()
        close.schedule(deadline: .now(), repeating: .seconds(Self.closeInterval))
        close.setEventHandler {
            service.closeRemovedFiles()
            service.logRefusals()
        }
        close.resume()

        var running = RunningSettings(settings, options, logger, level)
        let signal = signals.waitForStop { supervisor.reload { running.reload { service.reload($0.intake) } } }
        logger.notice("stopping", metadata: ["signal": "\(signal)"])
        service.beginStopping()
        supervisor.stopping("stopping, requests under way are answered")
        Thread.detachNewThread {
            _ = signals.waitForStop()
            _exit(1)
        }
        guard server.stop(grace: Self.grace) else {
            throw ending(1, "requests were still running after \(Int(Self.grace)) s")
        }
        service.stopped()
        logger.notice("stopped")
    }

    /// Requests succeed when it returns.
    private static func start(
        _ settings: Settings, _ handler: @escaping @Sendable (FastCGIRequest) -> Void
    ) throws -> FastCGIServer {
        let socket = try ListeningSocket.inherited() ?? Self.bind(settings.socket)
        let server = try FastCGIServer(socket: socket, threads: settings.threads, handler: handler)
        try server.start()
        return server
    }

    /// Answers every request, so that those that wait are told to come again instead of waiting for a service that may not
    /// start for long.
    private static func turnAway(_ settings: Settings, _ signals: ProcessSignals) throws {
        let server = try orExit { try start(settings) { IntakeService.turnAway($0, settings.intake.language) } }
        let signal = signals.waitForStop(within: Settings.diskPatience)
        server.stop(grace: grace)
        if signal != nil { throw ExitCode(0) }
    }

    private static func startWatchdog(_ supervisor: Supervisor, _ server: FastCGIServer) {
        let handled = Mutex(server.handledCount)
        supervisor.startWatchdog {
            handled.withLock { handled in
                let count = server.handledCount
                defer { handled = count }
                return count != handled || !server.isSaturated
            }
        }
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

    /// Unfinished uploads that were touched lately have their file open.
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
