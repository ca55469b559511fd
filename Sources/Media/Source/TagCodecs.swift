import Glibc
import System

/// Tells whether picture or sound of an FLV file goes on in another codec, which ffmpeg takes for another track that it has not
/// heard of. Adobe's specification of FLV 10.1, annex E.
enum TagCodecs {
    /// Tags of another codec from which on it is no damaged byte.
    private static let fewest = 3
    /// Tags that are looked at. 12 hours have 3,500,000.
    private static let mostTags = 4_000_000
    private static let pieceSize = 64 * 1024
    private static let headSize = 12

    /// - Throws: `io` if the file cannot be read.
    static func change(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .flv else { return false }
        return try io { () throws(SystemError) in
            let file = StoredFile(try Descriptor(path: source.path, O_RDONLY | O_NONBLOCK))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 1)
            defer { buffer.deallocate() }
            var codecs = Codecs()
            // The header has 9 bytes, and behind it is the length of no tag.
            var (place, start, count) = (13, 0, 0)
            for _ in 0..<mostTags {
                if place < start || place + headSize > start + count {
                    (start, count) = (place, try file.read(into: buffer, at: place))
                    if count < headSize { break }
                }
                let head = place - start
                let kind = buffer[head] & 0x1F
                guard kind == 8 || kind == 9 || kind == 18 else { break }
                let size = Int(buffer[head + 1]) << 16 | Int(buffer[head + 2]) << 8 | Int(buffer[head + 3])
                if size > 1 { codecs.take(kind: kind, first: buffer[head + 11]) }
                place += 11 + size + 4
            }
            return codecs.changed >= fewest
        }
    }

    /// What the tags have.
    private struct Codecs {
        private var sound: UInt8?
        private var picture: UInt8?
        private(set) var changed = 0

        /// - Parameters:
        ///   - kind: of the tag: 8 for sound, 9 for a picture.
        ///   - first: the first byte of what is in it.
        mutating func take(kind: UInt8, first: UInt8) {
            switch kind {
            case 8:
                let codec = Self.sameSounds[first >> 4] ?? first >> 4
                if sound ?? codec != codec { changed += 1 }
                sound = sound ?? codec
            case 9:
                // In newer files the name of the codec follows.
                let codec = first & 0x80 != 0 ? 0x80 : first & 0x0F
                if picture ?? codec != codec { changed += 1 }
                picture = picture ?? codec
            default: break
            }
        }

        /// Numbers that tell of a byte order or a rate too, and those of the same codec.
        private static let sameSounds: [UInt8: UInt8] = [3: 0, 14: 2, 5: 4, 6: 4]
    }
}
