import Foundation
import System

/// Tells threads to end. Thread-safe.
package final class StopSignal: Sendable {
    private let isSet = Monitor(false)

    package init() {}

    package var isStopped: Bool { isSet.withLock(\.self) }

    package func stop() {
        isSet.withLock { $0 = true }
        isSet.broadcast()
    }

    /// Waits up to `seconds`, or until it is to stop. Returns whether to go on.
    package func wait(_ seconds: Double) -> Bool {
        isSet.wait(until: Date(timeIntervalSinceNow: seconds)) {
            $0 ? false : nil
        } otherwise: { _ in
            true
        }
    }
}
