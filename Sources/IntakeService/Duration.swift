import Catalogue
import ChunkStore
import Dispatch
import Logging
import System
import Uploads

/// How long videos are: asked of ffprobe before the reply to a whole file, which tells it, and after any other reply.
extension IntakeService {
    /// Finds out the durations that nobody has asked for yet. The records say which these are, so that none is forgotten
    /// in a crash.
    package func findDurations() {
        probing.sync {
            do throws(CatalogueError) {
                for path in try catalogue.unprobedPaths() { try findDuration(path) }
            } catch {
                logger.error("cannot find out durations", metadata: ["cause": "\(error)"])
            }
        }
    }

    /// The same in the background.
    func findDurationsSoon() {
        DispatchQueue.global(qos: .utility).async { self.findDurations() }
    }

    private func findDuration(_ path: String) throws(CatalogueError) {
        var duration = 0.0
        if store.publishedLength(path) == nil {
            noteLost(path)
        } else {
            do throws(SystemError) {
                let file = try store.openPublished(path)
                let head = try Content.file(file, 0..<file.length()).prefix(Container.signatureLength)
                let container = Container.of(head, allowed: settings.extensions)
                duration = try self.duration(container, store.path(ofPublished: path), .background)
            } catch {
                // The record stays as it is, for the next time.
                return logger.error("cannot find out a duration", metadata: ["file": "\(path)", "cause": "\(error)"])
            }
        }
        for video in try catalogue.setDuration(duration, path: path) { videos.noteRecorded(video) }
    }

    /// Starts ffprobe once, as for a video.
    ///
    /// - Returns: `nil` if it works, else the last line that it writes.
    /// - Throws: if it cannot be started.
    package static func probeComplaint() throws(SystemError) -> String? { try MediaProbe.complaint() }

    /// Seconds; 0 if ffprobe cannot tell.
    ///
    /// - Throws: if ffprobe cannot be started.
    func duration(
        _ container: Container?, _ path: String, _ haste: MediaProbe.Haste
    ) throws(SystemError) -> Double {
        let duration = try container.flatMap { container throws(SystemError) in
            try MediaProbe(path: path, container: container, haste: haste).wait()
        }
        if duration == nil { logger.warning("ffprobe tells no duration", metadata: ["file": "\(path)"]) }
        return duration ?? 0
    }
}
