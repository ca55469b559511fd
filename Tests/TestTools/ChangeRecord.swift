import Foundation

/// One change of the file system, as Tests/Faults/faults.c recorded it. Files and directories are inode numbers.
package struct RecordedChange: Sendable {
    package enum Operation: Sendable {
        /// Bytes came to an offset.
        case write(UInt64, offset: Int, bytes: [UInt8])
        /// A file got a size, in bytes.
        case resize(UInt64, size: Int)
        /// fsync or fdatasync of a file or a directory.
        case sync(UInt64)
        /// A new file without a name.
        case createAnonymous(UInt64)
        /// A name of a new file.
        case create(UInt64, Entry)
        /// A name of a new directory.
        case makeDirectory(UInt64, Entry)
        /// Another name of a file.
        case link(UInt64, Entry)
        case unlink(Entry)
        case rename(from: Entry, to: Entry)
    }

    /// A name in a directory.
    package struct Entry: Hashable, Sendable {
        package let directory: UInt64
        package let name: String
    }

    package let operation: Operation
    /// How many bytes the record had with this change.
    package let position: Int

    package var isSync: Bool {
        if case .sync = operation { true } else { false }
    }

    /// Reads a record.
    package static func all(at path: String) throws -> [RecordedChange] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return try data.withUnsafeBytes { bytes in
            var reader = Reader(bytes: bytes)
            var changes: [RecordedChange] = []
            while reader.position < bytes.count { changes.append(try reader.next()) }
            return changes
        }
    }

    /// The record is cut off, or of another version of faults.c.
    struct Malformed: Error {
        let position: Int
    }
}

/// Reads `struct record` of faults.c and what follows it.
private struct Reader {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    mutating func next() throws -> RecordedChange {
        guard let kind = ChangeKind(rawValue: try number(UInt32.self)) else {
            throw RecordedChange.Malformed(position: position)
        }
        let nameLength = Int(try number(UInt32.self))
        let inode = try number(UInt64.self)
        let directory = try number(UInt64.self)
        let offset = try number(UInt64.self)
        let length = Int(try number(UInt64.self))
        let entry = RecordedChange.Entry(
            directory: directory, name: String(decoding: try take(nameLength), as: UTF8.self))
        let content = try take(length)
        let operation: RecordedChange.Operation =
            switch kind {
            case .pread: throw RecordedChange.Malformed(position: position)
            case .write, .pwrite: .write(inode, offset: Int(offset), bytes: Array(content))
            case .fallocate, .ftruncate: .resize(inode, size: Int(offset))
            case .fsync, .fdatasync, .fdatasyncDirectory: .sync(inode)
            case .create: nameLength == 0 ? .createAnonymous(inode) : .create(inode, entry)
            case .mkdir: .makeDirectory(inode, entry)
            case .link: .link(inode, entry)
            case .unlink: .unlink(entry)
            case .rename:
                .rename(
                    from: RecordedChange.Entry(directory: offset, name: String(decoding: content, as: UTF8.self)),
                    to: entry)
            }
        return RecordedChange(operation: operation, position: position)
    }

    private mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) throws -> Value {
        try take(MemoryLayout<Value>.size).loadUnaligned(as: Value.self)
    }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard position + count <= bytes.count else { throw RecordedChange.Malformed(position: position) }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }
}
