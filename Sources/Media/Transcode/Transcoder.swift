import Logging
import System

/// Converts one video after the other: everything that is done with one file, and nothing with a database.
///
/// Thread-safe; each `run` keeps its thread until it is done, and its tools die with that thread.
package struct Transcoder: Sendable {
    let limits: TranscodingLimits
    let walls: SandboxWalls
    private let logger: Logger

    /// - Parameter walls: what its tools are kept in by.
    package init(limits: TranscodingLimits = TranscodingLimits(), walls: SandboxWalls = .present, logger: Logger) {
        self.limits = limits
        self.walls = walls
        self.logger = logger
    }

    /// Makes everything that the profile wants from a video, in a directory that is ready to be published:
    ///
    ///     video.mp4                           H.264 and AAC, in the video's own size
    ///     hls/master.m3u8                     names the renditions, the best one first
    ///     hls/<height>/index.m3u8, init.mp4, 00000.m4s …
    ///     poster.jpg
    ///     thumbnails.jpg, thumbnails.vtt
    ///
    /// All of it has been looked at with ffprobe and is durable when this returns; then it can be published.
    /// - Parameters:
    ///   - source: the uploaded file. It is only read.
    ///   - workDirectory: an absolute path without a symbolic link, on the file system of the final place. Its parent
    ///     exists. What is there is removed first; after an error what is there is of no use.
    ///   - memory: bytes for each tool, if they are not those of the limits.
    ///   - logger: in place of the transcoder's own.
    ///   - accept: is told what the video costs before it is converted; `false` ends it with `cancelled`.
    ///   - takeRoom: told how many bytes are about to be written: before each step, and how many are left of them while it
    ///     runs, 0 at its end. `false` before a step ends it with `noSpace`.
    ///   - progress: gets a number from 0 to 1 that grows, on this thread.
    ///   - isPaused: asked as often; while it is so, the tools stand still.
    ///   - isCancelled: asked ten times a second on this thread while a tool runs.
    package func run(
        _ source: SourceFile, in workDirectory: String, profile: TranscodingProfile, memory: Int? = nil,
        logger: Logger? = nil, accept: (TranscodingCost) -> Bool = { _ in true },
        takeRoom: @escaping (Int) -> Bool = { _ in true }, progress: @escaping (Double) -> Void,
        isPaused: @escaping () -> Bool = { false }, isCancelled: @escaping () -> Bool
    ) throws(TranscodingError) -> TranscodingResult {
        let logger = logger ?? self.logger
        let bytes = try source.length()
        var limits = limits
        if let memory { limits.memory = memory }
        let directory = try ResultDirectory(emptying: workDirectory)
        // Reading all of it counts too.
        let watch = ToolWatch(limits, limit: limits.readingTime(bytes), isPaused: isPaused)
        let tools = ToolRunner(
            limits: limits, walls: walls, source: source.path, directory: directory, watch: watch,
            isCancelled: isCancelled, takeRoom: takeRoom)
        var look = try SourceLook.of(source, bytes: bytes, tools)
        // Another copy would be written over the one that it is made of.
        if look.losesPackets && look.isCountable && look.source.path != "\(directory.path)/\(StraightCopy.name)" {
            watch.limit += 2 * limits.readingTime(bytes)
            do throws(TranscodingError) {
                look = try StraightCopy.make(of: look, tools)
            } catch  where error.code == .toolFailed || error.code == .unsupported {
                logger.notice("some packets of the video are lost", metadata: ["cause": "\(error)"])
            }
        }
        let profile = try look.duration <= limits.duration ? profile : copying(profile, look, logger)
        var cost = look.cost
        cost.encodedPixels = TranscodingJob.encodedPixels(look, profile)
        guard accept(cost) else { throw TranscodingError(.cancelled, "it is not wanted") }
        // A command may do as much as all the rest.
        watch.limit +=
            limits.patience * cost.processorTime(profile.preset) * Double(1 + profile.commands.count)

        let job = TranscodingJob(
            look: look, cost: cost, profile: profile, directory: directory, tools: tools,
            logger: logger, progress: progress)
        return try job.run()
    }

    /// Removes a work directory with all that is in it. Harmless if there is none.
    package static func remove(_ workDirectory: String) throws(TranscodingError) {
        try ResultDirectory.remove(workDirectory)
    }

    /// What is made of a video that is too long to be encoded: no stream.
    private func copying(
        _ profile: TranscodingProfile, _ look: SourceLook, _ logger: Logger
    ) throws(TranscodingError) -> TranscodingProfile {
        guard look.duration <= limits.copiedDuration, profile.outputs.contains(.mp4),
            TranscodingJob.copies(look, profile).picture
        else { throw TranscodingError(.tooMuch, "it has \(look.duration) s, \(limits.duration) s are allowed") }
        logger.notice("the video is too long for a stream", metadata: ["length": "\(look.duration)"])
        var profile = profile
        profile.outputs.remove(.hls)
        return profile
    }
}

extension Transcoder {
    /// Looks at a video as `run` does, without converting it.
    ///
    /// - Parameter workDirectory: as `run` has it. Nothing of it is left.
    /// - Returns: each fact's name and value, in the order in which they are to be shown.
    /// - Throws: what `run` throws where there is nothing to make a video of.
    package func facts(
        of source: SourceFile, in workDirectory: String, profile: TranscodingProfile = TranscodingProfile()
    ) throws(TranscodingError) -> [(name: String, value: String)] {
        let bytes = try source.length()
        let directory = try ResultDirectory(emptying: workDirectory)
        defer { try? ResultDirectory.remove(workDirectory) }
        let tools = ToolRunner(
            limits: limits, walls: walls, source: source.path, directory: directory,
            watch: ToolWatch(limits, limit: limits.readingTime(bytes)), isCancelled: { false })
        let look = try SourceLook.of(source, bytes: bytes, tools)
        return TranscodingJob.facts(look, profile, TranscodingJob.copies(look, profile))
    }
}
