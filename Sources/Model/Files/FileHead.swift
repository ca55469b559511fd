/// The kinds of video file that can be opened. Which one a file is its first bytes tell; its name plays no part.
///
/// The raw values are the names of ffmpeg's demuxers.
package enum VideoFormat: String, CaseIterable, Sendable {
    case mp4 = "mov"
    case avi, flv, matroska
    case mpegTS = "mpegts"
    case mpegPS = "mpeg"
    case asf
    /// A stream that was made here. No file that is uploaded is one: its playlist could name other files.
    case hls

    /// Every file extension that can be allowed.
    package static let fileExtensions = [
        "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ts", "vob", "webm",
        "wmv",
    ]

    /// Whether every packet has the time it is shown at, without which it cannot be moved to another container.
    package var hasTimestamps: Bool { self != .avi && self != .mpegPS && self != .asf }
}

/// The first bytes of a file: `length` of them, or all of a shorter one.
package struct FileHead: Sendable {
    /// The bytes that decide: as many as ffmpeg's demuxer of MPEG-TS looks at to find its packets.
    package static let length = 8192

    let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = Array(bytes.prefix(Self.length)) }

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

    // MARK: - RIFF and FLV

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

// MARK: - MP4

/// MP4 and QuickTime: ISO/IEC 14496-12 section 4.2 (boxes), Apple's QuickTime File Format (atoms).
extension FileHead {
    /// What the boxes at a file's beginning make of it.
    private enum Boxes { case video, image, fragment, other }

    private var isMP4: Bool { boxes == .video }

    /// A piece of a stream: it has pictures, and nothing that says how to decode them.
    var isFragment: Bool { boxes == .fragment }

    /// A still picture in the same kind of file.
    var isImageFile: Bool { boxes == .image }

    /// Boxes that may come before the one that decides. Readers skip any other box too.
    private static let leading: Set<String> = [
        "free", "skip", "wide", "uuid", "junk", "PICT", "pict", "ediw", "prfl", "udta", "styp", "sidx", "ssix", "prft",
        "emsg", "pdin", "meta", "meco", "mfra",
    ]

    /// Brands of still pictures, which have no index of pictures over time: HEIF, AVIF, JPEG 2000, JPEG XL, Canon's raw.
    private static let imageBrands: Set<String> = [
        "heic", "heix", "heim", "heis", "mif1", "avif", "jp2 ", "jpx ", "jpm ", "jxl ", "crx ",
    ]

    /// Bytes of a box: no box but the one with the pictures is as large. Text as the first four bytes is larger.
    private static let sizeLimit: UInt64 = 1 << 29

    private var boxes: Boxes {
        var offset = 0
        var isKnown = false
        // A box has 8 bytes at least, which bounds this.
        while let type = boxType(at: offset), let size = boxSize(at: offset) {
            switch type {
            case "ftyp":
                guard size >= 8, size < Self.sizeLimit else { return .other }
                return Self.imageBrands.contains(boxType(at: offset + 4) ?? "") ? .image : .video
            case "mdat":
                // To the file's end if it is 0.
                return .video
            case "moov", "pnot":
                return size < Self.sizeLimit ? .video : .other
            case "moof":
                return size < Self.sizeLimit ? .fragment : .other
            default:
                guard size >= 8, size < Self.sizeLimit else { return .other }
                isKnown = isKnown || Self.leading.contains(type)
                offset += Int(size)
            }
        }
        // The next box is beyond what is here.
        return isKnown && offset + 8 > bytes.count ? .video : .other
    }

    /// Four printable characters, as the type of a box that starts at `offset` has them.
    private func boxType(at offset: Int) -> String? {
        guard offset + 8 <= bytes.count else { return nil }
        let type = bytes[offset + 4..<offset + 8]
        guard type.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
        return String(decoding: type, as: UTF8.self)
    }

    /// The whole size of the box that starts at `offset`: 0 for all that is left; `nil` if it is impossible.
    private func boxSize(at offset: Int) -> UInt64? {
        guard let size = number(at: offset, bytes: 4) else { return nil }
        // A size of more than 32 bits comes behind the type.
        if size == 1 { return number(at: offset + 8, bytes: 8).flatMap { $0 >= 16 ? $0 : nil } }
        return size == 0 || size >= 8 ? size : nil
    }
}

// MARK: - MPEG

/// MPEG-TS and MPEG-PS: ISO/IEC 13818-1 sections 2.4.3 and 2.5.3, ISO/IEC 11172-1 section 2.4.3.
extension FileHead {
    /// Packets in a row that make a transport stream.
    private static let packetCount = 5

    /// Bytes from one packet to the next: as they are, with a time before each (M2TS), with a check sum behind each.
    private static let packetLengths = [188, 192, 204]

    /// Whether packets follow each other from one of these offsets on.
    private func isMPEGTS(from offsets: some Sequence<Int>) -> Bool {
        offsets.contains { first in
            isPacket(at: first)
                && Self.packetLengths.contains { length in
                    (1..<Self.packetCount).allSatisfy { isPacket(at: first + $0 * length) }
                }
        }
    }

    /// The sync byte, and a header that is not reserved: a packet without adaptation field and payload is a null packet.
    private func isPacket(at offset: Int) -> Bool {
        guard offset + 4 <= bytes.count, bytes[offset] == 0x47 else { return false }
        let isNull = bytes[offset + 1] & 0x1F == 0x1F && bytes[offset + 2] == 0xFF
        return isNull || bytes[offset + 3] & 0x30 != 0
    }

    /// A pack at the beginning.
    private var isMPEGPS: Bool { packLength(at: 0) != nil }

    /// Pack headers and packets, three in a row, further on: recorders begin in the middle of one, and some write few pack
    /// headers.
    private var hasPackets: Bool {
        bytes.indices.contains { first in
            var offset = first
            for _ in 0..<2 {
                guard let length = packLength(at: offset) ?? packetLength(at: offset) else { return false }
                offset += length
            }
            return packLength(at: offset) ?? packetLength(at: offset) != nil
        }
    }

    /// The bytes of the pack header that starts at `offset`, of MPEG-2 or MPEG-1.
    private func packLength(at offset: Int) -> Int? {
        guard has([0, 0, 1, 0xBA], at: offset), bytes.count > offset + 13 else { return nil }
        if bytes[offset + 4] & 0xC0 == 0x40 { return 14 + Int(bytes[offset + 13] & 7) }
        return bytes[offset + 4] & 0xF0 == 0x20 ? 12 : nil
    }

    /// The bytes of the packet, of any stream, that starts at `offset`.
    private func packetLength(at offset: Int) -> Int? {
        guard has([0, 0, 1], at: offset), let length = number(at: offset + 4, bytes: 2), bytes[offset + 3] >= 0xBB
        else { return nil }
        return 6 + Int(length)
    }

    /// A stream of H.264, H.265 or MPEG pictures without a container: a start code, and a unit that may be the first.
    var isElementaryStream: Bool {
        let start = has([0, 0, 1]) ? 3 : has([0, 0, 0, 1]) ? 4 : 0
        guard start > 0, bytes.count > start + 1 else { return false }
        let (first, second) = (bytes[start], bytes[start + 1])
        // The first of: MPEG-1 and 2, MPEG-4 part 2; H.264: delimiter, parameters; H.265: the same.
        return first == 0xB3 || first == 0xB0 || first == 0xB5
            || first & 0x80 == 0 && [6, 7, 9].contains(first & 0x1F)
            || [0x40, 0x42, 0x44, 0x46].contains(first) && second == 1
    }
}
