import Foundation
import System

/// Work that goes on in steps, and the threads that do it, which are started as they are needed and never end. Clients take
/// turns, and so do the items of one client. Thread-safe.
final class StepQueue<Item: Sendable>: @unchecked Sendable {
    // SAFETY: `condition` guards the variables below it.
    private let condition = NSCondition()
    private var waiting = ClientTurns<Item>()
    private var threads = 0
    private var idleThreads = 0

    private let threadLimit: Int
    private let client: @Sendable (Item) -> String
    private let work: @Sendable (StepQueue<Item>) -> Never

    /// - Parameters:
    ///   - client: whose an item is.
    ///   - work: what a thread does: takes items, does a step of each and puts back those that need another one.
    init(
        threadLimit: Int, client: @escaping @Sendable (Item) -> String,
        work: @escaping @Sendable (StepQueue<Item>) -> Never
    ) {
        self.threadLimit = threadLimit
        self.client = client
        self.work = work
    }

    /// Takes an item in that needs steps.
    func add(_ item: Item) {
        condition.withLock {
            waiting.append(item, of: client(item))
            if idleThreads > 0 {
                condition.signal()
            } else if threads < threadLimit {
                threads += 1
                Thread.detachNewThread { self.work(self) }
            }
        }
    }

    /// Takes the items whose turn it is, each thread its share; waits for the first.
    ///
    /// - Parameter limit: how many at most.
    func take(atMost limit: Int) -> [Item] {
        condition.withLock {
            while waiting.count == 0 {
                idleThreads += 1
                condition.wait()
                idleThreads -= 1
            }
            let share = (waiting.count + threadLimit - 1) / threadLimit
            return (0..<min(share, limit)).map { _ in waiting.next()!.item }
        }
    }

    /// Puts items behind those of their clients that wait: it is their turn again after them.
    func putBack(_ items: [Item]) {
        condition.withLock {
            for item in items { waiting.append(item, of: client(item)) }
        }
    }
}
