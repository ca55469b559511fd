import Model
import Logging

/// One video on its way: what is known of it, and how far it is. Used by one thread.
final class TranscodingJob {
    /// What is read: the uploaded file, or a straight copy of it.
    let look: SourceLook
    let cost: TranscodingCost
    let profile: TranscodingProfile
    let directory: ResultDirectory
    let tools: ToolRunner
    let logger: Logger
    private var meter: ProgressMeter
    /// What ffmpeg complained of when it decoded the source, the last lines.
    var complaints = ""

    var source: SourceFile { look.source }
    var information: MediaInformation { look.information }
    /// Seconds.
    var duration: Double { look.duration }

    init(
        look: SourceLook, cost: TranscodingCost, profile: TranscodingProfile,
        directory: ResultDirectory, tools: ToolRunner, logger: Logger, progress: @escaping (Double) -> Void
    ) {
        self.look = look
        self.cost = cost
        self.profile = profile
        self.directory = directory
        self.tools = tools
        self.logger = logger
        let total = profile.outputs.map { Self.weight(of: $0, look.information, profile) }.reduce(0, +)
        meter = ProgressMeter(
            total: total + Self.commandWeight * Double(profile.commands.count + 1), report: progress)
    }

    /// Makes what is wanted, one after the other.
    ///
    /// First what is encoded, all of it from one decoding: it tells whether every packet of the source decodes, and only
    /// then are packets copied. Where nothing is to be encoded they are decoded while they are copied. The small pictures come
    /// last, from what was made: it has no surprises any more.
    func run() throws(TranscodingError) -> TranscodingResult {
        var result = TranscodingResult(source: information)
        let (wantsMP4, wantsStream) = (profile.outputs.contains(.mp4), profile.outputs.contains(.hls))
        var copies = wantsMP4 ? self.copies : Copies(picture: false, sound: false)
        if copies.sound { copies.sound = try !soundChanges() }
        if copies.picture && wantsStream { copies.picture = try !pictureChanges() }
        tell(copies)
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
            result.thumbnails = try unlessImpossible { () throws(TranscodingError) in
                try makeThumbnails(from: made)
            }
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

    /// Logs what the video is and what is made of it, in one line.
    private func tell(_ copies: Copies) {
        logger.info(
            "converting the video",
            metadata: Logger.Metadata(
                uniqueKeysWithValues: Self.facts(look, profile, copies).map { ($0.name, "\($0.value)") }))
    }

    /// What a video is and what is made of it. That all of it decodes shows only when it is.
    static func facts(
        _ look: SourceLook, _ profile: TranscodingProfile, _ copies: Copies
    ) -> [(name: String, value: String)] {
        let information = look.information
        var facts = look.facts
        if profile.outputs.contains(.mp4) {
            let ways = [("picture", copies.picture), ("sound", copies.sound)].prefix(information.audio == nil ? 1 : 2)
            facts.append(
                ("mp4", ways.map { "\($0.0) \($0.1 ? "copied" : "encoded")" }.joined(separator: ", ")))
        }
        let qualities = profile.outputs.contains(.hls) ? renditions(of: information.video.size, profile) : []
        if !qualities.isEmpty { facts.append(("stream", qualities.map { "\($0.1)" }.joined(separator: ", "))) }
        return facts
    }

    /// What is wrong with the source.
    ///
    /// Decoders complain of the last picture of a file that is cut off, and of those before the first key picture of one that
    /// begins in the middle: nothing of these is damaged.
    private var flaws: Set<TranscodingResult.Flaw> {
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
            return SourceFile(path: "\(directory.path)/\(Self.playlist(of: best.height))", format: .hls)
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
        try tools.run(
            TranscodingCommand.fill(
                command,
                with: [
                    "input": tools.source ?? source.path, "output": directory.path, "duration": "\(duration)",
                ]),
            writing: .command(tools.limits), startsProcesses: true)
        meter.finish(Self.commandWeight)
    }

    // MARK: - Progress

    /// The weight of a command whose progress is unknown, and of making all of it durable.
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

    /// Pixels of all pictures that are encoded for a video.
    static func encodedPixels(_ look: SourceLook, _ profile: TranscodingProfile) -> Double {
        let pictures = Double(look.pictureCount)
        return profile.outputs.reduce(0) { pixels, output in
            switch output {
            case .mp4, .hls: pixels + pictures * weight(of: output, look.information, profile)
            case .poster, .thumbnails: pixels
            }
        }
    }

    func finish(_ output: TranscodingProfile.Output) {
        meter.finish(Self.weight(of: output, information, profile))
    }

    /// Runs ffmpeg for an output of bounded size.
    ///
    /// - Parameters:
    ///   - file: what it reads; the source, if `nil`.
    ///   - input: options for the file.
    ///   - receive: gets what it writes to standard output, in which progress is, too.
    /// - Returns: what it complained of, the last lines.
    @discardableResult
    func convert(
        for output: TranscodingProfile.Output, _ size: OutputSize, from file: SourceFile? = nil,
        before input: [String] = [], _ arguments: [String],
        receive: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(TranscodingError) -> String {
        var reader = ProgressReader()
        let limits = tools.limits
        return try tools.run(
            FFmpeg.command + ["-filter_complex_threads", "\(limits.threads)", "-filter_threads", "\(limits.threads)"]
                + input + ["-threads", "\(limits.threads)"] + (file ?? source).arguments(sideLimit: limits.side)
                + arguments,
            writing: size
        ) { piece in
            receive(piece)
            guard let seconds = reader.read(piece) else { return }
            meter.note(seconds / duration, of: Self.weight(of: output, information, profile))
        }
    }

    // MARK: - Checks

    /// Checks that a result is as long as the video.
    func checkDuration(_ seconds: Double?, of name: String) throws(TranscodingError) {
        let seconds = seconds ?? 0
        guard abs(seconds - duration) <= max(0.2, duration * 0.005) else {
            throw TranscodingError(.toolFailed, "the video plays \(duration) s, of which \(name) has \(seconds)")
        }
    }

    /// Looks at a result with ffprobe: H.264 and AAC that any player takes, as long as the video, with its sound.
    func checkStreams(
        _ name: String, _ format: VideoFormat, size: PictureSize
    ) throws(TranscodingError) {
        let made: MediaInformation
        do throws(TranscodingError) {
            made = try MediaInformation.of(SourceFile(path: "\(directory.path)/\(name)", format: format), tools)
        } catch  where error.isOfFile {
            throw TranscodingError(.toolFailed, "\(name): \(error.reason)", output: error.output)
        }
        try checkDuration(made.duration, of: name)
        guard made.video.isPlayedEverywhere, made.video.size == size,
            made.audio?.codec == (information.audio == nil ? nil : "aac")
        else {
            throw TranscodingError(
                .toolFailed,
                "\(name) has come out as \(made.video.codec) \(made.video.profile) \(made.video.pixelFormat) "
                    + "\(made.video.size) and \(made.audio?.codec ?? "no sound")")
        }
    }
}
