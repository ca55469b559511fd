import Synchronization
import Testing

@testable import LoadingCache

@Suite struct SegmentLockTests {
    /// More threads than processors, so that holders lose the processor and waiters sleep
    @Test func onlyOneThreadHoldsTheLockAndNobodyIsLeftAsleep() throws {
        let shared = Shared()
        let rounds = 20_000
        _ = try onThreads(16) { _ in
            for _ in 0..<rounds {
                _ = shared.lock.lock()
                shared.counter += 1
                shared.lock.unlock()
            }
        }
        #expect(shared.counter == 16 * rounds)
    }

    @Test func aHeldLockIsNotTakenAgain() {
        let shared = Shared()
        #expect(shared.lock.tryLock())
        #expect(!shared.lock.tryLock())
        shared.lock.unlock()
        #expect(shared.lock.lock())
        shared.lock.unlock()
    }

    private final class Shared: @unchecked Sendable {
        // SAFETY: `lock` guards `counter`.
        private let word = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 2)
        let lock: SegmentLock
        var counter = 0

        init() {
            SegmentLock.initialize(word)
            lock = SegmentLock(word)
        }

        deinit { word.deallocate() }
    }
}
