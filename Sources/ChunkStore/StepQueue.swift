import Foundation

/// Work that goes on in steps, and the threads that do it, which are started as they are needed and never end. Thread-safe.
final class StepQueue<Item: Sendable>: @unchecked Sendable {
    // SAFETY: `condition` guards the variables below it.
    private let condition = NSCondition()
    private var waiting: [Item] = []
    private var threads = 0
    private var idleThreads = 0

    private let threadLimit: Int
    private let work: @Sendable (StepQueue<Item>) -> Never

    /// - Parameter work: what a thread does: takes items, does a step of each and puts back those that need another one.
    init(threadLimit: Int, work: @escaping @Sendable (StepQueue<Item>) -> Never) {
        self.threadLimit = threadLimit
        self.work = work
    }

    /// Takes an item in that needs steps.
    func add(_ item: Item) {
        condition.withLock {
            waiting.append(item)
            if idleThreads > 0 {
                condition.signal()
            } else if threads < threadLimit {
                threads += 1
                Thread.detachNewThread { self.work(self) }
            }
        }
    }

    /// Takes the items that have waited longest, each thread its share; waits for the first.
    ///
    /// - Parameter limit: how many at most.
    func take(atMost limit: Int) -> [Item] {
        condition.withLock {
            while waiting.isEmpty {
                idleThreads += 1
                condition.wait()
                idleThreads -= 1
            }
            let share = (waiting.count + threadLimit - 1) / threadLimit
            let items = Array(waiting.prefix(min(share, limit)))
            waiting.removeFirst(items.count)
            return items
        }
    }

    /// Puts items behind those that wait: it is their turn again after them.
    func putBack(_ items: [Item]) {
        condition.withLock { waiting += items }
    }
}
