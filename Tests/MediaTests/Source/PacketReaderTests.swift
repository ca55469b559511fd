import Testing

@testable import Media

@Suite struct PacketReaderTests {
    private func read(_ text: String, pieces: Int = 1) -> [Packet] {
        var reader = PacketReader()
        var packets: [Packet] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: max(1, bytes.count / pieces)) {
            bytes[start..<min(bytes.count, start + max(1, bytes.count / pieces))].withUnsafeBytes {
                reader.read($0) { packets.append($0) }
            }
        }
        reader.finish { packets.append($0) }
        return packets
    }

    @Test("packets are read as ffprobe writes them, in whatever pieces", arguments: [1, 3, 100])
    func packets(pieces: Int) {
        let packets = read(
            """
            1,-0.021333,-0.021333,0.021333,212,1077,KD,Encryption info
            Skip Samples

            0,0.040000,N/A,N/A,7534,N/A,__
            0,3.018000,3.000000,0.040000,99,2000,K_,New Extradata

            0,3.118000,3.100000,0.040000,99,3000,_C
            """, pieces: pieces)
        #expect(packets.count == 4)
        #expect(
            packets[0]
                == Packet(
                    stream: 1, time: -0.021333, decodingTime: -0.021333, duration: 0.021333, size: 212, position: 1077,
                    isKey: true, isDiscarded: true, isEncrypted: true))
        #expect(packets[1] == Packet(stream: 0, time: 0.04, decodingTime: nil, size: 7534))
        #expect(packets[2].hasNewParameters && packets[2].isKey && packets[2].decodingTime == 3)
        #expect(packets[2].position == 2000)
        #expect(packets[3].isCorrupt && !packets[3].hasNewParameters)
    }

    @Test("nonsense makes no packet, and no memory")
    func nonsense() {
        #expect(read("\n,,,,\nabc\n1\n").isEmpty)
        #expect(read(String(repeating: "9", count: 1 << 20)).isEmpty)
        #expect(read("0,1e9,--1,1.2.3,99999999999999999999,-1,K\n") == [Packet(stream: 0, size: 0, isKey: true)])
    }
}
