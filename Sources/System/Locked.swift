import Foundation

/// A value behind a lock.
///
/// Not `Mutex`: on Linux it hands a contended lock over in the kernel, where ThreadSanitizer does not see it.
@usableFromInline package final class Locked<Value>: @unchecked Sendable {
    // SAFETY: `lock` guards `value`.
    @usableFromInline let lock = NSLock()
    @usableFromInline var value: Value

    @inlinable package init(_ value: Value) {
        self.value = value
    }

    @inlinable package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}

/// A value behind a lock, and the threads that wait until it has changed. Thread-safe.
///
/// A change that others wait for is followed by `broadcast` or `signal`, with the lock or without it. The closures
/// run with the lock: they are short, do no I/O and use the monitor for nothing but these two.
package final class Monitor<Value>: @unchecked Sendable {
    // SAFETY: `condition` guards `value`.
    private let condition = NSCondition()
    private var value: Value

    package init(_ value: Value) {
        self.value = value
    }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        condition.lock()
        defer { condition.unlock() }
        return try body(&value)
    }

    /// Waits until `body`, which is asked at once and after each change, has a result.
    package func wait<Result>(for body: (inout Value) throws -> Result?) rethrows -> Result {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = try body(&value) { return result }
            condition.wait()
        }
    }

    /// The same, up to `deadline`. Then it is the result of `otherwise`, which nothing comes before.
    package func wait<Result>(
        until deadline: Date, for body: (inout Value) -> Result?, otherwise: (inout Value) -> Result
    ) -> Result {
        condition.lock()
        defer { condition.unlock() }
        var isInTime = true
        while true {
            if let result = body(&value) { return result }
            guard isInTime else { return otherwise(&value) }
            isInTime = condition.wait(until: deadline)
        }
    }

    /// Has all threads that wait ask again.
    package func broadcast() { condition.broadcast() }

    /// Has one of them ask again.
    package func signal() { condition.signal() }
}
