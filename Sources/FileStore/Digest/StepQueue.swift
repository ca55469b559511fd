import ChunkStore
import Foundation
import System

/// Work that goes on in steps, and the threads that do it, which are started as they are needed and never end. Clients take
/// turns, and so do the items of one client. Thread-safe.
final class StepQueue<Item: Sendable>: Sendable {
    private struct State {
        var waiting = ClientTurns<Item>()
        var threads = 0
        var idleThreads = 0
    }

    private let state = Monitor(State())

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
        state.withLock {
            $0.waiting.append(item, of: client(item))
            if $0.idleThreads > 0 {
                state.signal()
            } else if $0.threads < threadLimit {
                $0.threads += 1
                Thread.detachNewThread { self.work(self) }
            }
        }
    }

    /// Takes the items whose turn it is, each thread its share; waits for the first.
    ///
    /// - Parameter limit: how many at most.
    func take(atMost limit: Int) -> [Item] {
        var isIdle = false
        return state.wait { state in
            if isIdle { state.idleThreads -= 1 }
            isIdle = state.waiting.count == 0
            guard !isIdle else {
                state.idleThreads += 1
                return nil
            }
            let share = (state.waiting.count + threadLimit - 1) / threadLimit
            return (0..<min(share, limit)).map { _ in state.waiting.next()!.item }
        }
    }

    /// Puts items behind those of their clients that wait: it is their turn again after them.
    func putBack(_ items: [Item]) {
        state.withLock {
            for item in items { $0.waiting.append(item, of: client(item)) }
        }
    }
}
