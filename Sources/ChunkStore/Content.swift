import Foundation
import Glibc
import System

/// Bytes on their way into the store.
package enum Content: Sendable {
    /// A part of a block of memory.
    case memory(MemoryBlock, Range<Int>)
    /// A part of a file, where they would take too much memory.
    case file(StoredFile, Range<Int>)

    /// The number of bytes.
    package var length: Int {
        switch self {
        case .memory(_, let range), .file(_, let range): range.count
        }
    }

    /// Passes the bytes piece by piece, in order.
    func forEachPiece(size: Int, _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void) throws(SystemError) {
        switch self {
        case .memory(let block, let range):
            var offset = range.lowerBound
            while offset < range.upperBound {
                let end = min(offset + size, range.upperBound)
                try body(UnsafeRawBufferPointer(rebasing: block.bytes[offset..<end]))
                offset = end
            }
        case .file(let file, let range):
            try file.forEachPiece(of: range, size: size, body)
        }
    }

    /// The first bytes, `count` of them at most.
    package func prefix(_ count: Int) throws(SystemError) -> [UInt8] {
        var head: [UInt8] = []
        let first: Content =
            switch self {
            case .memory(let block, let range): .memory(block, range.prefix(count))
            case .file(let file, let range): .file(file, range.prefix(count))
            }
        try first.forEachPiece(size: count) { head += $0 }
        return head
    }
}

/// Memory for a request's body, returned to its pool with the last reference.
package final class MemoryBlock: Sendable {
    // SAFETY: whoever fills it does so before anybody else has it.
    package nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer
    private let pool: MemoryPool

    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer, _ pool: MemoryPool) {
        self.bytes = bytes
        self.pool = pool
    }

    deinit { pool.put(bytes) }
}

/// Blocks of one size that are used again and again: new memory would have to be cleared by the kernel each time.
///
/// There are as many as were needed at once. Only what is written to takes memory. Thread-safe.
package final class MemoryPool: Sendable {
    /// Bytes.
    package let blockSize: Int

    private let free: Locked<[UnsafeMutableRawBufferPointer]> = Locked([])

    package init(blockSize: Int) { self.blockSize = blockSize }

    deinit { free.withLock { $0.forEach { $0.deallocate() } } }

    package func take() -> MemoryBlock {
        let bytes = free.withLock { $0.popLast() }
        return MemoryBlock(bytes ?? .allocate(byteCount: blockSize, alignment: 4096), self)
    }

    fileprivate func put(_ bytes: UnsafeMutableRawBufferPointer) { free.withLock { $0.append(bytes) } }
}

extension StoredFile {
    /// Writes what there is of the source at `offset`.
    ///
    /// From a file through a small buffer, which stays in the processor's cache: copy_file_range(2) takes longer, because
    /// inside the kernel it goes through a pipe page by page unless both files can share blocks, which bytes in the middle
    /// of a form never can; so does a mapping, whose pages have to be looked up and let go.
    /// - Throws: also if a source in a file is shorter than it was when it was measured.
    package func write(_ source: Content, at offset: Int) throws(SystemError) {
        var target = offset
        try source.forEachPiece(size: Self.pieceSize) { piece throws(SystemError) in
            try write(piece, at: target)
            target += piece.count
        }
    }

    /// Whether the source's bytes are the same as those at `offset`.
    package func matches(_ source: Content, at offset: Int) throws(SystemError) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 4096)
        defer { buffer.deallocate() }
        var position = offset
        var isSame = true
        try source.forEachPiece(size: Self.pieceSize) { piece throws(SystemError) in
            guard isSame else { return }
            let ours = UnsafeMutableRawBufferPointer(rebasing: buffer[..<piece.count])
            isSame =
                try read(into: ours, at: position) == piece.count
                && memcmp(ours.baseAddress!, piece.baseAddress!, piece.count) == 0
            position += piece.count
        }
        return isSame
    }

    /// The CRC32C of the bytes of `range`, all of which must be there.
    package func crc32c(of range: Range<Int>) throws(SystemError) -> UInt32 {
        var checksum = CRC32C()
        try forEachPiece(of: range) { checksum.update($0) }
        return checksum.value
    }
}
