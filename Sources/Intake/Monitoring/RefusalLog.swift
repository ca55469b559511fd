import System

/// Limits the log lines of refusals for each reason and interval; a line has the number since the last one.
/// Without a bound a client that sends nonsense fills the disk of the log.
///
/// Thread-safe.
final class RefusalLog: Sendable {
    /// The reasons that concern the operator, and that a full disk brings by the thousand.
    static let reasons: Set<FailureReason> = [.diskFull, .quota]

    private struct Count {
        var refused = 0
        /// When the first line of this interval was written, seconds since 1970; `nil` if none was yet.
        var start: Int64?
        /// Lines of this interval.
        var lines = 0
        /// When the last refusal was, seconds since 1970.
        var last: Int64 = 0
    }

    private let interval: Int64
    private let lineLimit: Int
    private let clock: @Sendable () -> Int64
    private let counts: Locked<[FailureReason: Count]> = Locked([:])

    /// - Parameters:
    ///   - interval: seconds.
    ///   - lineLimit: lines of a reason in each interval; of those in `reasons` there is one.
    ///   - clock: seconds since 1970.
    init(interval: Int64 = 60, lineLimit: Int = 60, clock: @escaping @Sendable () -> Int64) {
        self.interval = interval
        self.lineLimit = lineLimit
        self.clock = clock
    }

    /// Notes a refusal. Returns how many there were since the last line, this one included, if a line is due.
    func note(_ reason: FailureReason) -> Int? {
        counts.withLock { counts in
            counts[reason, default: Count()].refused += 1
            counts[reason]!.last = clock()
            return take(reason, &counts)
        }
    }

    /// When a request was last refused, by reason; seconds since 1970, 0 for never.
    var times: [(reason: FailureReason, time: Int64)] {
        counts.withLock { counts in
            FailureReason.allCases.filter(Self.reasons.contains).map { ($0, counts[$0]?.last ?? 0) }
        }
    }

    /// The refusals that no line has told of yet though one is due.
    ///
    /// - Parameter all: also those for which none is due.
    func overdue(all: Bool = false) -> [(reason: FailureReason, refused: Int)] {
        counts.withLock { counts in
            FailureReason.allCases.compactMap { reason in
                if all { counts[reason]?.start = nil }
                return take(reason, &counts).map { (reason, $0) }
            }
        }
    }

    private func take(_ reason: FailureReason, _ counts: inout [FailureReason: Count]) -> Int? {
        guard var count = counts[reason], count.refused > 0 else { return nil }
        let now = clock()
        // A clock that was set back must not keep it silent.
        let isOver = count.start.map { $0 > now || now - $0 >= interval } ?? true
        if isOver { (count.start, count.lines) = (now, 0) }
        guard count.lines < (Self.reasons.contains(reason) ? 1 : lineLimit) else { return nil }
        let refused = count.refused
        count.refused = 0
        count.lines += 1
        counts[reason] = count
        return refused
    }
}
