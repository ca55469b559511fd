import Logging

/// One video on its way: what is known of it, and how far it is. Used by one thread.
final class TranscodingJob {
    let source: SourceFile
    let information: MediaInformation
    let cost: TranscodingCost
    /// Seconds.
    let duration: Double
    /// Seconds up to the end of the last picture, as far as it is known.
    var pictureDuration: Double
    let profile: TranscodingProfile
    let directory: ResultDirectory
    let tools: ToolRunner
    let logger: Logger
    private var meter: ProgressMeter

    init(
        source: SourceFile, information: MediaInformation, cost: TranscodingCost, duration: Double,
        profile: TranscodingProfile, directory: ResultDirectory, tools: ToolRunner, logger: Logger,
        progress: @escaping (Double) -> Void
    ) {
        self.source = source
        self.information = information
        self.cost = cost
        self.duration = duration
        pictureDuration = information.video.end ?? duration
        self.profile = profile
        self.directory = directory
        self.tools = tools
        self.logger = logger
        let total = profile.outputs.map { Self.weight(of: $0, information, profile) }.reduce(0, +)
        meter = ProgressMeter(
            total: total + Self.commandWeight * Double(profile.commands.count + 1), report: progress)
    }

    /// Makes what is wanted, one after the other.
    func run() throws(TranscodingError) -> TranscodingResult {
        var result = TranscodingResult(source: information)
        if profile.outputs.contains(.mp4) { result.mp4 = try makeMP4() }
        if profile.outputs.contains(.hls) { result.renditions = try makeStream() }
        if profile.outputs.contains(.poster) {
            try makePoster()
            result.hasPoster = true
        }
        if profile.outputs.contains(.thumbnails) { result.thumbnails = try makeThumbnails() }
        for command in profile.commands { try run(command) }
        result.size = try directory.sync()
        meter.finishAll()
        return result
    }

    private func run(_ command: [String]) throws(TranscodingError) {
        try tools.run(
            TranscodingCommand.fill(
                command, with: ["input": source.path, "output": directory.path, "duration": "\(duration)"]),
            writing: .command(tools.limits), startsProcesses: true)
        meter.finish(Self.commandWeight)
    }

    // MARK: - Progress

    /// The weight of a command, whose progress nobody knows, and of making all of it survive power loss.
    private static let commandWeight = 100_000.0

    /// About how long an output takes: the pixels of a picture that are encoded for it, or as many as would take as long.
    private static func weight(
        of output: TranscodingProfile.Output, _ information: MediaInformation, _ profile: TranscodingProfile
    ) -> Double {
        switch output {
        case .mp4: Double(information.video.size.fitted(toFrame: profile.mp4.height).pixels)
        case .hls: Double(renditions(of: information.video.size, profile).reduce(0) { $0 + $1.1.pixels })
        case .poster: 50_000
        case .thumbnails: Double(information.video.size.pixels) / 4
        }
    }

    /// Pixels of all pictures that are encoded for a video with so many pictures.
    static func encodedPixels(
        _ information: MediaInformation, _ profile: TranscodingProfile, pictures: Int, _ duration: Double
    ) -> Double {
        // No more than 60 a second are kept where the file has more of them.
        let isReduced = information.video.frameRate ?? 0 > 61
        let pictures = isReduced ? min(Double(pictures), 61 * duration + 1) : Double(pictures)
        return profile.outputs.reduce(0) { pixels, output in
            switch output {
            case .mp4, .hls: pixels + pictures * weight(of: output, information, profile)
            case .poster, .thumbnails: pixels
            }
        }
    }

    func finish(_ output: TranscodingProfile.Output) {
        meter.finish(Self.weight(of: output, information, profile))
    }

    /// Runs ffmpeg on the source for an output that has no more than so many bytes.
    func convert(
        for output: TranscodingProfile.Output, _ size: OutputSize, before input: [String] = [], _ arguments: [String]
    ) throws(TranscodingError) {
        var reader = ProgressReader()
        let limits = tools.limits
        try tools.run(
            FFmpeg.command + ["-filter_complex_threads", "\(limits.threads)", "-filter_threads", "\(limits.threads)"]
                + input + ["-threads", "\(limits.threads)"] + source.arguments(sideLimit: limits.side) + arguments,
            writing: size
        ) { piece in
            guard let seconds = reader.read(piece) else { return }
            meter.note(seconds / duration, of: Self.weight(of: output, information, profile))
        }
    }

    // MARK: - Checks

    /// Checks that a result is as long as the video says it is.
    ///
    /// - Throws: `unsupported`: the usual cause is a file that is cut off.
    func checkDuration(_ seconds: Double?, of name: String, is expected: Double) throws(TranscodingError) {
        let seconds = seconds ?? 0
        guard abs(seconds - expected) <= max(0.2, expected * 0.005) else {
            throw TranscodingError(
                .unsupported, "the video announces \(expected) s, of which \(name) has \(seconds): it is damaged")
        }
    }

    /// Looks at a result with ffprobe: H.264 and AAC that any player takes, as long as the video, with its sound.
    func checkStreams(
        _ name: String, _ demuxer: SourceFile.Demuxer, size: PictureSize, duration: Double
    ) throws(TranscodingError) -> MediaInformation {
        let made: MediaInformation
        do throws(TranscodingError) {
            made = try MediaInformation.of(SourceFile(path: "\(directory.path)/\(name)", demuxer: demuxer), tools)
        } catch  where error.code == .unsupported {
            throw TranscodingError(.toolFailed, "\(name): \(error.reason)", output: error.output)
        }
        try checkDuration(made.duration, of: name, is: duration)
        guard made.video.isPlayedEverywhere, made.video.size == size,
            made.audio?.codec == (information.audio == nil ? nil : "aac")
        else {
            throw TranscodingError(
                .toolFailed,
                "\(name) has come out as \(made.video.codec) \(made.video.profile) \(made.video.pixelFormat) "
                    + "\(made.video.size) and \(made.audio?.codec ?? "no sound")")
        }
        return made
    }
}

extension MediaInformation.Video {
    /// Whether it is H.264 that every browser decodes.
    var isPlayedEverywhere: Bool {
        codec == "h264" && pixelFormat == "yuv420p" && !isInterlaced
            && ["Constrained Baseline", "Baseline", "Main", "Constrained High", "High"].contains(profile)
    }
}
