import Glibc
import System

/// A copy of a transport stream in which its tracks have one number each from beginning to end.
///
/// It is in the directory of the result until that is made.
enum RenumberedStream {
    static let name = "renumbered.ts"

    /// Bytes that are read at once.
    private static let pieceSize = 1 << 20

    /// Follows the program of a stream. Of another container nothing is read.
    static func program(of source: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> TransportProgram {
        guard source.format == .mpegTS else { return TransportProgram() }
        return try follow(source, tools) { _, _ in }
    }

    /// Writes the copy.
    ///
    /// - Throws: `noSpace` if there is no room for it.
    static func make(of source: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> SourceFile {
        let bytes = try source.length()
        guard tools.takeRoom(bytes) else {
            throw TranscodingError(.noSpace, "there is no room for the \(bytes) bytes of a copy")
        }
        defer { _ = tools.takeRoom(0) }
        try tools.directory.removeFile(name)
        let copy = try io { () throws(SystemError) in
            let directory = try Descriptor(directory: tools.directory.path)
            return StoredFile(try Descriptor(at: directory, name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644))
        }
        _ = try follow(source, tools) { piece, offset throws(SystemError) in
            try copy.write(piece, at: offset)
            _ = tools.takeRoom(max(0, bytes - offset - piece.count))
        }
        return SourceFile(path: "\(tools.directory.path)/\(name)", format: .mpegTS)
    }

    /// Reads a stream from beginning to end. `pass` gets its packets, a piece at a time, and its offset.
    private static func follow(
        _ source: SourceFile, _ tools: ToolRunner,
        pass: (UnsafeRawBufferPointer, Int) throws(SystemError) -> Void
    ) throws(TranscodingError) -> TransportProgram {
        var program = TransportProgram()
        let file = try io { () throws(SystemError) in
            StoredFile(try Descriptor(path: source.path, O_RDONLY | O_NONBLOCK))
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = 0
        // Cameras put 4 bytes before each packet.
        var before = 0
        while true {
            if tools.isCancelled() { throw TranscodingError(.cancelled, "cancelled") }
            let count = try io { () throws(SystemError) in try file.read(into: buffer, at: offset) }
            if offset == 0, count > 4 * 192, (0..<4).allSatisfy({ buffer[4 + 192 * $0] == 0x47 }) { before = 4 }
            var done = take(buffer.prefix(count), before: before, &program)
            // What is left is no packet.
            if count < buffer.count { done = count }
            try io { () throws(SystemError) in
                try pass(UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(done))), offset)
            }
            offset += done
            if count < buffer.count { return program }
        }
    }

    /// Passes on the packets that are whole. Where there is none, the next one is looked for.
    ///
    /// - Returns: bytes that have been looked at.
    private static func take(
        _ bytes: Slice<UnsafeMutableRawBufferPointer>, before: Int, _ program: inout TransportProgram
    ) -> Int {
        let size = before + TransportProgram.packetSize
        var place = 0
        while place + 2 * size <= bytes.count {
            if bytes[place + before] == 0x47 {
                program.take(UnsafeMutableRawBufferPointer(rebasing: bytes[(place + before)..<(place + size)]))
                place += size
            } else {
                place += 1
                while place + 2 * size <= bytes.count,
                    bytes[place + before] != 0x47 || bytes[place + before + size] != 0x47
                {
                    place += 1
                }
            }
        }
        if bytes.count < pieceSize, place + size <= bytes.count, bytes[place + before] == 0x47 {
            program.take(UnsafeMutableRawBufferPointer(rebasing: bytes[(place + before)..<(place + size)]))
        }
        return place
    }
}
