import Logging
import Model
import System

/// Converts one video after the other: everything that is done with one file, and nothing with a database.
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
                look = try look.straightened(tools)
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

    /// Looks at a video as `run` does, without converting it.
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
            watch: ToolWatch(limits, limit: limits.readingTime(bytes)))
        let look = try SourceLook.of(source, bytes: bytes, tools)
        return TranscodingJob.facts(look, profile, TranscodingJob.copies(look, profile))
    }

    /// Makes a video of nothing and looks at it, as a job is done: what a service manager, the kernel or the file system does
    /// not allow is known before the first job. It can be published when this returns; after an error nothing is left.
    /// - Parameter workDirectory: as `run` has it.
    package func selfTest(in workDirectory: String) throws(TranscodingError) {
        let directory = try ResultDirectory(emptying: workDirectory)
        do throws(TranscodingError) {
            try makeNothing(in: directory)
            _ = try directory.sync()
        } catch {
            try? ResultDirectory.remove(workDirectory)
            throw error
        }
    }

    private func makeNothing(in directory: ResultDirectory) throws(TranscodingError) {
        let tools = ToolRunner(
            limits: limits, walls: walls, directory: directory, watch: ToolWatch(limits, limit: 60))
        let quality = TranscodingProfile.Rendition(height: 64, crf: 30, videoBitRate: 100_000, audioBitRate: 64_000)
        // Not lavfi, which makes pictures by itself but does not come with every ffmpeg.
        let picture = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", "64x64", "-framerate", "10"]
        let sound = ["-f", "s16le", "-ar", "48000", "-ac", "2"]
        let output = "\(directory.path)/nothing.mp4"
        try tools.run(
            FFmpeg.command + picture + ["-i", "/dev/zero"] + sound + ["-i", "/dev/zero", "-t", "0.2"]
                + FFmpeg.video(quality, preset: .ultrafast, threads: 1) + FFmpeg.audio(quality) + ["file:\(output)"])
        let made = try MediaInformation(
            report: tools.ask(.report, of: SourceFile(path: output, format: .mp4)), sideLimit: limits.side)
        guard made.video.codec == "h264", made.audio?.codec == "aac" else {
            throw TranscodingError(.toolFailed, "ffmpeg makes no H.264 and AAC")
        }
    }
}

// MARK: - What is made, and in which order

extension TranscodingJob {
    /// Makes what is wanted, one after the other.
    ///
    /// First what is encoded, all of it from one decoding: it tells whether every packet of the source decodes, and only
    /// then are packets copied. Where nothing is to be encoded they are decoded while they are copied. The small pictures come
    /// last, from what was made: it has no surprises any more.
    func run() throws(TranscodingError) -> TranscodingResult {
        var result = TranscodingResult(source: information)
        let (wantsMP4, wantsStream) = (profile.outputs.contains(.mp4), profile.outputs.contains(.hls))
        var copies = wantsMP4 ? Self.copies(look, profile) : Copies(picture: false, sound: false)
        if copies.sound { copies.sound = try !soundChanges() }
        if copies.picture && wantsStream { copies.picture = try !pictureChanges() }
        logger.info(
            "converting the video",
            metadata: Logger.Metadata(
                uniqueKeysWithValues: Self.facts(look, profile, copies).map { ($0.name, "\($0.value)") }))
        if copies.picture {
            try checkCopy()
            if !wantsStream {
                result.mp4 = try remux(copies)
                copies.picture = result.mp4 != nil
            }
        }
        let encodesMP4 = wantsMP4 && !copies.picture
        if wantsStream || encodesMP4 {
            complaints = try encode(mp4: encodesMP4 ? copies : nil, stream: wantsStream)
        }
        let isClean = complaints.isEmpty
        if wantsStream {
            result.renditions = try checkStream()
            finish(.hls)
        }
        if encodesMP4 {
            // Damaged sound must not be copied.
            result.mp4 = try isClean || !copies.sound ? checkMP4(copies) : encodeMP4()
        } else if wantsMP4 && result.mp4 == nil {
            result.mp4 = try copyMP4(copies, isClean: isClean)
        }
        if wantsMP4 { finish(.mp4) }
        result.flaws = flaws
        if !result.flaws.isEmpty {
            let names = result.flaws.map(\.rawValue).sorted().joined(separator: ", ")
            logger.notice(
                "the video plays, but not all is right", metadata: ["flaws": "\(names)", "cause": "\(complaints)"])
        }
        let made = made(result)
        if profile.outputs.contains(.poster) {
            result.hasPoster = try unlessImpossible { () throws(TranscodingError) in try makePoster(from: made) } != nil
            finish(.poster)
        }
        if profile.outputs.contains(.thumbnails) {
            result.thumbnails = try unlessImpossible { () throws(TranscodingError) in try makeThumbnails(from: made) }
            finish(.thumbnails)
        }
        if source.path != tools.source {
            for name in [StraightCopy.name, RenumberedStream.name] { try directory.removeFile(name) }
        }
        for command in profile.commands { try run(command) }
        result.size = try directory.sync()
        meter.finishAll()
        return result
    }

    /// What a video is and what is made of it. That all of it decodes shows only when it is.
    static func facts(
        _ look: SourceLook, _ profile: TranscodingProfile, _ copies: Copies
    ) -> [(name: String, value: String)] {
        let information = look.information
        var facts = look.facts
        if profile.outputs.contains(.mp4) {
            let ways = [("picture", copies.picture), ("sound", copies.sound)].prefix(information.audio == nil ? 1 : 2)
            facts.append(("mp4", ways.map { "\($0.0) \($0.1 ? "copied" : "encoded")" }.joined(separator: ", ")))
        }
        let qualities = profile.outputs.contains(.hls) ? renditions(of: information.video.size, profile) : []
        if !qualities.isEmpty { facts.append(("stream", qualities.map { "\($0.1)" }.joined(separator: ", "))) }
        return facts
    }

    /// What is wrong with the source. Decoders complain of the last picture of a file that is cut off, and of those
    /// before the first key picture of one that begins in the middle: nothing of these is damaged.
    private var flaws: Set<VideoFlaw> {
        if look.isCutOff { return [.truncated] }
        if look.losesTrack { return [.damaged] }
        return !Complaints.tellOfDamage(complaints) || look.pictures.packetsBeforeKey > 0 ? [] : [.damaged]
    }

    /// What the small pictures are made from: the video in its best quality, where there is one of ours.
    private func made(_ result: TranscodingResult) -> SourceFile {
        if result.mp4 != nil {
            return SourceFile(path: "\(directory.path)/\(TranscodingResult.mp4Path)", format: .mp4)
        }
        if let best = result.renditions.first {
            let playlist = "\(Self.directory(of: best.height))/\(Self.playlist)"
            return SourceFile(path: "\(directory.path)/\(playlist)", format: .hls)
        }
        return source
    }

    /// A video is none the worse without a small picture of it.
    private func unlessImpossible<Made>(
        _ make: () throws(TranscodingError) -> Made
    ) throws(TranscodingError) -> Made? {
        do throws(TranscodingError) {
            return try make()
        } catch  where error.code == .toolFailed || error.code == .unsupported {
            logger.notice("a small picture cannot be made", metadata: ["cause": "\(error)"])
            return nil
        }
    }

    private func run(_ command: [String]) throws(TranscodingError) {
        let values = ["input": tools.source ?? source.path, "output": directory.path, "duration": "\(duration)"]
        try tools.run(
            TranscodingCommand.fill(command, with: values), writing: .command(tools.limits), startsProcesses: true)
        meter.finish(Self.commandWeight)
    }
}
