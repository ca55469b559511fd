/// What it takes to convert a video, known before the first picture is decoded.
package struct TranscodingCost: Equatable, Sendable {
    /// Of a picture as it is stored.
    package let size: PictureSize
    /// Packets of the picture, as they are in the file: what a file announces costs nothing.
    package var pictures = 0
    /// Those of them that are decoded without another one.
    package var keyPictures = 0
    /// Of the packets of the picture. A file may name the same bytes again and again, and they are decoded each time.
    package var pictureBytes = 0
    /// Of the file.
    package let bytes: Int
    /// Pixels of the pictures that are encoded.
    package var encodedPixels = 0.0

    package init(size: PictureSize, bytes: Int) {
        self.size = size
        self.bytes = bytes
    }

    /// What a picture costs beside its pixels, in pixels: 100 pictures of 16x16 cost more than one of 160x160.
    private static let picturePixels = 100_000.0
    /// How many times more a key picture costs. It takes 1.5 to 2 times the processor time of another picture (MJPEG beside
    /// H.264, ffmpeg 5.1), and is decoded for the MP4, for the stream and for the small pictures, where a usual H.264 file is
    /// decoded once: its MP4 is a copy, and its small pictures come from key pictures only.
    private static let keyWeight = 5.0
    /// What a byte costs, in pixels: 37 MB more for the same pictures of MJPEG took as long as 3e8 pixels.
    private static let bytePixels = 8.0

    /// What decoding costs, as a number of pixels of H.264.
    package var decoding: Double {
        let weighted = Double(pictures - keyPictures) + Self.keyWeight * Double(keyPictures)
        return max(Double(size.pixels), Self.picturePixels) * weighted + Self.bytePixels * Double(pictureBytes)
    }

    /// Seconds of processor time on a current server, without a profile's commands.
    ///
    /// Measured with ffmpeg 5.1: 1 s for 1e9 pixels of H.264, 2 s of HEVC, all of which is done up to three times; 11 to 15 s
    /// for as many encoded with `veryfast`, scaling included.
    func processorTime(_ preset: TranscodingProfile.Preset) -> Double {
        (6 * decoding + 15 * preset.effort * encodedPixels) / 1e9
    }
}

extension TranscodingProfile.Preset {
    /// How many times the processor time of `veryfast` it takes, at most.
    fileprivate var effort: Double {
        switch self {
        case .ultrafast, .superfast, .veryfast: 1
        case .faster: 2
        case .fast: 3
        case .medium: 4
        case .slow: 8
        }
    }
}

extension TranscodingCost {
    /// - Throws: `tooMuch` if the video costs more than it may.
    func check(_ limits: TranscodingLimits) throws(TranscodingError) {
        guard decoding > limits.decoding else { return }
        throw TranscodingError(
            .tooMuch,
            "it is too much to decode: \(pictures) pictures or more of \(size) pixels, \(keyPictures) of them key "
                + "pictures, in \(pictureBytes) bytes, count as \(Self.text(decoding)) pixels; \(Self.text(limits.decoding)) are "
                + "allowed")
    }

    /// Like 14.4e12.
    private static func text(_ pixels: Double) -> String { "\((pixels / 1e10).rounded() / 100)e12" }
}
