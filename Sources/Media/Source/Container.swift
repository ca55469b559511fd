import System

/// What the frames of a file's container tell that ffprobe does not: boxes, tags, chunks, packets, and not what is in them.
/// Where they say nothing, as in a program stream, the file counts as whole. Its functions throw `io` if the file cannot be read.
struct Container {
    private let file: StoredFile
    private let length: Int

    /// Frames that are followed: 12 h of fragments of half a second are 170,000.
    private static let mostFrames = 1_000_000

    private init(_ file: StoredFile) throws(SystemError) {
        self.file = file
        length = try file.length()
    }

    /// Whether a file ends before its container does: a recording or a transfer that broke off.
    static func isEndMissing(in source: SourceFile) throws(TranscodingError) -> Bool {
        try io { () throws(SystemError) in
            let container = try Container(source.open())
            switch source.format {
            case .mp4: return try container.isMissingInBoxes()
            case .flv: return try container.isMissingInTags()
            case .avi: return try container.isMissingInChunks()
            case .mpegTS: return try container.isMissingInPackets()
            case .asf: return try container.isMissingInObjects()
            // ffprobe says so of Matroska; a program stream may end anywhere.
            case .matroska, .mpegPS, .hls: return false
            }
        }
    }

    /// What ffprobe writes where it finds that something is missing at the end.
    static func isEndMissing(by complaints: String) -> Bool {
        ["partial file", "File ended prematurely"].contains(where: complaints.contains)
    }

    /// Reads bytes; `nil` if the file ends before.
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

    /// Whether an MP4 has pictures and sounds, or the beginning of an index, and not all of an index: a recorder that writes it at
    /// the end was interrupted, or the file was not copied whole.
    static func isIndexMissing(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .mp4 else { return false }
        return try io { () throws(SystemError) in
            var (isThere, isNeeded) = (false, false)
            try Container(source.open()).forEachBox { type, isWhole in
                if type == "moov" && isWhole { isThere = true }
                if type == "moov" || type == "mdat" || type == "moof" { isNeeded = true }
                return !isThere
            }
            return isNeeded && !isThere
        }
    }

    /// Whether the index of an MP4 comes before its pictures and sounds.
    static func hasIndexFirst(_ file: StoredFile) throws(TranscodingError) -> Bool {
        try io { () throws(SystemError) in
            var first = ""
            try Container(file).forEachBox { type, _ in
                if type == "moov" || type == "mdat" { first = type }
                return first.isEmpty
            }
            return first == "moov"
        }
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

    private func isMissingInTags() throws(SystemError) -> Bool {
        // Behind each tag is its length.
        if let last = try bytes(4, at: length - 4), let head = try bytes(11, at: length - 4 - Self.bigEndian(last)),
            Self.tags.contains(head[0] & 0x1F), 11 + Self.bigEndian(head[1..<4]) == Self.bigEndian(last)
        {
            return false
        }
        var isMissing = false
        try forEachTag { _, _, end in isMissing = end > length }
        return isMissing
    }

    /// Whether picture or sound of an FLV file goes on in another codec, which ffmpeg takes for another track that it has not
    /// heard of.
    static func changesCodec(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .flv else { return false }
        return try io { () throws(SystemError) in
            var codecs: [UInt8: UInt8] = [:]
            var changed = 0
            try Container(source.open()).forEachTag { kind, content, _ in
                guard let codec = content.flatMap({ Self.codec(kind, $0) }) else { return }
                if codecs[kind, default: codec] != codec { changed += 1 }
                codecs[kind] = codecs[kind] ?? codec
            }
            return changed >= fewestOfCodec
        }
    }

    /// Tags of another codec from which on it is no damaged byte.
    private static let fewestOfCodec = 3
    /// Tags that are followed. 12 hours have 3,500,000.
    private static let mostTags = 4_000_000
    /// Kinds of tags: sound, picture, and what is said of them.
    private static let tags: Set<UInt8> = [8, 9, 18]
    /// Numbers that tell of a byte order or a rate too, and those of the same codec.
    private static let sameSounds: [UInt8: UInt8] = [3: 0, 14: 2, 5: 4, 6: 4]

    /// The codec of a tag by the first byte of what is in it; `nil` if it is of neither picture nor sound.
    private static func codec(_ kind: UInt8, _ content: UInt8) -> UInt8? {
        switch kind {
        case 8: sameSounds[content >> 4] ?? content >> 4
        // In newer files the name of the codec follows.
        case 9: content & 0x80 != 0 ? 0x80 : content & 0x0F
        default: nil
        }
    }

    /// Goes through the tags of an FLV file: Adobe's specification of FLV 10.1, annex E. `content` is the first byte of what is in
    /// it, `end` where it ends, which may be beyond the file.
    private func forEachTag(_ take: (_ kind: UInt8, _ content: UInt8?, _ end: Int) -> Void) throws(SystemError) {
        guard let header = try bytes(9, at: 0), header.starts(with: "FLV".utf8) else { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
        defer { buffer.deallocate() }
        // Behind the header is the length of no tag.
        var place = Self.bigEndian(header[5..<9]) + 4
        var (start, count) = (0, 0)
        for _ in 0..<Self.mostTags {
            if place + 12 > start + count { (start, count) = (place, try file.read(into: buffer, at: place)) }
            let head = buffer[..<count].dropFirst(place - start)
            guard head.count >= 11, let kind = head.first.map({ $0 & 0x1F }), Self.tags.contains(kind) else { return }
            let size = Self.bigEndian(head.dropFirst().prefix(3))
            let end = place + 11 + size
            take(kind, size > 1 ? head.dropFirst(11).first : nil, end)
            place = end + 4
        }
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

    private func isMissingInPackets() throws(SystemError) -> Bool {
        guard let (size, first) = try packets() else { return false }
        // Whether another packet begins.
        return try bytes(1, at: length / size * size + first) == [0x47]
    }

    /// The bytes of a transport stream's packets, and where the first one begins; `nil` if there are none: ISO/IEC 13818-1, section
    /// 2.4.3, and cameras put 4 bytes before each.
    private func packets() throws(SystemError) -> (size: Int, first: Int)? {
        for (size, first) in [(188, 0), (192, 4)] where length > 4 * size {
            var isSync = true
            for packet in 0..<4 where isSync { isSync = try bytes(1, at: first + packet * size) == [0x47] }
            if isSync { return (size, first) }
        }
        return nil
    }

    /// Packets of a beginning.
    private static let beginning = 4096
    /// What is in none of a program's tracks: tables, and what fills a stream up.
    private static let otherPIDs: Set = [0, 1, 0x10, 0x11, 0x1FFF]

    /// Whether most packets of a transport stream's beginning are scrambled, which ffprobe takes for a stream without pictures:
    /// ISO/IEC 13818-1, section 2.4.3.2.
    static func isScrambled(_ source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .mpegTS else { return false }
        return try io { () throws(SystemError) in
            let container = try Container(source.open())
            guard let (size, first) = try container.packets(),
                let bytes = try container.bytes(min(container.length, beginning * size), at: 0)
            else { return false }
            var (scrambled, clear) = (0, 0)
            for start in stride(from: first, to: bytes.count - 3, by: size) where bytes[start] == 0x47 {
                let pid = Int(bytes[start + 1] & 0x1F) << 8 | Int(bytes[start + 2])
                // Without a payload there is nothing to scramble.
                guard !otherPIDs.contains(pid), bytes[start + 3] & 0x10 != 0 else { continue }
                if bytes[start + 3] & 0xC0 != 0 { scrambled += 1 } else { clear += 1 }
            }
            return scrambled > clear
        }
    }
}
