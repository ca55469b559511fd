import Glibc
import System

/// Tells whether a file ends before its container does: a recording or a transfer that broke off.
///
/// Only the container's frames are read, not what is in them: boxes, tags, chunks, packets. Where they say nothing, as in a
/// program stream, the file counts as whole.
struct ContainerEnd {
    private let file: StoredFile
    private let length: Int

    /// Frames that are followed: 12 h of fragments of half a second are 170,000.
    private static let mostFrames = 1_000_000

    private init(of source: SourceFile) throws(SystemError) {
        file = StoredFile(try Descriptor(path: source.path, O_RDONLY | O_NONBLOCK))
        length = try file.length()
    }

    /// - Throws: `io` if the file cannot be read.
    static func isMissing(in source: SourceFile) throws(TranscodingError) -> Bool {
        try io { () throws(SystemError) in
            let end = try ContainerEnd(of: source)
            switch source.format {
            case .mp4: return try end.isMissingInBoxes()
            case .flv: return try end.isMissingInTags()
            case .avi: return try end.isMissingInChunks()
            case .mpegTS: return try end.isMissingInPackets()
            case .asf: return try end.isMissingInObjects()
            // ffprobe says so of Matroska; a program stream may end anywhere.
            case .matroska, .mpegPS, .hls: return false
            }
        }
    }

    /// Whether an MP4 has pictures and sounds, or the beginning of an index, and not all of an index: a recorder that writes it at
    /// the end was interrupted, or the file was not copied whole.
    ///
    /// - Throws: `io` if the file cannot be read.
    static func isIndexMissing(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .mp4 else { return false }
        return try io { () throws(SystemError) in
            let end = try ContainerEnd(of: source)
            var isThere = false
            var isNeeded = false
            try end.forEachBox { type, isWhole in
                if type == "moov" && isWhole { isThere = true }
                if type == "moov" || type == "mdat" || type == "moof" { isNeeded = true }
                return !isThere
            }
            return isNeeded && !isThere
        }
    }

    /// What ffprobe writes where it finds that something is missing at the end.
    static func isMissing(by complaints: String) -> Bool {
        ["partial file", "File ended prematurely"].contains(where: complaints.contains)
    }

    /// `nil` where the file has not so many bytes.
    private func bytes(_ count: Int, at offset: Int) throws(SystemError) -> [UInt8]? {
        guard offset >= 0, offset + count <= length else { return nil }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        return try file.read(into: buffer, at: offset) == count ? Array(buffer) : nil
    }

    private static func bigEndian(_ bytes: some Sequence<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

    /// What is at the top level of a file.
    private static let boxes: Set = [
        "ftyp", "styp", "moov", "moof", "mdat", "mfra", "sidx", "emsg", "meta", "udta", "uuid", "free", "skip", "wide",
    ]

    private func isMissingInBoxes() throws(SystemError) -> Bool {
        var isMissing = false
        try forEachBox { type, isWhole in
            // What follows the last box may be anything.
            isMissing = !isWhole && Self.boxes.contains(type)
            return true
        }
        return isMissing
    }

    /// Goes through the boxes at the top level while the closure returns `true`: ISO/IEC 14496-12, section 4.2.
    private func forEachBox(_ take: (_ type: String, _ isWhole: Bool) -> Bool) throws(SystemError) {
        var offset = 0
        for _ in 0..<Self.mostFrames {
            guard let head = try bytes(8, at: offset) else { return }
            var size = Self.bigEndian(head[0..<4])
            if size == 1 {
                guard let large = try bytes(8, at: offset + 8), large[0] == 0 else { return }
                size = Self.bigEndian(large)
            }
            // It ends with the file.
            if size == 0 { size = length - offset }
            guard size >= 8 else { return }
            let isWhole = size <= length - offset
            guard take(String(decoding: head[4...], as: UTF8.self), isWhole), isWhole else { return }
            offset += size
        }
    }

    /// Adobe's specification of FLV 10.1, annex E.
    private func isMissingInTags() throws(SystemError) -> Bool {
        // Behind each tag is its length.
        if let last = try bytes(4, at: length - 4), let tag = try tag(at: length - 4 - Self.bigEndian(last)),
            tag.end == length - 4
        {
            return false
        }
        guard let header = try bytes(9, at: 0), header.starts(with: "FLV".utf8) else { return false }
        var offset = Self.bigEndian(header[5..<9]) + 4
        for _ in 0..<Self.mostFrames {
            guard let tag = try tag(at: offset) else { return false }
            if tag.end > length { return true }
            offset = tag.end + 4
        }
        return false
    }

    private func tag(at offset: Int) throws(SystemError) -> (Int, end: Int)? {
        guard let head = try bytes(11, at: offset), [8, 9, 18].contains(head[0] & 0x1F) else { return nil }
        return (offset, offset + 11 + Self.bigEndian(head[1..<4]))
    }

    /// Microsoft's AVI RIFF: a chunk, and in large files more of them.
    private func isMissingInChunks() throws(SystemError) -> Bool {
        var offset = 0
        while let head = try bytes(8, at: offset), head.starts(with: "RIFF".utf8) {
            let size = Self.bigEndian(head[4..<8].reversed())
            // A recorder writes the size at its end. One byte of padding may be left out.
            if size == 0 || size > length - offset - 7 { return true }
            offset += 8 + size + size % 2
        }
        return false
    }

    /// What follows the first byte of the identifiers of both.
    private static let object: [UInt8] = [
        0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0, 0xAA, 0, 0x62, 0xCE, 0x6C,
    ]

    /// Microsoft's ASF specification, sections 2.1, 3.1 and 5.1: a header, and the packets.
    private func isMissingInObjects() throws(SystemError) -> Bool {
        func object(_ first: UInt8, at offset: Int) throws(SystemError) -> Int? {
            guard let head = try bytes(24, at: offset), head[0] == first,
                head[1..<16].elementsEqual(Self.object), head[22] == 0, head[23] == 0
            else { return nil }
            return Self.bigEndian(head[16..<22].reversed())
        }
        guard let header = try object(0x30, at: 0), let packets = try object(0x36, at: header) else { return false }
        // A recorder that does not go back leaves 0, or the size of the head.
        return packets > length - header
    }

    /// ISO/IEC 13818-1, section 2.4.3: packets of 188 bytes, and cameras put 4 more before each.
    private func isMissingInPackets() throws(SystemError) -> Bool {
        for (size, first) in [(188, 0), (192, 4)] {
            var isSync = length > 4 * size
            for packet in 0..<4 where isSync { isSync = try bytes(1, at: first + packet * size) == [0x47] }
            guard isSync else { continue }
            // Whether another packet begins.
            return try bytes(1, at: length / size * size + first) == [0x47]
        }
        return false
    }
}
