import Foundation

/// A value behind a lock that, unlike the product's, has no place in the order of locks: a test may hold it while it uses the
/// product. Thread-safe.
package final class Locked<Value>: @unchecked Sendable {
    // SAFETY: `lock` guards `value`.
    private let lock = NSLock()
    private var value: Value

    package init(_ value: Value) { self.value = value }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
