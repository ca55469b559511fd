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
        /// Whether a picture is two half pictures of different times.
        package let isInterlaced: Bool
        /// Whether its decoder says that pictures are shown in another order than they are decoded in.
        package let isReordered: Bool
        /// ffmpeg's names of the colours' transfer function, primaries and matrix, like `bt709`; empty if unknown.
        package let transfer: String
        package let primaries: String
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

    // MARK: - What ffprobe tells

    /// Takes the first picture, which no cover is, and the first sound of what ffprobe wrote.
    init(report: [UInt8], sideLimit: Int) throws(TranscodingError) {
        let report = try ProbeReport(report)
        let video = report.streams.first { $0.codec_type == "video" && $0.disposition?["attached_pic"] != 1 }
        try self.init(
            report: report, picture: video, sound: report.streams.first { $0.codec_type == "audio" },
            sideLimit: sideLimit)
    }

    /// Takes these streams of a report.
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
            isInterlaced: ["tt", "bb", "tb", "bt"].contains(video.field_order),
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

/// The size of a picture with square pixels, as it is shown.
package struct PictureSize: Hashable, Sendable, CustomStringConvertible {
    package let width: Int
    package let height: Int

    package var description: String { "\(width)x\(height)" }
    package var pixels: Int { width * height }

    /// How much larger the picture would be if it filled the frame that people call by `height`: 16:9, upright for an
    /// upright picture. A wide film of 1920x800 fills the frame of 1080, and so does a telephone's 1080x1920.
    func scale(toFrame height: Int) -> Double {
        let (short, long) = (Double(min(width, self.height)), Double(max(width, self.height)))
        return min(Double(height) / short, Double(height) * 16 / 9 / long)
    }

    /// The size that fits into the frame called by `height`, never larger than this one, in even numbers, as 4:2:0 needs.
    func fitted(toFrame height: Int) -> PictureSize {
        let scale = min(1, scale(toFrame: height))
        func even(_ side: Int) -> Int { max(2, min(side / 2, Int((Double(side) * scale / 2).rounded())) * 2) }
        return PictureSize(width: even(width), height: even(self.height))
    }

    /// The size that fits into a square, never larger than this one, in even numbers.
    func fitted(toSquare side: Int) -> PictureSize {
        let scale = min(1, Double(side) / Double(max(width, height)))
        func even(_ side: Int) -> Int { max(2, Int(Double(side) * scale / 2) * 2) }
        return PictureSize(width: even(width), height: even(height))
    }
}
