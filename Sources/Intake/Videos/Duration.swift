import Catalogue
import ChunkStore
import Logging
import System
import Media
import Model

/// How long videos are: asked of ffprobe before the reply to a whole file, which tells it, and after any other reply.
extension IntakeService {
    /// Probes the durations that are not known yet, and waits for it. The records say which these are, so that
    /// none is forgotten in a crash.
    package func findDurations() {
        addUnprobed()
        probes.wait()
    }

    /// Has the files probed that the catalogue says are still to be probed.
    func addUnprobed() {
        do throws(CatalogueError) {
            // One more than fits: that there are more is then known.
            for path in try catalogue.unprobedPaths(limit: ProbeSchedule.clientLimit + 1) {
                probes.add(path, client: Self.catalogueClient, self)
            }
        } catch {
            logger.error("cannot find out durations", metadata: ["cause": "\(error)"])
        }
    }

    /// Whose the files of the catalogue are in the queue: no client has this name.
    private static let catalogueClient = "catalogue"

    /// Probes a file and records the result: 0 if there is none, so that it is not tried for ever.
    ///
    /// - Returns: whether it is recorded.
    func findDuration(_ path: String) -> Bool {
        var duration = 0.0
        if store.publishedLength(path) == nil {
            noteLost(path)
        } else {
            do throws(SystemError) {
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
                logger.error("cannot find out a duration", metadata: ["file": "\(path)", "cause": "\(error)"])
                return false
            }
        }
        do throws(CatalogueError) {
            for video in try catalogue.setDuration(duration, path: path) { videos.noteRecorded(video) }
            return true
        } catch {
            logger.error("cannot record a duration", metadata: ["file": "\(path)", "cause": "\(error)"])
            return false
        }
    }

    /// The duration for a request that waits for it, at most 4 s: seconds, 0 if ffprobe cannot tell.
    ///
    /// - Returns: `nil` if it has to be found out later: as many files as may be are probed, or the client has another
    ///   request that waits, or the time was too short.
    func durationNow(_ format: VideoFormat, _ file: LocalFile, client: String) -> Double? {
        let result = try? probes.now(client: client, self) { () throws(SystemError) in
            try probe(format, file, within: 4)
        }
        return switch result {
        case .seconds(let seconds): seconds
        case .unknown: 0
        case .timeLimit, nil: nil
        }
    }

    @Sendable package static func ffprobe(
        _ source: SourceFile, _ seconds: Double, _ niceness: Int
    ) throws(SystemError) -> DurationProbe.Result {
        try DurationProbe.run(source, within: seconds, niceness: niceness)
    }

    /// - Throws: if ffprobe cannot be started.
    private func probe(
        _ format: VideoFormat, _ file: LocalFile, within seconds: Double, niceness: Int = 0
    ) throws(SystemError) -> DurationProbe.Result {
        let result = try probe(SourceFile(path: file.path, format: format), seconds, niceness)
        switch result {
        case .seconds: break
        case .unknown: logger.warning("ffprobe tells no duration", metadata: ["file": "\(file.path)"])
        case .timeLimit: logger.warning("ffprobe tells no duration in time", metadata: ["file": "\(file.path)"])
        }
        return result
    }
}
