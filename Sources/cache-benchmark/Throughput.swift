import Foundation
import Synchronization

/// What the threads of a cell do.
enum Mode: String, CaseIterable {
    case read
    /// Every fourth operation writes.
    case mixed
    case write
}

/// Measures operations a second.
enum Throughput {
    static let threadCounts = [1, 2, 8]

    /// Runs `operation` on each of `threads` threads until the time is up. It gets the thread's number, the step to
    /// begin with and how many to do.
    ///
    /// - Returns: Million steps a second, of all threads together.
    static func measure(
        threads: Int, seconds: Double,
        operation: @escaping @Sendable (_ thread: Int, _ begin: Int, _ count: Int) -> Void
    ) -> Double {
        let batch = 4096
        let total = Atomic(0)
        let isOver = Atomic(false)
        let group = DispatchGroup()
        let begin = ContinuousClock.now
        for number in 0..<threads {
            group.enter()
            Thread.detachNewThread {
                var done = 0
                while !isOver.load(ordering: .relaxed) {
                    operation(number, number * 7919 + done, batch)
                    done += batch
                }
                total.add(done, ordering: .relaxed)
                group.leave()
            }
        }
        Thread.sleep(forTimeInterval: seconds)
        isOver.store(true, ordering: .relaxed)
        group.wait()
        return Double(total.load(ordering: .relaxed)) / ((ContinuousClock.now - begin) / .seconds(1)) / 1e6
    }

    /// Keeps the compiler from leaving out what nobody reads.
    @inline(never)
    @_optimize(none)
    static func keep(_ sum: Int) {}
}

/// A figure with one digit after the point.
func rounded(_ figure: Double) -> String { String(format: "%.1f", figure) }
