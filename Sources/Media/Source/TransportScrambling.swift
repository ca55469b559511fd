import Glibc
import System

/// Tells whether a transport stream is scrambled, which ffprobe takes for a stream without pictures.
enum TransportScrambling {
    /// Packets that are looked at, from the beginning on.
    private static let packets = 4096
    /// What is in none of a program's tracks: tables, and what fills a stream up.
    private static let otherPIDs: Set = [0, 1, 0x10, 0x11, 0x1FFF]

    /// - Throws: `io` if the file cannot be read.
    static func isThere(in source: SourceFile) throws(TranscodingError) -> Bool {
        guard source.format == .mpegTS else { return false }
        return try io { () throws(SystemError) in
            let file = StoredFile(try Descriptor(path: source.path, O_RDONLY | O_NONBLOCK))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: packets * 192, alignment: 1)
            defer { buffer.deallocate() }
            let count = try file.read(into: buffer, at: 0)
            return isThere(in: Array(buffer.prefix(count)))
        }
    }

    /// Whether most packets of a stream's beginning are scrambled: ISO/IEC 13818-1, section 2.4.3.2.
    static func isThere(in bytes: [UInt8]) -> Bool {
        // Cameras put 4 bytes before each.
        for (size, first) in [(188, 0), (192, 4)] {
            let starts = Array(stride(from: first, to: bytes.count - 3, by: size))
            guard starts.count > 4, starts.prefix(4).allSatisfy({ bytes[$0] == 0x47 }) else { continue }
            var (scrambled, clear) = (0, 0)
            for start in starts where bytes[start] == 0x47 {
                let pid = Int(bytes[start + 1] & 0x1F) << 8 | Int(bytes[start + 2])
                // Without a payload there is nothing to scramble.
                guard !otherPIDs.contains(pid), bytes[start + 3] & 0x10 != 0 else { continue }
                if bytes[start + 3] & 0xC0 != 0 { scrambled += 1 } else { clear += 1 }
            }
            return scrambled > clear
        }
        return false
    }
}
