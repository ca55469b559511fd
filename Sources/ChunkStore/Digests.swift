import CDigest
import System

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
