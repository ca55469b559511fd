import ChunkStore
import Testing
import TestSupport

@Suite struct CRC32CTests {
    private func checksum(_ bytes: [UInt8], usesInstruction: Bool, cut: Int = 0) -> UInt32 {
        var checksum = CRC32C(usesInstruction: usesInstruction)
        bytes[..<cut].withUnsafeBytes { checksum.update($0) }
        bytes[cut...].withUnsafeBytes { checksum.update($0) }
        return checksum.value
    }

    /// RFC 3720, B.4, and the check value of the catalogue of CRC algorithms.
    @Test("known checksums come out, with the instruction and without", arguments: [true, false])
    func known(usesInstruction: Bool) {
        #expect(checksum(Array("123456789".utf8), usesInstruction: usesInstruction) == 0xE306_9283)
        #expect(checksum(Array(repeating: 0, count: 32), usesInstruction: usesInstruction) == 0x8A91_36AA)
        #expect(checksum(Array(repeating: 0xFF, count: 32), usesInstruction: usesInstruction) == 0x62A8_AB43)
        #expect(checksum(Array(0..<32), usesInstruction: usesInstruction) == 0x46DD_794E)
        #expect(checksum([], usesInstruction: usesInstruction) == 0)
    }

    @Test("pieces of any length and place in memory give the checksum of the whole")
    func pieces() {
        let bytes = videoBytes(100_000)
        let whole = checksum(bytes, usesInstruction: false)
        for cut in [0, 1, 7, 8, 9, 63, 64, 999, 24_575, 24_576, 24_577, 75_425, 99_999, 100_000] {
            #expect(checksum(bytes, usesInstruction: true, cut: cut) == whole, "\(cut)")
        }
    }
}
