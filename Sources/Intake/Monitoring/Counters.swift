import Synchronization

/// Numbers that only grow, counted without a lock. Thread-safe.
struct Counters: Sendable {
    private final class Counter: Sendable {
        let value = Atomic(0)
    }

    private let counters: [Counter]

    init(count: Int) { counters = (0..<count).map { _ in Counter() } }

    subscript(index: Int) -> Int { counters[index].value.load(ordering: .relaxed) }

    func add(_ amount: Int = 1, to index: Int) { counters[index].value.add(amount, ordering: .relaxed) }
}

/// How many of some durations were how long. Thread-safe.
final class Histogram: Sendable {
    /// Seconds, upper bounds that are included; what is longer has a number of its own.
    static let bounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
    ]

    // One for each bound, one for what is longer, and the sum in nanoseconds.
    private let counters = Counters(count: bounds.count + 2)

    func add(_ duration: Duration) {
        let seconds = duration / .seconds(1)
        counters.add(to: Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count)
        counters.add(Int(duration / .nanoseconds(1)), to: Self.bounds.count + 1)
    }

    /// How many were at most as long as each bound; the last number is of all.
    var cumulative: [Int] {
        var sum = 0
        return (0...Self.bounds.count).map { index in
            sum += counters[index]
            return sum
        }
    }

    /// Seconds.
    var sum: Double { Double(counters[Self.bounds.count + 1]) / 1e9 }
}
