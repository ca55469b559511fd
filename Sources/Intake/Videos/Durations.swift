import Catalogue
import ChunkStore
import Dispatch
import Media
import Model
import System

/// How long videos are: asked of ffprobe before the reply to a whole file, which tells it, and after any other reply, as
/// `ProbeSchedule` orders them.
///
/// Thread-safe. The schedule's lock is held to look at it and to change it, never while a file is probed.
package final class Durations: Sendable {
    private let catalogue: Catalogue
    private let store: any ChunkStore
    private let videos: KnownVideos
    private let log: ServiceLog
    private let ffprobe: Probe
    private let schedule: Monitor<ProbeSchedule>

    /// A file, seconds on the wall, niceness. Throws if it cannot begin.
    package typealias Probe = @Sendable (SourceFile, Double, Int) throws(SystemError) -> DurationProbe.Result

    @Sendable package static func ffprobe(
        _ source: SourceFile, _ seconds: Double, _ niceness: Int
    ) throws(SystemError) -> DurationProbe.Result {
        try DurationProbe.run(source, within: seconds, niceness: niceness)
    }

    /// - Parameters:
    ///   - videos: forget those whose duration becomes known.
    ///   - slots: probes at once.
    init(
        _ catalogue: Catalogue, _ store: any ChunkStore, _ videos: KnownVideos, _ log: ServiceLog, slots: Int,
        ffprobe: @escaping Probe
    ) {
        self.catalogue = catalogue
        self.store = store
        self.videos = videos
        self.log = log
        self.ffprobe = ffprobe
        schedule = Monitor(ProbeSchedule(slots: slots))
    }

    /// Files that are probed, and that wait.
    var counts: (running: Int, waiting: Int) { withLock { ($0.running, $0.waiting) } }

    /// Probes what the records say is still to be probed, so that nothing is forgotten in a crash, and waits for it.
    func find() {
        addUnprobed()
        schedule.wait { $0.isIdle ? () : nil }
    }

    /// Probes a file when it is its client's turn, and records the result.
    func add(_ path: String, client: String) {
        withLock { $0.add(.init(path: path, client: client)) }
        start()
    }

    /// Seconds that a file of a request that waits for its reply plays, on its thread; 0 if ffprobe cannot tell.
    ///
    /// - Returns: `nil` if it has to be found out later: as many files as may be are probed, or the client has another
    ///   request that waits, or the time was too short.
    func now(_ format: VideoFormat, _ file: LocalFile, client: String) -> Double? {
        guard withLock({ $0.beginRequest(of: client) }) else { return nil }
        defer {
            let needsRefill = withLock { schedule in
                schedule.endRequest(of: client)
                return schedule.beginsRefill()
            }
            if needsRefill { DispatchQueue.global(qos: .utility).async { self.refill() } }
            start()
        }
        return switch try? probe(format, file, within: 4) {
        case .seconds(let seconds): seconds
        case .unknown: 0
        case .timeLimit, nil: nil
        }
    }

    /// Whose the files of the catalogue are in the queue: no client has this name.
    private static let catalogueClient = "catalogue"

    private func addUnprobed() {
        do throws(CatalogueError) {
            // One more than fits: that there are more is then known.
            for path in try catalogue.unprobedPaths(limit: ProbeSchedule.clientLimit + 1) {
                add(path, client: Self.catalogueClient)
            }
        } catch {
            log.logger.error("cannot find out durations", metadata: ["cause": "\(error)"])
        }
    }

    /// Begins with what may begin, each on a thread that keeps it to its end: ffprobe dies with the thread.
    private func start() {
        while let task = withLock({ $0.next() }) {
            DispatchQueue.global(qos: .utility).async { self.work(on: task) }
        }
    }

    private func work(on first: ProbeSchedule.Task) {
        var task = first
        while true {
            let isRecorded = findDuration(task.path)
            let (next, needsRefill) = withLock { schedule in
                schedule.end(task, isRecorded: isRecorded)
                let needsRefill = schedule.beginsRefill()
                return (schedule.next(), needsRefill)
            }
            if needsRefill { refill() }
            guard let next else { return }
            task = next
        }
    }

    /// Looks into the catalogue for what did not fit, after `beginsRefill`.
    private func refill() {
        addUnprobed()
        withLock { $0.endRefill() }
        start()
    }

    private func withLock<Result>(_ body: (inout ProbeSchedule) -> Result) -> Result {
        schedule.withLock {
            let result = body(&$0)
            if $0.isIdle { schedule.broadcast() }
            return result
        }
    }

    /// Probes a file and records the result: 0 if there is none, so that it is not tried for ever.
    ///
    /// - Returns: whether it is recorded.
    private func findDuration(_ path: String) -> Bool {
        var duration = 0.0
        if store.publishedLength(path) == nil {
            log.noteLost(path)
        } else {
            do {
                if let format = try store.head(ofPublished: path).format {
                    let result = try probe(format, store.localFile(ofPublished: path), within: 20, niceness: 19)
                    // What it announces is better than nothing where its packets take too long.
                    switch result {
                    case .seconds(let seconds), .timeLimit(announced: .some(let seconds)): duration = seconds
                    case .unknown, .timeLimit(announced: nil): break
                    }
                }
            } catch {
                // The record stays as it is, for the next time.
                log.logger.error("cannot find out a duration", metadata: ["file": "\(path)", "cause": "\(error)"])
                return false
            }
        }
        do throws(CatalogueError) {
            for video in try catalogue.setDuration(duration, path: path) { videos.noteRecorded(video) }
            return true
        } catch {
            log.logger.error("cannot record a duration", metadata: ["file": "\(path)", "cause": "\(error)"])
            return false
        }
    }

    /// - Throws: if ffprobe cannot be started.
    private func probe(
        _ format: VideoFormat, _ file: LocalFile, within seconds: Double, niceness: Int = 0
    ) throws(SystemError) -> DurationProbe.Result {
        let result = try ffprobe(SourceFile(path: file.path, format: format), seconds, niceness)
        switch result {
        case .seconds: break
        case .unknown: log.logger.warning("ffprobe tells no duration", metadata: ["file": "\(file.path)"])
        case .timeLimit:
            log.logger.warning("ffprobe tells no duration in time", metadata: ["file": "\(file.path)"])
        }
        return result
    }
}
