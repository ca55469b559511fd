import System

/// Which of many like refusals are logged: of each reason at most one in some time, with how many there were since the
/// last one.
///
/// Thread-safe.
final class RefusalLog: Sendable {
    /// The reasons that concern the operator, and that a full disk brings by the thousand.
    static let reasons: Set<FailureReason> = [.diskFull, .quota]

    private struct Count {
        var refused = 0
        /// Seconds since 1970; `nil` if none was logged yet.
        var lastLogged: Int64?
        /// When the last one was, seconds since 1970.
        var last: Int64 = 0
    }

    private let interval: Int64
    private let clock: @Sendable () -> Int64
    private let counts: Locked<[FailureReason: Count]> = Locked([:])

    /// - Parameters:
    ///   - interval: seconds between two lines.
    ///   - clock: seconds since 1970.
    init(interval: Int64 = 60, clock: @escaping @Sendable () -> Int64) {
        self.interval = interval
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
    func overdue() -> [(reason: FailureReason, refused: Int)] {
        counts.withLock { counts in
            FailureReason.allCases.compactMap { reason in take(reason, &counts).map { (reason, $0) } }
        }
    }

    private func take(_ reason: FailureReason, _ counts: inout [FailureReason: Count]) -> Int? {
        guard let count = counts[reason], count.refused > 0 else { return nil }
        let now = clock()
        // A clock that was set back must not keep it silent.
        if let last = count.lastLogged, last <= now, now - last < interval { return nil }
        counts[reason] = Count(lastLogged: now, last: count.last)
        return count.refused
    }
}
