import Foundation

/// Videos that want to lead ffmpeg elsewhere.
package enum HostileVideo {
    /// An avi with a packet of subtitles, as DivX writes them: GAB2, a name, a file. A third stream of type `txts`.
    package static func withSubtitles(_ text: String, in avi: Data) throws -> Data {
        func number(_ value: Int, _ count: Int = 4) -> Data { Data((0..<count).map { UInt8(value >> (8 * $0) & 255) }) }
        func chunk(_ name: String, _ content: Data) -> Data {
            Data(name.utf8) + number(content.count) + content + Data(count: content.count % 2)
        }
        func length(_ data: Data, at offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(data[data.startIndex + offset + $1]) << (8 * $1) }
        }
        let stream = chunk(
            "LIST",
            Data("strl".utf8)
                + chunk("strh", Data("txts".utf8) + Data(count: 16) + number(1) + number(1) + Data(count: 28))
                + chunk("strf", Data(count: 0)))
        let packet = chunk(
            "02tx",
            Data("GAB2\0".utf8) + number(2, 2) + number(2) + Data([0x78, 0]) + number(4, 2) + number(text.utf8.count)
                + Data(text.utf8))
        // RIFF size "AVI " LIST size "hdrl" …, then others, then LIST size "movi" …
        var result = avi
        guard let movie = result.firstRange(of: Data("movi".utf8)) else { throw CocoaError(.fileReadCorruptFile) }
        result.replaceSubrange(
            movie.lowerBound - 4..<movie.lowerBound,
            with: number(length(result, at: movie.lowerBound - 4) + packet.count))
        result.insert(contentsOf: packet, at: movie.upperBound)
        let header = length(result, at: 16)
        result.insert(contentsOf: stream, at: 20 + header)
        result.replaceSubrange(16..<20, with: number(header + stream.count))
        result.replaceSubrange(4..<8, with: number(result.count - 8))
        return result
    }

    /// An mp4 of less than a kilobyte a track whose index says that each has so many pictures, of which there is none:
    /// ffprobe takes 24 bytes of memory for each. No two have the same bytes.
    package static func withIndex(pictures: UInt32, tracks: UInt32 = 1) -> [UInt8] {
        func number(_ values: UInt32...) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        }
        func box(_ type: String, _ content: [UInt8]...) -> [UInt8] {
            let content = content.flatMap { $0 }
            return number(UInt32(8 + content.count)) + Array(type.utf8) + content
        }
        func versioned(_ type: String, _ content: [UInt8]...) -> [UInt8] {
            box(type, number(0), content.flatMap { $0 })
        }
        func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
        let matrix = number(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000)
        let entry =
            number(86) + Array("mp4v".utf8) + zeros(6) + [0, 1] + zeros(16) + [0, 64, 0, 64]
            + number(0x48_0000, 0x48_0000, 0) + [0, 1] + zeros(32) + [0, 24, 0xFF, 0xFF]
        let table = box(
            "stbl", versioned("stsd", number(1), entry), versioned("stts", number(1, pictures, 40)),
            versioned("stsc", number(1, 1, pictures, 1)), versioned("stsz", number(1, pictures)),
            versioned("stco", number(1, 40)))
        func track(_ id: UInt32) -> [UInt8] {
            let header = versioned(
                "tkhd", number(0, 0, id, 0, 1000), zeros(16), matrix, number(64 << 16, 64 << 16))
            let media = box(
                "mdia", versioned("mdhd", number(0, 0, 1000, 1000), [0x55, 0xC4, 0, 0]),
                versioned("hdlr", number(0), Array("vide".utf8), zeros(12), Array("v\0".utf8)),
                box(
                    "minf", versioned("vmhd", zeros(8)),
                    box("dinf", versioned("dref", number(1), versioned("url "))), table))
            return box("trak", header, media)
        }
        let movie = versioned(
            "mvhd", number(0, 0, 1000, 1000, 0x10000), [1, 0], zeros(10), matrix, zeros(24), number(tracks + 1))
        return box("ftyp", Array("isom".utf8), number(0x200), Array("isomiso2".utf8)) + box("mdat", zeros(64))
            + box("moov", movie, (1...tracks).flatMap(track)) + box("free", Array(UUID().uuidString.utf8))
    }
}
