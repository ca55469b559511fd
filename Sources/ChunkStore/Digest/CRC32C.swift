import CDigest

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
    package init(usesInstruction: Bool = true) {
        self.usesInstruction = usesInstruction && Self.hasInstruction
    }

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
