import ChunkStore
import Foundation
import Model

/// What an operator can set of the service itself.
package struct IntakeSettings: Sendable {
    /// Stands before `/upload/…` in a video's address; `""` for addresses on the same host.
    package var videoDomain = ""
    /// The largest request body, in bytes.
    package var bodyLimit = 5 * 1024 * 1024
    /// The largest request body over FastCGI that is held in memory, in bytes: one for each thread. A larger one goes into
    /// a file.
    package var memoryBodyLimit = 6 * 1024 * 1024
    /// The largest file, in bytes.
    package var sizeLimit = 2 * 1024 * 1024 * 1024
    /// The most chunks a file may have.
    package var chunksLimit = 4096
    /// The file name extensions that are taken, in lower case.
    package var extensions = ["mp4", "avi", "flv"]
    /// The zone of the times in replies and of the months in paths.
    package var timeZone = TimeZone.current
    /// Whether the paths of videos cannot be guessed.
    package var hasRandomPaths = false
    /// How long a chunk's reply may wait for the completion of a nearly whole file.
    package var holdTime = Duration.milliseconds(300)
    /// How long a reply may wait for a file's completion before the chunk is to come again: less than web servers and
    /// pages wait. The completion goes on.
    package var completionTime = Duration.seconds(90)
    /// A request that takes longer is a warning in the log; 0 if none is.
    package var slowTime = Duration.seconds(10)
    /// What `msg` of replies is written in.
    package var language = Language.zh
    /// How long an upload lives after its last chunk, in whole seconds.
    package var uploadLifetime = Duration.seconds(24 * 60 * 60)
    /// What a chunk survives once it is acknowledged.
    package var durability = Durability.process
    /// How many unfinished uploads there may be. 200 pages behind one address, one client, have 20 each.
    package var uploadLimits = UploadLimits(total: 4000, perClient: 4000)
    /// How long it may be said that a video does not exist after another process has stored it.
    package var cacheTime = Duration.seconds(1)
    /// Whether finished videos are queued for transcoding. Without a worker the queue only grows.
    package var queuesTranscoding = false
    /// Where events are delivered; `nil` for no receiver, and none are written.
    package var webhookURL: String?
    /// Where nginx puts body files; `nil` if bodies only come over FastCGI.
    package var bodyDirectory: String?
    /// Where bodies are put that come over FastCGI and are too large for memory.
    package var spoolDirectory = "/tmp"

    package init() {}

    /// Bytes that a page should send at once: what WebUploader pages do, and less only if a body must not be that long.
    var chunkSize: Int {
        let usual = 2 * 1024 * 1024
        return bodyLimit >= usual + 64 * 1024 ? usual : bodyLimit / 2
    }

    /// Others in place of these while requests are served, but for what the service is built of.
    func reloaded(from new: IntakeSettings) -> IntakeSettings {
        var settings = new
        settings.memoryBodyLimit = memoryBodyLimit
        settings.completionTime = completionTime
        settings.durability = durability
        settings.cacheTime = cacheTime
        settings.queuesTranscoding = queuesTranscoding
        settings.bodyDirectory = bodyDirectory
        settings.spoolDirectory = spoolDirectory
        return settings
    }
}

/// What `msg` of replies is written in.
package enum Language: String, CaseIterable, Sendable {
    /// Chinese and English.
    case zh, en
}
