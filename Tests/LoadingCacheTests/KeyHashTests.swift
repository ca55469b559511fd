import Testing

@testable import LoadingCache

@Suite struct KeyHashTests {
    private let hasher = KeyHash()

    /// Every length around the words, the blocks and the limit of the fast path
    @Test(arguments: 0...70) func everyByteOfATextCounts(_ length: Int) {
        let text = Array(repeating: UInt8(ascii: "a"), count: length)
        var seen: Set<UInt64> = [hasher.hash(String(decoding: text, as: UTF8.self))]
        for position in 0..<length {
            var changed = text
            changed[position] = UInt8(ascii: "b")
            seen.insert(hasher.hash(String(decoding: changed, as: UTF8.self)))
        }
        #expect(seen.count == length + 1)
    }

    @Test func textsOfDifferentLengthsDiffer() {
        let hashes = (0...100).map { hasher.hash(String(repeating: "\0", count: $0)) }
        #expect(Set(hashes).count == 101)
    }

    /// Swift compares by canonical equivalence, so equal strings may have different bytes
    @Test(arguments: [
        ("K", "\u{212A}"), (";", "\u{37E}"), ("`", "\u{1FEF}"), ("xKy;z`", "x\u{212A}y\u{37E}z\u{1FEF}"),
        ("caf\u{E9}", "cafe\u{301}"), ("K\u{E9}", "\u{212A}e\u{301}"), ("\u{C5}", "\u{212B}"),
    ])
    func equalTextsHaveEqualHashes(_ left: String, _ right: String) throws {
        for repetitions in [1, 3, 20, 63, 64, 65, 200] {
            let (left, right) = (
                String(repeating: left, count: repetitions), String(repeating: right, count: repetitions)
            )
            #expect(left == right)
            #expect(hasher.hash(left) == hasher.hash(right))
        }
        let cache = Cache<String, Int>(try CacheConfiguration())
        cache.put(left, 1)
        #expect(cache.getIfPresent(right) == 1)
    }

    /// That there are no more than the three that `KeyHash` names, in the Unicode of this standard library
    @Test func threeCharactersOutsideASCIIEqualOneInsideIt() {
        let ascii = Set((0..<128).map { String(Unicode.Scalar($0)!) })
        let others = (UInt32(128)...0x10FFFF).compactMap(Unicode.Scalar.init).filter { ascii.contains(String($0)) }
        #expect(others.map(\.value) == [0x37E, 0x1FEF, 0x212A])
    }

    /// Segments by the high bits, cells by the low ones: both must spread
    @Test func idsSpreadOverSegmentsAndCells() {
        var (segments, cells) = (Array(repeating: 0, count: 64), Array(repeating: 0, count: 64))
        for number in 0..<64_000 {
            let hash = hasher.hash("0000000000000000000000000" + String(1_000_000 + number))
            segments[Int(hash >> 48) & 63] += 1
            cells[Int(truncatingIfNeeded: hash) & 63] += 1
        }
        // 1000 expected, with a standard deviation of 31.
        #expect(segments.allSatisfy { (700...1300).contains($0) } && cells.allSatisfy { (700...1300).contains($0) })
    }

    @Test func everyCacheHasItsOwnSecret() {
        #expect(KeyHash().hash("a") != KeyHash().hash("a"))
        #expect(KeyHash().hash(1) != KeyHash().hash(1))
    }
}
