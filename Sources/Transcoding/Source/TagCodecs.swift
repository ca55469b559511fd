import ChunkStore
import Glibc
import System

/// Tells whether picture or sound of an FLV file goes on in another codec, which ffmpeg takes for another track that it has not
/// heard of. Adobe's specification of FLV 10.1, annex E.
enum TagCodecs {
    /// Tags of another codec from which on it is no damaged byte.
    private static let fewest = 3
    private static let pieceSize = 64 * 1024
    private static let headSize = 12

    /// - Throws: `io` if the file cannot be read.
    static func change(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.demuxer == .flv else { return false }
        return try io { () throws(SystemError) in
            let file = StoredFile(try Descriptor(path: source.path, O_RDONLY | O_NONBLOCK))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 1)
            defer { buffer.deallocate() }
            var codecs = Codecs()
            // The header has 9 bytes, and behind it is the length of no tag.
            var (place, start, count) = (13, 0, 0)
            while true {
                if place < start || place + headSize > start + count {
                    (start, count) = (place, try file.read(into: buffer, at: place))
                    if count < headSize { return codecs.changed >= fewest }
                }
                let head = Array(buffer[(place - start)..<(place - start + headSize)])
                guard [8, 9, 18].contains(head[0] & 0x1F) else { return codecs.changed >= fewest }
                let size = head[1..<4].reduce(0) { $0 << 8 | Int($1) }
                if size > 1 { codecs.take(kind: head[0] & 0x1F, first: head[11]) }
                place += 11 + size + 4
            }
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
