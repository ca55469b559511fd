import ChunkStore
/// What waits until a file is followed closely enough. Guarded by who has it.
struct LagWaiters {
    private var waiting: [(number: Int, lag: Int, body: @Sendable () -> Void)] = []
    private var lastNumber = 0

    /// - Parameter lag: bytes that may be left to read.
    /// - Returns: its number.
    mutating func add(_ lag: Int, _ body: @escaping @Sendable () -> Void) -> Int {
        lastNumber += 1
        waiting.append((lastNumber, lag, body))
        return lastNumber
    }

    /// Takes the waiters whose lag, in bytes, is reached.
    mutating func take(left: Int) -> [@Sendable () -> Void] {
        defer { waiting.removeAll { $0.lag >= left } }
        return waiting.filter { $0.lag >= left }.map(\.body)
    }

    /// Takes one by its number, `nil` if it is taken already.
    mutating func take(_ number: Int) -> (@Sendable () -> Void)? {
        waiting.firstIndex { $0.number == number }.map { waiting.remove(at: $0).body }
    }
}
