import Synchronization
import System

/// What this process has counted since it started. Thread-safe, without a lock on the way of a request.
final class Metrics: Sendable {
    /// Seconds since 1970.
    let startTime: Int64
    let receivedBodyBytes = Atomic(0)
    /// Requests of upload_file that were answered with code 2, and those with code 1.
    let chunkSeconds = Histogram()
    let completionSeconds = Histogram()
    let syncFailures = Atomic(0)
    let lostFiles = Atomic(0)
    /// Unfinished uploads that gave way to those of other clients, and those whose life was over.
    let evictedUploads = Atomic(0)
    let expiredUploads = Atomic(0)

    private let requests = Counters(count: Action.allCases.count * outcomes.count)
    private let lost: Locked<Set<String>> = Locked([])

    /// How a request ends: code 1, code 2, a reason with its row's code, or one that may come again for now.
    private static let outcomes: [(code: Int, reason: FailureReason?)] =
        [(1, nil), (2, nil)] + FailureReason.allCases.map { ($0.row.code, $0) }
        + [(FailureReason.retry.row.code, .diskFull)]

    /// Files whose loss is remembered, so that it counts once however often it is asked for.
    private static let lostLimit = 10_000

    init(startTime: Int64) { self.startTime = startTime }

    func count(_ action: Action, _ reply: Reply, after duration: Duration) {
        let outcome = Self.outcomes.firstIndex { $0 == (reply.code, reply.reason) } ?? 0
        requests.add(to: Self.index(action, outcome))
        guard action == .uploadFile else { return }
        if reply.code == 2 { chunkSeconds.add(duration) } else if reply.code == 1 { completionSeconds.add(duration) }
    }

    /// Returns whether it was not known yet that this file is lost.
    func noteLost(_ path: String) -> Bool {
        let isNew = lost.withLock { lost in
            if lost.count >= Self.lostLimit { lost = [] }
            return lost.insert(path).inserted
        }
        if isNew { lostFiles.add(1, ordering: .relaxed) }
        return isNew
    }

    /// Requests by action, code and reason: those of upload_file that there can be, and of the rest those that there were.
    var requestCounts: [(action: Action, code: Int, reason: FailureReason?, count: Int)] {
        Action.allCases.flatMap { action in
            Self.outcomes.indices.compactMap { outcome in
                let (code, reason) = Self.outcomes[outcome]
                let count = requests[Self.index(action, outcome)]
                // A number that is there from the start can be seen to grow when it becomes 1.
                let canBe = action == .uploadFile && reason.map { !FailureReason.ofWebServer.contains($0) } ?? true
                guard count > 0 || canBe else { return nil }
                return (action, code, reason, count)
            }
        }
    }

    private static func index(_ action: Action, _ outcome: Int) -> Int {
        Action.allCases.firstIndex(of: action)! * outcomes.count + outcome
    }
}

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
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

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
