import CDigest
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

// MARK: - Digest and checksum

/// A running CRC32C: the checksum that is kept beside each chunk, to tell after power loss whether its bytes are there.
///
/// The processor's own instruction where there is one (x86-64 since 2008), a table elsewhere.
/// https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4
package struct CRC32C: Sendable {
    private var register: UInt32 = ~0
    private let usesInstruction: Bool

    private static let hasInstruction = vi_has_crc32c() != 0

    /// The instruction's polynomial, bits reversed.
    private static let polynomial: UInt32 = 0x82F6_3B78

    /// What one byte does to the register.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ polynomial }
    }

    /// What a zero byte does to a register.
    private static func step(_ register: UInt32) -> UInt32 { table[Int(register & 0xFF)] ^ register >> 8 }

    /// Bytes of each of three parts whose checksums are computed at once and then put together.
    private static let stride = 8192

    /// What `stride` zero bytes do to a register, for each value of each of its bytes. The checksum is linear: the
    /// effect of a register is that of its bytes together. (Mark Adler, https://stackoverflow.com/a/17646775)
    private static let strideTables: [UInt32] = (0..<4).flatMap { position in
        (0..<256).map { value in
            (0..<stride).reduce(UInt32(value) << (8 * position)) { register, _ in step(register) }
        }
    }

    private static func overStride(_ register: UInt32) -> UInt32 {
        strideTables[Int(register & 0xFF)] ^ strideTables[256 + Int(register >> 8 & 0xFF)]
            ^ strideTables[512 + Int(register >> 16 & 0xFF)] ^ strideTables[768 + Int(register >> 24)]
    }

    /// - Parameter usesInstruction: `false` computes without the instruction, which a test compares.
    package init(usesInstruction: Bool = true) { self.usesInstruction = usesInstruction && Self.hasInstruction }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard usesInstruction else {
            for byte in bytes { register = Self.step(register ^ UInt32(byte)) }
            return
        }
        var rest = bytes
        while rest.count >= 3 * Self.stride {
            var registers = [register, 0, 0]
            vi_crc32c_three(&registers, rest.bindMemory(to: UInt8.self).baseAddress, Self.stride)
            register = Self.overStride(Self.overStride(registers[0]) ^ registers[1]) ^ registers[2]
            rest = UnsafeRawBufferPointer(rebasing: rest[(3 * Self.stride)...])
        }
        register = vi_crc32c(register, rest.bindMemory(to: UInt8.self).baseAddress, rest.count)
    }

    /// The checksum of everything so far.
    package var value: UInt32 { ~register }
}

/// A running MD5 digest. https://www.rfc-editor.org/rfc/rfc1321
package struct MD5Digest: Sendable {
    private var state = vi_md5()

    package init() { reset() }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        vi_md5_update(&state, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    }

    /// Forgets everything so far.
    package mutating func reset() { vi_md5_begin(&state) }

    /// The digest of everything so far as 32 lower-case hexadecimal digits; begins anew.
    package mutating func finish() -> String {
        var digest: [UInt8] = Array(repeating: 0, count: 16)
        vi_md5_end(&state, &digest)
        reset()
        return digest.hexadecimal
    }
}

// MARK: - Several at once

extension MD5Digest {
    /// Bytes that MD5 takes at a time.
    package static let blockSize = vi_md5_block

    /// How many digests `update(_:_:count:)` takes.
    package static let lanes = vi_md5_lanes

    /// Continues several digests by the same number of bytes each: much faster than one after the other.
    /// - Parameters:
    ///   - digests: at most `lanes`.
    ///   - bytes: where each one's bytes are.
    package static func update(_ digests: inout [MD5Digest], _ bytes: [UnsafeRawPointer], count: Int) {
        precondition(digests.count <= lanes && digests.count == bytes.count)
        var states = digests.map(\.state)
        let sources = bytes.map { Optional($0.assumingMemoryBound(to: UInt8.self)) }
        vi_md5_update_several(&states, states.count, sources, count)
        for index in digests.indices { digests[index].state = states[index] }
    }
}
