/// When an event is tried again that could not be delivered.
package struct RetrySchedule: Sendable {
    /// Seconds after the first, second, … attempt; the last one holds for all that follow.
    private let delays: [Int64]

    /// - Parameter delays: at least one.
    package init(_ delays: [Int64] = [5, 15, 60, 5 * 60, 15 * 60, 3600]) {
        self.delays = delays
    }

    /// Seconds until the next attempt, at least 1.
    ///
    /// - Parameters:
    ///   - attempts: how many there were, at least 1.
    ///   - jitter: from -1 to 1, for 20 % less to 20 % more, so that what failed together is not tried together.
    package func delay(after attempts: Int, jitter: Double) -> Int64 {
        let delay = Double(delays[min(attempts, delays.count) - 1])
        return max(1, Int64((delay * (1 + 0.2 * jitter)).rounded()))
    }
}
