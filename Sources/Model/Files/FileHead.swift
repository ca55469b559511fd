/// The first bytes of a file: `length` of them, or all of a shorter one.
package struct FileHead: Sendable {
    /// The bytes that decide: as many as ffmpeg's demuxer of MPEG-TS looks at to find its packets.
    package static let length = 8192

    let bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        self.bytes = Array(bytes.prefix(Self.length))
    }

    /// Whether these are as many as decide; what a shorter part of a file is may show in the rest of it.
    package var isWhole: Bool { bytes.count == Self.length }

    /// The kind of video file that begins like this; `nil` if none does, and `OtherContent` says what does.
    ///
    /// A file that could be taken for several is only one of them here, and only that demuxer reads it.
    package var format: VideoFormat? {
        // What stands at a fixed place comes before what is looked for. MPEG-TS comes before the rest, because what is
        // before the first packet of M2TS is a time that may look like anything.
        if isMPEGTS(from: [0, 4]) { return .mpegTS }
        if isMP4 { return .mp4 }
        if isAVI { return .avi }
        if isFLV { return .flv }
        // RFC 8794 section 11.2.1, the EBML header.
        if has([0x1A, 0x45, 0xDF, 0xA3]) { return .matroska }
        // Microsoft's Advanced Systems Format, section 10.1: the GUID of the header object.
        if has([0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C]) {
            return .asf
        }
        if isMPEGPS { return .mpegPS }
        // Recorders begin in the middle of a packet, and some sites put a small picture before the first one.
        if isMPEGTS(from: 0..<bytes.count) { return .mpegTS }
        if hasPackets { return .mpegPS }
        return nil
    }

    // MARK: - Reading

    func has(_ text: String, at offset: Int = 0) -> Bool { has(Array(text.utf8), at: offset) }

    func has(_ expected: [UInt8], at offset: Int = 0) -> Bool {
        offset + expected.count <= bytes.count && bytes[offset...].starts(with: expected)
    }

    /// The big-endian number at an offset; `nil` if not all of it is there.
    func number(at offset: Int, bytes count: Int) -> UInt64? {
        guard offset + count <= bytes.count else { return nil }
        return bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

// MARK: - RIFF and FLV

extension FileHead {
    /// The forms that ffmpeg's demuxer takes: Microsoft's RIFF, and what cameras and players made of it.
    private var isAVI: Bool {
        has("RIFF") && ["AVI ", "AVIX", "AVI\u{19}", "AMV "].contains { has($0, at: 8) }
            || has("ON2 ") && has("ON2f", at: 8)
    }

    /// Adobe's FLV 10.1, annex E.2: the version, the flags, and the length of the header.
    private var isFLV: Bool {
        guard has("FLV"), bytes.count > 3, (1...4).contains(bytes[3]) else { return false }
        return number(at: 5, bytes: 4).map { $0 > 8 && $0 < 1 << 16 } ?? true
    }
}
