import Foundation

/// Tells threads to end. Thread-safe.
package final class StopSignal: @unchecked Sendable {
    // SAFETY: `condition` guards `isSet`.
    private let condition = NSCondition()
    private var isSet = false

    package init() {}

    package var isStopped: Bool { condition.withLock { isSet } }

    package func stop() {
        condition.withLock {
            isSet = true
            condition.broadcast()
        }
    }

    /// Waits so many seconds, or until it is to stop. Returns whether it is to go on.
    package func wait(_ seconds: Double) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        return condition.withLock {
            while !isSet, condition.wait(until: end) {}
            return !isSet
        }
    }
}
