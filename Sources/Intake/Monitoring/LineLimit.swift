import System

/// Limits the log lines of one kind that clients can cause: a few a minute; the next one tells how many there were
/// without. Thread-safe.
final class LineLimit: Sendable {
    private struct State {
        /// When this minute began, seconds since 1970.
        var start: Int64 = 0
        var lines = 0
        /// Without a line.
        var left = 0
    }

    private static let interval: Int64 = 60
    private let limit: Int
    private let clock: @Sendable () -> Int64
    private let state: Locked<State> = Locked(State())

    init(_ limit: Int = 10, clock: @escaping @Sendable () -> Int64) {
        self.limit = limit
        self.clock = clock
    }

    /// How many there were since the last line, this one included; `nil` if there is to be no line.
    func take() -> Int? {
        let now = clock()
        return state.withLock { state in
            // A clock that was set back must not keep it silent.
            if state.start > now || now - state.start >= Self.interval { (state.start, state.lines) = (now, 0) }
            state.left += 1
            guard state.lines < limit else { return nil }
            state.lines += 1
            defer { state.left = 0 }
            return state.left
        }
    }
}
