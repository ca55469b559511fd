/// MPEG-TS and MPEG-PS: ISO/IEC 13818-1 sections 2.4.3 and 2.5.3, ISO/IEC 11172-1 section 2.4.3.
extension FileHead {
    // MARK: - Transport streams

    /// Packets in a row that make a transport stream.
    private static let packetCount = 5

    /// Bytes from one packet to the next: as they are, with a time before each (M2TS), with a check sum behind each.
    private static let packetLengths = [188, 192, 204]

    /// Whether packets follow each other from one of these offsets on.
    func isMPEGTS(from offsets: some Sequence<Int>) -> Bool {
        offsets.contains { first in
            isPacket(at: first)
                && Self.packetLengths.contains { length in
                    (1..<Self.packetCount).allSatisfy { isPacket(at: first + $0 * length) }
                }
        }
    }

    /// The sync byte, and a header that is not reserved: a packet without adaptation field and payload is a null packet.
    private func isPacket(at offset: Int) -> Bool {
        guard offset + 4 <= bytes.count, bytes[offset] == 0x47 else { return false }
        let isNull = bytes[offset + 1] & 0x1F == 0x1F && bytes[offset + 2] == 0xFF
        return isNull || bytes[offset + 3] & 0x30 != 0
    }

    // MARK: - Program streams

    /// A pack at the beginning.
    var isMPEGPS: Bool { packLength(at: 0) != nil }

    /// Pack headers and packets, three in a row, further on: recorders begin in the middle of one, and some write few pack
    /// headers.
    var hasPackets: Bool {
        bytes.indices.contains { first in
            var offset = first
            for _ in 0..<2 {
                guard let length = packLength(at: offset) ?? packetLength(at: offset) else { return false }
                offset += length
            }
            return packLength(at: offset) ?? packetLength(at: offset) != nil
        }
    }

    /// The bytes of the pack header that starts at `offset`, of MPEG-2 or MPEG-1.
    private func packLength(at offset: Int) -> Int? {
        guard has([0, 0, 1, 0xBA], at: offset), bytes.count > offset + 13 else { return nil }
        if bytes[offset + 4] & 0xC0 == 0x40 { return 14 + Int(bytes[offset + 13] & 7) }
        return bytes[offset + 4] & 0xF0 == 0x20 ? 12 : nil
    }

    /// The bytes of the packet, of any stream, that starts at `offset`.
    private func packetLength(at offset: Int) -> Int? {
        guard has([0, 0, 1], at: offset), let length = number(at: offset + 4, bytes: 2), bytes[offset + 3] >= 0xBB
        else {
            return nil
        }
        return 6 + Int(length)
    }

    /// A stream of H.264, H.265 or MPEG pictures without a container: a start code, and a unit that may be the first.
    var isElementaryStream: Bool {
        let start = has([0, 0, 1]) ? 3 : has([0, 0, 0, 1]) ? 4 : 0
        guard start > 0, bytes.count > start + 1 else { return false }
        let (first, second) = (bytes[start], bytes[start + 1])
        // The first of: MPEG-1 and 2, MPEG-4 part 2; H.264: delimiter, parameters; H.265: the same.
        return first == 0xB3 || first == 0xB0 || first == 0xB5
            || first & 0x80 == 0 && [6, 7, 9].contains(first & 0x1F)
            || [0x40, 0x42, 0x44, 0x46].contains(first) && second == 1
    }
}
