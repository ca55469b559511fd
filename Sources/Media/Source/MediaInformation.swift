/// What ffprobe tells about a video: its length, its picture, its sound.
package struct MediaInformation: Equatable, Sendable {
    /// Seconds, above 0; `nil` if the file does not tell.
    package var duration: Double?
    /// Bits per second of the whole file, `nil` if unknown.
    package let bitRate: Int?
    package let video: Video
    /// The first sound track, `nil` if there is none that can be decoded.
    package let audio: Audio?

    package struct Video: Equatable, Sendable {
        /// ffmpeg's name, like `h264`.
        package let codec: String
        /// ffmpeg's name, like `High`, or a number; empty if unknown.
        package let profile: String
        /// As the codec counts: 41 is H.264's 4.1. Not above 0 if unknown.
        package let level: Int
        /// ffmpeg's name, like `yuv420p`.
        package let pixelFormat: String
        /// Pixels as they are stored.
        package let codedSize: PictureSize
        /// Pixels as they are shown, square and upright.
        package let size: PictureSize
        /// Pictures per second on average, `nil` if unknown.
        package let frameRate: Double?
        /// Seconds from the beginning of the video to the end of its last picture, which may come before that of the
        /// sound; `nil` if the file does not tell.
        package let end: Double?
        /// Whether a picture is two half pictures of different times.
        package let isInterlaced: Bool
        /// Whether its decoder says that pictures are shown in another order than they are decoded in.
        package let isReordered: Bool
        /// ffmpeg's name of the transfer function, like `bt709`; empty if unknown.
        package let transfer: String
        /// ffmpeg's name of the colour primaries, like `bt709`; empty if unknown.
        package let primaries: String
        /// ffmpeg's name of the matrix, like `bt709`; empty if unknown.
        package let matrix: String
        /// Whether a component has all values of its bits, and not those of television.
        package let isFullRange: Bool

        /// Whether it is brighter than BT.709 can tell.
        package var isHDR: Bool { ["smpte2084", "arib-std-b67"].contains(transfer) }
        /// Whether its colours are those of HDR or of a wide gamut, which most screens show pale. Where the primaries are not
        /// said, what else is of BT.2020 tells.
        package var isWide: Bool {
            isHDR || primaries == "bt2020"
                || primaries.isEmpty && (transfer.hasPrefix("bt2020") || matrix.hasPrefix("bt2020"))
        }
    }

    package struct Audio: Equatable, Sendable {
        /// ffmpeg's name, like `aac`.
        package let codec: String
        package let channels: Int
        /// Samples per second.
        package let sampleRate: Int
        /// Whether its channels are directions and not loudspeakers.
        package let isAmbisonic: Bool
    }
}

// MARK: - Asking ffprobe

extension MediaInformation {
    /// Looks at a file with ffprobe, and takes the first picture and the first sound.
    ///
    /// - Throws: what `isOfFile` if there is no picture that could be decoded or if it is larger than it may be, and what
    ///   `ToolRunner` throws.
    static func of(_ file: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> MediaInformation {
        try MediaInformation(report: report(of: file, tools), sideLimit: tools.limits.side)
    }

    /// What ffprobe tells of a file and its streams.
    static func report(of file: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> ProbeReport {
        let limits = tools.limits
        return try ProbeReport(
            tools.look(
                FFprobe.report.command(file, sideLimit: limits.side), within: limits.probeTime,
                limit: FFprobe.reportLimit))
    }

    /// The number of the stream at whose decoder ffprobe ends, which it cannot open; `nil` if it ends at none.
    static func unopenable(in file: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> Int? {
        do throws(TranscodingError) {
            _ = try tools.look(
                FFprobe.streams.command(file, sideLimit: tools.limits.side), within: tools.limits.probeTime,
                limit: FFprobe.reportLimit)
            return nil
        } catch  where error.code == .unsupported {
            let start = "Could not open codec for input stream "
            return error.output.split(separator: "\n").last { $0.hasPrefix(start) }
                .flatMap { Int($0.dropFirst(start.count)) }
        }
    }

    /// Reads what ffprobe wrote, and takes the first picture and the first sound.
    init(report: [UInt8], sideLimit: Int) throws(TranscodingError) {
        try self.init(report: ProbeReport(report), sideLimit: sideLimit)
    }

    /// The same of a report that was read. A cover is a video stream too.
    init(report: ProbeReport, sideLimit: Int) throws(TranscodingError) {
        let video = report.streams.first { $0.codec_type == "video" && $0.disposition?.attached_pic != 1 }
        try self.init(
            report: report, picture: video, sound: report.streams.first { $0.codec_type == "audio" },
            sideLimit: sideLimit)
    }

    /// Takes these streams of a report.
    ///
    /// - Parameter sideLimit: pixels that a side of the picture may have.
    /// - Throws: `noPicture`, `unknownCodec`, or `tooMuch` if it is larger.
    init(
        report: ProbeReport, picture video: ProbeReport.Stream?, sound: ProbeReport.Stream?, sideLimit: Int
    ) throws(TranscodingError) {
        guard let video else { throw TranscodingError(.noPicture, "there is no picture in the file") }
        guard let codec = video.knownCodec, let pixelFormat = video.pix_fmt, let coded = video.codedSize
        else { throw TranscodingError(.unknownCodec, "the picture cannot be decoded") }
        guard max(coded.width, coded.height) <= sideLimit else {
            throw TranscodingError(.tooMuch, "the picture has \(coded) pixels, a side may have \(sideLimit)")
        }
        self.video = Video(
            codec: codec, profile: video.profile ?? "", level: video.level ?? 0, pixelFormat: pixelFormat,
            codedSize: coded, size: video.shownSize(coded, sideLimit: sideLimit), frameRate: video.frameRate,
            end: video.end(after: report.format), isInterlaced: ["tt", "bb", "tb", "bt"].contains(video.field_order),
            isReordered: video.has_b_frames ?? 0 > 0, transfer: Self.known(video.color_transfer),
            primaries: Self.known(video.color_primaries), matrix: Self.known(video.color_space),
            isFullRange: video.color_range == "pc" || pixelFormat.hasPrefix("yuvj"))
        audio = sound.flatMap { audio in
            guard let codec = audio.knownCodec, let channels = audio.channels, channels > 0,
                let sampleRate = audio.sample_rate.flatMap({ Int($0) }), sampleRate > 0
            else { return nil }
            return Audio(
                codec: codec, channels: channels, sampleRate: sampleRate,
                isAmbisonic: audio.channel_layout?.hasPrefix("ambisonic") == true)
        }
        duration = report.format?.duration.flatMap(Double.init).flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
        bitRate = report.format?.bit_rate.flatMap { Int($0) }
    }

    /// Empty for what is not said.
    private static func known(_ name: String?) -> String {
        name.flatMap { ["unknown", "unspecified", "reserved"].contains($0) ? nil : $0 } ?? ""
    }

    /// A fraction like `30000/1001`, `nil` if it is not a number above 0.
    fileprivate static func ratio(_ text: String, separator: Character) -> Double? {
        let parts = text.split(separator: separator).map { Double($0) }
        guard parts.count == 2, let numerator = parts[0], let denominator = parts[1], numerator > 0, denominator > 0,
            (numerator / denominator).isFinite
        else { return nil }
        return numerator / denominator
    }
}

extension ProbeReport.Stream {
    /// ffmpeg's name of the codec, `nil` if it knows none.
    var knownCodec: String? { codec_name.flatMap { $0 == "unknown" || $0 == "none" ? nil : $0 } }

    /// Whether what is in the track of an MP4 is encrypted: ISO/IEC 14496-12, section 8.12, and FairPlay's.
    var isEncrypted: Bool { ["encv", "enca", "drmi", "drms"].contains(codec_tag_string) }

    /// Pixels as they are stored, `nil` if unknown.
    var codedSize: PictureSize? {
        guard let width, let height, width > 0, height > 0 else { return nil }
        return PictureSize(width: width, height: height)
    }

    /// Pictures per second on average, as the file announces, `nil` if it does not.
    var frameRate: Double? { avg_frame_rate.flatMap { MediaInformation.ratio($0, separator: "/") } }

    /// Seconds from the beginning of the file, which need not count from 0, to the end of the stream.
    fileprivate func end(after format: ProbeReport.Format?) -> Double? {
        guard let start = start_time.flatMap(Double.init), let duration = duration.flatMap(Double.init),
            let zero = format?.start_time.flatMap(Double.init)
        else { return nil }
        let end = start + duration - zero
        return end.isFinite && end > 0 ? end : nil
    }

    /// The size as it is shown: pixels made square, and turned as ffmpeg turns them.
    fileprivate func shownSize(_ coded: PictureSize, sideLimit: Int) -> PictureSize {
        let aspect = sample_aspect_ratio.flatMap { MediaInformation.ratio($0, separator: ":") } ?? 1
        // Beyond this it is an error or an attack, and no picture.
        let isPlausible = (0.1...10).contains(aspect)
        let width = Int((Double(coded.width) * (isPlausible ? aspect : 1)).rounded())
        let shown = PictureSize(width: max(1, min(width, sideLimit)), height: coded.height)
        let angle = side_data_list?.lazy.compactMap(\.rotation).first ?? 0
        let isUpright = abs(abs(angle).truncatingRemainder(dividingBy: 180) - 90) >= 1
        return isUpright ? shown : PictureSize(width: shown.height, height: shown.width)
    }
}
