import CPlatform

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

    /// - Parameter usesInstruction: `false` computes without the instruction, which a test compares.
    package init(usesInstruction: Bool = true) {
        self.usesInstruction = usesInstruction && Self.hasInstruction
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        if usesInstruction {
            register = vi_crc32c(register, bytes.baseAddress, bytes.count)
        } else {
            for byte in bytes { register = Self.table[Int((register ^ UInt32(byte)) & 0xFF)] ^ register >> 8 }
        }
    }

    /// The checksum of everything so far.
    package var value: UInt32 { ~register }
}
