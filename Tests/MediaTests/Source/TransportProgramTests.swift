import Testing

@testable import Media

@Suite struct TransportProgramTests {
    /// CRC-32 of ISO/IEC 13818-1, annex A.
    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var sum = UInt32.max
        for byte in bytes {
            for bit in (0..<8).reversed() {
                let isOdd = sum >> 31 != UInt32(byte >> UInt8(bit) & 1)
                sum = sum << 1 ^ (isOdd ? 0x04C1_1DB7 : 0)
            }
        }
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
    }

    /// A packet with a whole table.
    private static func table(_ number: Int, kind: UInt8, _ content: [UInt8]) -> [UInt8] {
        let length = 5 + content.count + 4
        var section = [kind, 0xB0 | UInt8(length >> 8), UInt8(length & 0xFF), 0, 1, 0xC1, 0, 0] + content
        section += checksum(section)
        let packet = [0x47, 0x40 | UInt8(number >> 8), UInt8(number & 0xFF), 0x10, 0] + section
        return packet + Array(repeating: 0xFF, count: 188 - packet.count)
    }

    private static func programs(_ tables: Int...) -> [UInt8] {
        table(0, kind: 0, tables.flatMap { [0, 1, 0xE0 | UInt8($0 >> 8), UInt8($0 & 0xFF)] })
    }

    /// - Parameter tracks: the type of each, and its number.
    private static func tracks(_ tracks: [(UInt8, Int)], table number: Int) -> [UInt8] {
        table(
            number, kind: 2,
            [0xE1, 0, 0xF0, 0] + tracks.flatMap { [$0, 0xE0 | UInt8($1 >> 8), UInt8($1 & 0xFF), 0xF0, 0] })
    }

    private static func content(_ number: Int, counter: UInt8) -> [UInt8] {
        [0x47, UInt8(number >> 8), UInt8(number & 0xFF), 0x10 | counter] + Array(repeating: 0, count: 184)
    }

    /// The number of each packet behind the program, and its counter.
    private func follow(_ packets: [[UInt8]], _ program: inout TransportProgram) -> [[Int]] {
        packets.map { packet in
            var packet = packet
            packet.withUnsafeMutableBytes { program.take($0) }
            return [Int(packet[1] & 0x1F) << 8 | Int(packet[2]), Int(packet[3] & 0x0F)]
        }
    }

    @Test("tracks keep the numbers that they have first, and their counters go on; other tables are hidden")
    func numbers() {
        var program = TransportProgram()
        let made = follow(
            [
                Self.programs(0x100), Self.tracks([(0x1B, 0x101), (0x0F, 0x102)], table: 0x100),
                Self.content(0x101, counter: 4), Self.content(0x102, counter: 15),
                Self.programs(0x200), Self.tracks([(0x0F, 0x101), (0x1B, 0x300)], table: 0x200),
                Self.content(0x300, counter: 9), Self.content(0x101, counter: 2), Self.content(0x300, counter: 10),
                Self.programs(0x100), Self.tracks([(0x1B, 0x101), (0x0F, 0x102)], table: 0x100),
                Self.content(0x101, counter: 5),
            ], &program)
        #expect(
            made == [
                [0, 0], [0x100, 0], [0x101, 4], [0x102, 15], [0x1FFF, 0], [0x1FFF, 0], [0x101, 5], [0x102, 0],
                [0x101, 6], [0, 0], [0x100, 0], [0x101, 7],
            ])
        #expect(program.isRenumbered && !program.losesTrack)
    }

    @Test("a stream with two programs at a time is left alone")
    func twoPrograms() {
        var program = TransportProgram()
        let packets = [
            Self.programs(0x100, 0x200), Self.tracks([(0x1B, 0x101)], table: 0x100),
            Self.tracks([(0x1B, 0x201)], table: 0x200), Self.content(0x201, counter: 0),
        ]
        #expect(follow(packets, &program).map { $0[0] } == [0, 0x100, 0x200, 0x201] && !program.isRenumbered)
    }

    @Test("tables that are damaged, or other ones in each packet, cost little and change nothing")
    func hostile() {
        var generator = SystemRandomNumberGenerator()
        var program = TransportProgram()
        func time(_ packets: [[UInt8]]) -> Duration { ContinuousClock().measure { _ = follow(packets, &program) } }
        _ = time([Self.programs(0x100)])
        // Bytes of any kind, with and without a right checksum.
        _ = time(
            (0..<3000).map { number in
                let bytes = (0..<Int.random(in: 0...160, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                var packet = Self.table(0x100, kind: 2, bytes)
                if number % 2 == 0 {
                    for _ in 0..<8 {
                        packet[Int.random(in: 3..<188, using: &generator)] = .random(in: 0...255, using: &generator)
                    }
                }
                return packet
            })
        let changing = (0..<10_000).map { number in
            Self.tracks((0..<30).map { (0x1B, (number * 30 + $0) % 8000 + 0x20) }, table: 0x100)
        }
        let followed = time(Array(changing.prefix(2000)))
        _ = time(changing)
        let left = time(Array(changing.prefix(2000)))
        #expect(left < followed / 2, "\(left) \(followed)")
    }
}
