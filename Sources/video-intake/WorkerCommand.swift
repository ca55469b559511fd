import ArgumentParser
import Catalogue
import ChunkStore
import Foundation
import Glibc
import Logging
import Transcoding
import Webhooks
import Worker

/// `video-intake worker`
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Transcode queued videos, and tell a webhook of it, until SIGTERM or SIGINT.",
        discussion: """
            Takes jobs, the oldest first, --jobs at a time, and makes of each file what --profile says with ffmpeg: \
            without a network, with little priority, within limits of time and memory. Any number of workers may share \
            a data directory; run them as the user of `serve`, and `serve` with --transcode yes. A signal gives what is \
            under way back to the queue; a second one ends at once. A worker that is killed loses nothing: its jobs are \
            taken again after --lease-time. With --webhook-url what happens to videos is told there, signed.
            """)

    @OptionGroup var options: SettingOptions

    func run() throws {
        let settings = try options.settings()
        let signals = TerminationSignals.block()
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "video-intake")
        logger.logLevel = settings.logLevel
        if let missing = Self.tools.first(where: { !Config.isInPath($0) }) {
            complain("\(missing) is not in PATH (Debian: apt-get install ffmpeg util-linux)")
            throw ExitCode(69)
        }
        let (worker, delivery) = try orExit { try settings.makeWorker(logger) }
        logger.notice("working", metadata: ["jobs": "\(settings.jobs)", "data": "\(settings.dataDirectory)"])
        if geteuid() == 0 {
            logger.notice("ffmpeg runs as root, as this process does; run it as the responder's user")
        }
        // The address may have a key in it.
        if let host = settings.intake.webhookURL.flatMap({ URL(string: $0)?.host }) {
            logger.notice("telling a webhook", metadata: ["host": "\(host)"])
        }
        if !settings.intake.queuesTranscoding {
            logger.notice("VIDEO_INTAKE_TRANSCODE is no: a responder with this setting queues nothing")
        }

        let stop = StopSignal()
        Thread.detachNewThread { [logger] in
            // Not inside the call, which looks at its arguments only if it logs.
            let signal = signals.wait()
            logger.notice("stopping", metadata: ["signal": "\(signal)"])
            stop.stop()
            _ = signals.wait()
            _exit(1)
        }
        let delivered = start(delivery, until: stop)
        worker.removeAbandoned()
        worker.run(until: stop)
        while delivered.wait(60) {}
        logger.notice("stopped")
    }

    /// Starts to tell the webhook what happens, on a thread of its own. Returns what stops when that has ended.
    private func start(_ delivery: EventDelivery?, until stop: StopSignal) -> StopSignal {
        let ended = StopSignal()
        guard let delivery else {
            ended.stop()
            return ended
        }
        Thread.detachNewThread {
            delivery.run { stop.isStopped }
            ended.stop()
        }
        return ended
    }

    /// What a job cannot be done without.
    private static let tools = ["ffmpeg", "ffprobe", "prlimit", "setpriv", "unshare", "nice"]
}

extension Settings {
    /// The worker that these settings describe, and what delivers its catalogue's events, if they are wanted anywhere. Its
    /// directories are made if they are missing, so that it may start before the responder.
    func makeWorker(_ logger: Logger) throws -> (TranscodingWorker, EventDelivery?) {
        try Self.makeDirectory(dataDirectory, mode: 0o755)
        let catalogue = try openCatalogue()
        let store = try FileChunkStore(directory: dataDirectory, reserve: reserve, durability: intake.durability)
        var worker = WorkerSettings(
            name: "\(ProcessInfo.processInfo.hostName):\(getpid())", jobs: jobs,
            workDirectory: dataDirectory + "/transcoding")
        worker.lease = lease
        if let profile { worker.profile = try TranscodingProfile(path: profile) }
        try Self.makeDirectory(worker.workDirectory, mode: 0o750)
        var limits = TranscodingLimits()
        limits.threads = WorkerSettings.threads(jobs: jobs, processors: Self.processors)
        let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
        return (
            TranscodingWorker(
                catalogue: catalogue, store: store, transcoder: Transcoder(limits: limits, logger: logger),
                settings: worker, logger: logger, now: now),
            webhook.map { EventDelivery(catalogue: catalogue, webhook: $0, logger: logger, now: now) }
        )
    }

    /// Processors that this process may use.
    static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }
}
