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
    var meter: ProgressMeter
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
        meter = ProgressMeter(total: total + Self.commandWeight * Double(profile.commands.count + 1), report: progress)
    }

    /// Which of its tracks are the uploaded ones, packet by packet.
    struct Copies: Equatable {
        var picture: Bool
        var sound: Bool
    }

    /// What could be copied, if all of it decodes.
    static func copies(_ look: SourceLook, _ profile: TranscodingProfile) -> Copies {
        let fits = look.information.video.size.scale(toFrame: profile.mp4.height) >= 1
        return Copies(picture: fits && look.pictureObstacle == nil, sound: look.soundObstacle == nil)
    }

    // MARK: - Progress

    /// The weight of a command whose progress is unknown, and of making all of it durable.
    static let commandWeight = 100_000.0

    /// About how long an output takes: the pixels of a picture that are encoded for it, or as many as would take as long.
    private static func weight(
        of output: TranscodingProfile.Output, _ information: MediaInformation, _ profile: TranscodingProfile
    ) -> Double {
        switch output {
        case .mp4: Double(information.video.size.fitted(toFrame: profile.mp4.height).pixels)
        case .hls: Double(renditions(of: information.video.size, profile).reduce(0) { $0 + $1.size.pixels })
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

    func finish(_ output: TranscodingProfile.Output) { meter.finish(Self.weight(of: output, information, profile)) }

    /// Runs ffmpeg for an output of bounded size.
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

    // MARK: - Encoding

    /// Seconds of a piece.
    private static let segmentDuration = 6
    private static let stream = "hls"
    static let playlist = "index.m3u8"

    /// The qualities that are made of a picture of this size, the best one first, and their sizes.
    static func renditions(
        of size: PictureSize, _ profile: TranscodingProfile
    ) -> [(quality: TranscodingProfile.Rendition, size: PictureSize)] {
        let sorted = profile.renditions.sorted { $0.height > $1.height }
        let smaller = sorted.filter { size.scale(toFrame: $0.height) <= 1 }
        return (smaller.isEmpty ? Array(sorted.suffix(1)) : smaller).map { ($0, size.fitted(toFrame: $0.height)) }
    }

    /// The path of a quality's directory.
    static func directory(of height: Int) -> String { "\(stream)/\(height)" }

    var renditions: [(quality: TranscodingProfile.Rendition, size: PictureSize)] {
        Self.renditions(of: information.video.size, profile)
    }

    /// Encodes the qualities of the stream, the file, or both, from one decoding.
    /// - Parameter mp4: makes the file, with what is to be copied into it.
    /// - Returns: what ffmpeg complained of, the last lines; nothing if no packet of the source was wrong.
    func encode(mp4: Copies?, stream: Bool) throws(TranscodingError) -> String {
        guard duration <= tools.limits.duration else {
            throw TranscodingError(.tooMuch, "it has \(duration) s, and its packets cannot be copied")
        }
        let renditions = stream ? renditions : []
        var all = renditions
        if mp4 != nil { all.append((profile.mp4, mp4Size)) }
        // The copied sound needs no filter.
        let sounds = mp4?.sound == true ? all.count - 1 : all.count
        // The largest is what all others are made of.
        let largest = all.map(\.size).max { $0.pixels < $1.pixels }!
        var graph = "[0:\(look.picture)]" + FFmpeg.picture(look, to: largest)
        graph += ",split=\(all.count)" + all.indices.map { "[in\($0)]" }.joined()
        var outputs: [String] = []
        if let sound = look.sound, let track = look.timeline.sound {
            if sounds > 0 {
                // A graph of its own: one that changes its form is made anew, and the picture's must not be.
                let names = (0..<sounds).map { "[sound\($0)]" }.joined()
                outputs += ["-filter_complex", "[0:\(sound)]\(FFmpeg.sound(look, track)),asplit=\(sounds)\(names)"]
            } else {
                // What is copied is decoded too.
                outputs += ["-map", "0:\(sound)", "-c:a", "pcm_s16le", "-f", "null", "-"]
            }
        }
        for (index, (quality, size)) in all.enumerated() {
            graph += ";[in\(index)]\(FFmpeg.filters(to: size))[out\(index)]"
            outputs += ["-map", "[out\(index)]"]
            if let sound = look.sound { outputs += ["-map", index < sounds ? "[sound\(index)]" : "0:\(sound)"] }
            outputs += FFmpeg.streamsOnly + FFmpeg.inStep
            outputs += FFmpeg.video(quality, preset: profile.preset, threads: tools.limits.threads, duration: duration)
            outputs += index < sounds ? FFmpeg.audio(quality) : ["-c:a", "copy"]
            outputs += index < renditions.count ? streamOptions(quality) : mp4Options
        }
        if stream { try directory.makeDirectory(Self.stream) }
        for (quality, _) in renditions { try directory.makeDirectory(Self.directory(of: quality.height)) }
        let bitRate = all.reduce(0) { $0 + $1.quality.videoBitRate + $1.quality.audioBitRate }
        return try convert(
            for: stream ? .hls : .mp4, .encoded(bitRate: bitRate, cost, duration: duration),
            before: FFmpeg.input(look), ["-filter_complex", graph] + outputs)
    }

    private func streamOptions(_ quality: TranscodingProfile.Rendition) -> [String] {
        let name = Self.directory(of: quality.height)
        return [
            "-f", "hls", "-hls_time", "\(Self.segmentDuration)", "-hls_list_size", "0",
            "-hls_playlist_type", "vod", "-hls_flags", "independent_segments", "-hls_segment_type", "fmp4",
            "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "file:\(name)/%05d.m4s",
            "-y", "file:\(name)/\(Self.playlist)",
        ]
    }

    /// The index first, so that a player can begin before it has the end.
    var mp4Options: [String] { ["-movflags", "+faststart", "-f", "mp4", "-y", "file:\(TranscodingResult.mp4Path)"] }
    /// The size of the picture in what is encoded.
    var mp4Size: PictureSize { information.video.size.fitted(toFrame: profile.mp4.height) }

    // MARK: - Checks

    /// Checks that a result is as long as the video.
    func checkDuration(_ seconds: Double?, of name: String) throws(TranscodingError) {
        let seconds = seconds ?? 0
        guard abs(seconds - duration) <= max(0.2, duration * 0.005) else {
            throw TranscodingError(.toolFailed, "the video plays \(duration) s, of which \(name) has \(seconds)")
        }
    }

    /// Looks at a result with ffprobe: H.264 and AAC that any player takes, as long as the video, with its sound.
    func checkStreams(_ name: String, _ format: VideoFormat, size: PictureSize) throws(TranscodingError) {
        let made: MediaInformation
        do throws(TranscodingError) {
            made = try MediaInformation(
                report: tools.ask(.report, of: SourceFile(path: "\(directory.path)/\(name)", format: format)),
                sideLimit: tools.limits.side)
        } catch  where error.isOfFile {
            throw error.named(name, .toolFailed)
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

/// How much of a video's work is done, as one number from 0 to 1 that never falls.
struct ProgressMeter {
    /// Reported when it has grown by so much.
    private static let step = 0.001

    private let report: (Double) -> Void
    private let total: Double
    /// The weight of the steps that are done.
    private var done = 0.0
    private var reported = 0.0

    /// - Parameter total: the weights of all steps together.
    init(total: Double, report: @escaping (Double) -> Void) {
        self.total = total
        self.report = report
    }

    /// Notes that a part, from 0 to 1, of the step with this weight is done.
    mutating func note(_ part: Double, of weight: Double) {
        // Not all of it: the end is there when everything is checked and synced.
        set(min(0.999, (done + weight * max(0, min(1, part))) / total))
    }

    /// Notes that the step with this weight is done.
    mutating func finish(_ weight: Double) {
        done += weight
        note(0, of: 0)
    }

    /// Notes that everything is done.
    mutating func finishAll() { set(1) }

    private mutating func set(_ value: Double) {
        guard value >= reported + Self.step || value == 1 && reported < 1 else { return }
        reported = value
        report(value)
    }
}
