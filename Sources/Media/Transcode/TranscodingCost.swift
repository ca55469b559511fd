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
    /// Measured with ffmpeg 5.1: 1 s for 1e9 pixels of H.264, 2 s of HEVC, all of which is done up to three times; 11 to 15 s
    /// for as many encoded with `veryfast`, scaling included.
    func processorTime(_ preset: TranscodingProfile.Preset) -> Double {
        (6 * decoding + 15 * preset.effort * encodedPixels) / 1e9
    }

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

/// What one video may cost. The same for all videos; a profile cannot raise them.
package struct TranscodingLimits: Sendable {
    /// Bytes of address space of one tool: its memory, its libraries, its threads' stacks.
    /// ffmpeg 5.1 of Debian 12 takes up to 1.7 GiB with 2 threads and 2.1 GiB with 4 for three renditions of 1080p at
    /// once, and 2.4 GiB for 2160p; 0.3 GiB of them are its libraries.
    package var memory = 4 << 30
    /// Threads that a decoder, an encoder or a filter may use.
    package var threads = 2
    /// Bytes of one file that a tool writes.
    package var fileSize = 16 << 30
    /// Descriptors that a tool may have.
    package var openFiles = 256
    /// Seconds that a video may be long: 12 h, and what a recorder adds to them. A longer one is not encoded.
    package var duration = 46_800.0
    /// Seconds that a video may be long whose packets are only copied.
    package var copiedDuration = 7 * 86_400.0
    /// Pixels that a side of the picture may have.
    package var side = 8192
    /// What decoding a video may cost, in pixels (`TranscodingCost.decoding`).
    /// 2 h of 3840x2160 at 60/s cost up to 4.5e12, 12 h of 1920x1080 at 60/s 5.6e12. 43,000 times the same JPEG of
    /// 8192x8192, half a megabyte as an mp4, would cost 1.4e13.
    package var decoding = 6e12
    /// Seconds of processor time for looking at a file with ffprobe.
    package var probeTime = 30.0
    /// Seconds of processor time that all tools of a video may use whatever the video is.
    package var timeBase = 300.0
    /// How many times more processor time than was measured for a video like it: for slow processors, for two threads that
    /// share a core, for pictures that are harder to encode.
    package var patience = 5.0
    /// Seconds in which a tool must write something or use a second of processor time. The processors may be busy.
    package var stallTime = 900.0
    /// Seconds on the clock for one tool, however busy the machine is.
    package var mostTime = 7 * 86_400.0

    package init() {}

    /// Seconds of processor time for reading so many bytes, which a disk's reads count as in part: 20 MB/s.
    func readingTime(_ bytes: Int) -> Double { timeBase + Double(bytes) / 20e6 }
}

/// How many bytes a step may write, known before it begins: what a file tells of itself, and what it repeats, makes no more.
struct OutputSize: Equatable, Sendable {
    /// A tool that writes more is ended.
    let limit: Int
    /// Room that must be there before it begins, beside the reserve.
    let room: Int

    /// What every file has beside its packets.
    private static let base = 1.0 * 1024 * 1024
    /// What encoding makes of a source in any case, and how many times its length: three qualities and a file for the same
    /// pictures. Where a strange source makes more of less, the looks at the room that is left end it.
    private static let encodedBase = 16.0 * 1024 * 1024
    private static let encodedShare = 2.0
    /// Seconds of its bit rate that an encoder may be ahead: its buffer has two.
    private static let ahead = 10.0

    init(limit: Double, room: Double) {
        self.limit = Int(min(limit, 1e15))
        self.room = Int(min(room, limit, 1e15))
    }

    /// Of a tool that only reads, like a decoder without an encoder.
    static let none = OutputSize(limit: 0, room: 0)
    /// Of a picture: as much as is read again.
    static let picture = OutputSize(limit: 16 * 1024 * 1024, room: 4 * 1024 * 1024)

    /// Of a command, which nothing is known of but that the operator wants it.
    static func command(_ limits: TranscodingLimits) -> OutputSize {
        OutputSize(limit: Double(limits.fileSize), room: 0)
    }

    /// Of packets that are copied: those of the file, once, and an index.
    static func copied(_ cost: TranscodingCost, duration: Double) -> OutputSize {
        // An entry of the index has up to 24 bytes; a sound has up to 94 packets a second.
        let index = 32 * (Double(cost.pictures) + 100 * duration)
        let bytes = Double(cost.bytes) + index + base
        return OutputSize(limit: bytes, room: bytes)
    }

    /// Of what is encoded.
    /// - Parameter bitRate: bits per second that it does not exceed for long, as far as the encoder can help it: pictures of
    ///   noise may take twice as many.
    static func encoded(bitRate: Int, _ cost: TranscodingCost, duration: Double) -> OutputSize {
        let bytes = Double(bitRate) / 8 * (duration + ahead) + base
        return OutputSize(limit: 2 * bytes, room: min(bytes, encodedShare * Double(cost.bytes) + encodedBase))
    }

    static func + (a: OutputSize, b: OutputSize) -> OutputSize {
        OutputSize(limit: Double(a.limit) + Double(b.limit), room: Double(a.room) + Double(b.room))
    }
}
