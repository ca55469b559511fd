import Foundation

/// How many pictures a second a stream gets: a constant number, so that no picture is missing in it for long.
struct Cadence: Equatable, Sendable, CustomStringConvertible {
    let numerator: Int
    let denominator: Int

    /// Pictures per second.
    var rate: Double { Double(numerator) / Double(denominator) }

    /// As ffmpeg reads it, like `30000/1001`.
    var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }

    /// Pictures a second at most, and at least: a player stands still where none comes for more than half a second.
    static let most = Cadence(60, 1)
    static let least = Cadence(4, 1)

    init(_ numerator: Int, _ denominator: Int) {
        self.numerator = numerator
        self.denominator = denominator
    }

    /// What cameras, recorders and editors make.
    private static let usual = [
        Cadence(5, 1), Cadence(10, 1), Cadence(12, 1), Cadence(25, 2), Cadence(15, 1), Cadence(20, 1),
        Cadence(24_000, 1001), Cadence(24, 1), Cadence(25, 1), Cadence(30_000, 1001), Cadence(30, 1), Cadence(48, 1),
        Cadence(50, 1), Cadence(60_000, 1001), Cadence(60, 1),
    ]
    /// How far one may be from the measured one. 24 and 24000/1001 are 0.1 % apart.
    private static let tolerance = 0.0004
    /// How far it may be where times are in milliseconds, as in FLV and Matroska.
    private static let roughTolerance = 0.02

    /// Which part of the pictures must follow each other faster than the usual ones, and in what part of the usual time, for
    /// their cadence to be that of all: a demonstration after slides. Others are bursts of a few, or the jitter of a clock.
    private static let fasterShare = 0.1
    private static let faster = 0.55

    /// The cadence of a track: of the intervals that are usual in it, not of its average, which gaps make smaller.
    ///
    /// - Parameters:
    ///   - intervals: how often each interval between pictures occurs, by its length in 0.1 ms.
    ///   - average: pictures per second that the file announces, `nil` if unknown.
    init(intervals: [Int: Int], announced: Double?) {
        let total = intervals.values.reduce(0, +)
        guard total > 0 else {
            self = announced.map { Self.nearest($0, within: Self.roughTolerance) } ?? Cadence(25, 1)
            return
        }
        // The interval that half of the pictures do not exceed: drops are longer, and bursts of a few are shorter.
        let sorted = intervals.sorted { $0.key < $1.key }
        var median = Self.median(sorted)
        while true {
            let shorter = sorted.filter { Double($0.key) < Self.faster * Double(median) }
            guard Double(shorter.reduce(0) { $0 + $1.value }) >= Self.fasterShare * Double(total) else { break }
            median = Self.median(shorter)
        }
        // The average of those beside it: a clock of milliseconds has 33 and 34 for 30 a second.
        let near = sorted.filter { abs($0.key - median) <= 11 + median / 50 }
        let count = near.reduce(0) { $0 + $1.value }
        let sum = near.reduce(0.0) { $0 + Double($1.key) * Double($1.value) }
        let rate = 10_000 * Double(count) / max(sum, 1)
        // What is announced is exact where it is usual, like 24000/1001, and else an average.
        if let announced, abs(announced / rate - 1) < Self.roughTolerance,
            let usual = Self.usual.first(where: { abs($0.rate / announced - 1) <= Self.tolerance })
        {
            self = usual
        } else {
            self = Self.nearest(rate, within: Self.roughTolerance)
        }
    }

    /// The interval that half of the pictures do not exceed.
    private static func median(_ sorted: [(key: Int, value: Int)]) -> Int {
        let total = sorted.reduce(0) { $0 + $1.value }
        var seen = 0
        for (interval, count) in sorted {
            seen += count
            if 2 * seen >= total { return interval }
        }
        return 0
    }

    private static func nearest(_ rate: Double, within tolerance: Double) -> Cadence {
        if rate >= most.rate { return most }
        if rate <= least.rate { return least }
        let usual = usual.min { abs($0.rate / rate - 1) < abs($1.rate / rate - 1) }!
        if abs(usual.rate / rate - 1) <= tolerance { return usual }
        return Cadence(Int((rate * 1000).rounded()), 1000)
    }
}
