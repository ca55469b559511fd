import Foundation
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

/// Memory for a request's body, given back to its pool when nobody needs it any more.
package final class MemoryBlock: Sendable {
    // SAFETY: whoever fills it does so before anybody else has it.
    package nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer
    private let pool: MemoryPool

    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer, _ pool: MemoryPool) {
        self.bytes = bytes
        self.pool = pool
    }

    deinit {
        pool.put(bytes)
    }
}

/// Blocks of one size that are used again and again: new memory would have to be cleared by the kernel each time.
///
/// There are as many as were needed at once. Only what is written to takes memory. Thread-safe.
package final class MemoryPool: Sendable {
    /// Bytes.
    package let blockSize: Int

    private let free: Locked<[UnsafeMutableRawBufferPointer]> = Locked([])

    package init(blockSize: Int) {
        self.blockSize = blockSize
    }

    deinit {
        free.withLock { $0.forEach { $0.deallocate() } }
    }

    package func take() -> MemoryBlock {
        let bytes = free.withLock { $0.popLast() }
        return MemoryBlock(bytes ?? .allocate(byteCount: blockSize, alignment: 4096), self)
    }

    fileprivate func put(_ bytes: UnsafeMutableRawBufferPointer) {
        free.withLock { $0.append(bytes) }
    }
}
