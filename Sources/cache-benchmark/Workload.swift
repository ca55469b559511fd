import Glibc

/// The keys of the benchmark and the order in which they are asked for, the same in every run and in `Peers.java`.
struct Workload: Sendable {
    /// How often the most popular keys are asked for: the exponent of Zipf's law.
    static let exponent = 0.99

    /// 32 hexadecimal digits each.
    let ids: [String]
    /// Numbers of ids; as many as there are ids, times two.
    let order: [Int32]

    init(count: Int = 16_384) {
        var random = SplitMix64(state: 42)
        ids = (0..<count).map { _ in Self.id(&random) }
        let cumulative = Self.cumulative(count)
        // Which key is popular has nothing to do with when it was stored.
        var places = Array(0..<Int32(count))
        places.shuffle(using: &random)
        order = (0..<2 * count).map { _ in places[Self.rank(cumulative, &random)] }
    }

    /// 32 hexadecimal digits.
    static func id(_ random: inout SplitMix64) -> String {
        // Not by appending, which would leave the string with more memory than it needs.
        String(decoding: Array((digits(random.next()) + digits(random.next())).utf8), as: UTF8.self)
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// The probability of the first key, of the first two, and so on.
    static func cumulative(_ count: Int) -> [Double] {
        var sums: [Double] = []
        var sum = 0.0
        for rank in 1...count {
            sum += 1 / pow(Double(rank), exponent)
            sums.append(sum)
        }
        return sums.map { $0 / sum }
    }

    /// Draws a rank; 0 is the most popular.
    static func rank(_ cumulative: [Double], _ random: inout SplitMix64) -> Int {
        let drawn = random.unit()
        var (low, high) = (0, cumulative.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] < drawn { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// A small generator that is easily written the same way in another language: https://prng.di.unimi.it/splitmix64.c
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number of 0 ..< 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
