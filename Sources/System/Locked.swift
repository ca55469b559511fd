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
