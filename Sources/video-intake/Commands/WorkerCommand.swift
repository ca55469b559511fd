import FileStore
import ArgumentParser
import Model
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Foundation
import Glibc
import Logging
import Synchronization
import System
import Media
import Webhooks
import Worker

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Transcode queued videos, and tell a webhook of it, until SIGTERM or SIGINT.",
        discussion: """
            Takes jobs, of each client in turn, --jobs at a time and one more that is short, and makes of each file what --profile says with ffmpeg: \
            without a network, with little priority, within limits of time and memory. Any number of workers may share \
            a data directory; run them as the user of `serve`, and `serve` with --transcode yes. A signal gives what is \
            under way back to the queue; a second one ends at once. A worker that is killed loses nothing: its jobs are \
            taken again after --lease-time. With --webhook-url what happens to videos is told there, signed. SIGHUP reads \
            the settings again: log level and webhook. Exits with 64 if a setting has to be changed, with 69 if a program is \
            missing, with 75 if a disk may come later.
            """)

    @OptionGroup var options: SettingOptions

    func run() throws {
        let signals = ProcessSignals.block()
        let supervisor = Supervisor()
        let settings = try options.settings()
        let (logger, level) = LogStreamHandler.bootstrap(settings.logLevel)
        if let missing = Self.tools.first(where: { !SelfTest.isInPath($0) }) {
            throw ending(69, "\(missing) is not in PATH (Debian: apt-get install ffmpeg)")
        }
        if let missing = settings.missingCatalogue {
            complain(missing)
            guard supervisor.restarts else { throw ExitCode(64) }
            supervisor.status(missing)
            if signals.waitForStop(within: Settings.diskPatience) != nil { return }
            throw ExitCode(75)
        }
        let test = SelfTest(settings: settings, logger: logger)
        try test.tryStore(withBodies: false)
        let parts = try orExit { try settings.makeWorker(logger) }
        try test.tryTranscoder(parts.transcoder, parts.store)
        try orExit { try parts.catalogue.noteWorkerWalls(SandboxWalls.present.code) }
        say(settings, logger)

        let stop = StopSignal()
        let turns = Turns()
        let delivered = start(parts.delivery, turns, until: stop)
        parts.worker.removeAbandoned()
        supervisor.ready("working, \(settings.jobs) jobs at a time, data in \(settings.dataDirectory)")
        supervisor.startWatchdog { turns.haveAllTurned() }
        Thread.detachNewThread {
            var running = RunningSettings(settings, options, logger, level)
            let signal = signals.waitForStop {
                supervisor.reload {
                    running.reload {
                        parts.webhook.replace(with: $0.webhook)
                        parts.catalogue.setWritesEvents($0.intake.webhookURL != nil)
                    }
                }
            }
            logger.notice("stopping", metadata: ["signal": "\(signal)"])
            supervisor.stopping("stopping, jobs are given back")
            stop.stop()
            _ = signals.waitForStop()
            _exit(1)
        }
        parts.worker.run(until: stop) { turns.note(.jobs) }
        while delivered.wait(60) {}
        logger.notice("stopped")
    }

    private func say(_ settings: Settings, _ logger: Logger) {
        let memory = WorkerSettings.defaultMemory()
        logger.notice(
            "working",
            metadata: [
                "jobs": "\(settings.jobs)", "data": "\(settings.dataDirectory)", "memory_mib": "\(memory >> 20)",
                "memory_per_tool_mib": "\(WorkerSettings.toolMemory(jobs: settings.jobs, memory: memory) >> 20)",
            ])
        if geteuid() == 0 {
            logger.notice("ffmpeg runs as root, as this process does; run it as the responder's user")
        }
        // The address may have a key in it.
        if let host = settings.intake.webhookURL.flatMap({ URL(string: $0)?.host }) {
            logger.notice("telling a webhook", metadata: ["host": "\(host)"])
        }
        if !settings.intake.queuesTranscoding {
            logger.notice("VIDEO_INTAKE_TRANSCODE is no: videos are not transcoded, this worker only tells the webhook")
        }
    }

    /// Starts to tell the webhook what happens, on a thread of its own. Returns what stops when that has ended.
    private func start(_ delivery: EventDelivery, _ turns: Turns, until stop: StopSignal) -> StopSignal {
        let ended = StopSignal()
        Thread.detachNewThread {
            delivery.run {
                turns.note(.events)
                return stop.isStopped
            }
            ended.stop()
        }
        return ended
    }

    /// What a job cannot be done without.
    private static let tools = ["ffmpeg", "ffprobe"]

    /// Which of the loops have turned since the last look. Thread-safe.
    private final class Turns: Sendable {
        enum Loop: CaseIterable { case jobs, events }

        private let turned = Mutex<Set<Loop>>([])

        func note(_ loop: Loop) { turned.withLock { _ = $0.insert(loop) } }

        func haveAllTurned() -> Bool {
            turned.withLock { turned in
                defer { if turned.count == Loop.allCases.count { turned = [] } }
                return turned.count == Loop.allCases.count
            }
        }
    }
}

extension Settings {
    /// What a worker process consists of.
    struct WorkerParts {
        let worker: TranscodingWorker
        let delivery: EventDelivery
        /// Where that delivers to.
        let webhook: CurrentWebhook
        let transcoder: Transcoder
        let store: FileChunkStore
        let catalogue: Catalogue
    }

    /// The worker that these settings describe, and what delivers its catalogue's events, if they are wanted anywhere.
    func makeWorker(_ logger: Logger) throws -> WorkerParts {
        let (catalogue, store) = try open(logger, withBodies: false)
        var worker = WorkerSettings(
            name: "\(ProcessInfo.processInfo.hostName):\(getpid())", jobs: jobs, workDirectory: workDirectory)
        worker.lease = lease.components.seconds
        worker.profile = try transcodingProfile()
        try Self.makeDirectory(worker.workDirectory, mode: 0o750)
        var limits = TranscodingLimits()
        limits.threads = WorkerSettings.threads(jobs: jobs, processors: Self.processors)
        limits.memory = WorkerSettings.toolMemory(jobs: jobs, memory: worker.memory)
        let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
        let transcoder = Transcoder(limits: limits, logger: logger)
        let webhook = CurrentWebhook(webhook)
        return WorkerParts(
            worker: TranscodingWorker(
                catalogue: catalogue, store: store, transcoder: transcoder, settings: worker, logger: logger, now: now),
            delivery: EventDelivery(catalogue: catalogue, webhook: webhook, logger: logger, now: now),
            webhook: webhook, transcoder: transcoder, store: store, catalogue: catalogue)
    }
}
