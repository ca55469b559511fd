import Foundation

/// A value behind a lock.
///
/// Not `Mutex`: on Linux it hands a contended lock over in the kernel, where ThreadSanitizer does not see it.
package final class Locked<Value>: @unchecked Sendable {
    // SAFETY: `lock` guards `value`.
    private let lock = NSLock()
    private var value: Value

    package init(_ value: Value) {
        self.value = value
    }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
