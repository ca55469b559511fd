import Foundation

/// Work that goes on in steps, and the threads that do it, which are started as they are needed and never end. Clients take
/// turns, and so do the items of one client. Thread-safe.
final class StepQueue<Item: Sendable>: @unchecked Sendable {
    // SAFETY: `condition` guards the variables below it.
    private let condition = NSCondition()
    /// The items of each client that has some, those that have waited longest first.
    private var waiting: [String: [Item]] = [:]
    /// These clients, the one whose turn it is first.
    private var turns: [String] = []
    private var count = 0
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
            append(item)
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
            while count == 0 {
                idleThreads += 1
                condition.wait()
                idleThreads -= 1
            }
            let share = (count + threadLimit - 1) / threadLimit
            return (0..<min(share, limit)).map { _ in next() }
        }
    }

    /// Puts items behind those of their clients that wait: it is their turn again after them.
    func putBack(_ items: [Item]) {
        condition.withLock { items.forEach(append) }
    }

    private func append(_ item: Item) {
        let client = client(item)
        if waiting[client] == nil { turns.append(client) }
        waiting[client, default: []].append(item)
        count += 1
    }

    private func next() -> Item {
        let client = turns.removeFirst()
        let item = waiting[client]!.removeFirst()
        if waiting[client]!.isEmpty { waiting[client] = nil } else { turns.append(client) }
        count -= 1
        return item
    }
}
