import Foundation
import System
import Testing

@Suite struct MonitorTests {
    @Test("who waits goes on once somebody has changed what it waits for")
    func change() {
        let (number, seen) = (Monitor(0), Monitor<Int?>(nil))
        Thread.detachNewThread {
            let result = number.wait { $0 >= 3 ? $0 * 10 : nil }
            seen.withLock { $0 = result }
            seen.broadcast()
        }
        for _ in 0..<3 {
            number.withLock { $0 += 1 }
            number.broadcast()
        }
        #expect(seen.wait { $0 } == 30)
    }

    @Test("of several that wait each gets one of what is there")
    func turns() {
        let (items, taken) = (Monitor([Int]()), Monitor(Set<Int>()))
        for _ in 0..<4 {
            Thread.detachNewThread {
                let item = items.wait { $0.popLast() }
                taken.withLock { _ = $0.insert(item) }
                taken.broadcast()
            }
        }
        for item in 0..<4 {
            items.withLock { $0.append(item) }
            items.signal()
        }
        #expect(taken.wait { $0.count == 4 ? $0 : nil } == [0, 1, 2, 3])
    }

    @Test("after the deadline comes the other result, which may change the value")
    func deadline() {
        let number = Monitor(1)
        let start = ContinuousClock.now
        let result = number.wait(until: Date(timeIntervalSinceNow: 0.05)) {
            $0 == 2 ? "there" : nil
        } otherwise: {
            $0 = 3
            return "late"
        }
        #expect(result == "late" && number.withLock(\.self) == 3)
        #expect(ContinuousClock.now - start >= .milliseconds(40))
        let there = number.wait(until: .distantPast) {
            $0 == 3 ? "there" : nil
        } otherwise: { _ in
            "late"
        }
        #expect(there == "there")
    }
}
