import Foundation
import Uploads

/// Runs work that may take long on threads of its own: only so many at once, and of one client only its share, so that the
/// slow work of one client does not keep that of others waiting.
///
/// Thread-safe. `condition` guards the variables and is never held while work runs.
final class WorkPool: @unchecked Sendable {
    private struct Work {
        let client: String
        let body: @Sendable () -> Void
    }

    // SAFETY: `condition` guards the variables below it.
    private let condition = NSCondition()
    private var waiting: [Work] = []
    /// How much of each client runs.
    private var running: [String: Int] = [:]
    private var threads = 0
    private var idleThreads = 0
    private let threadLimit: Int
    private let clientLimit: Int

    /// - Parameters:
    ///   - threadLimit: how much runs at once.
    ///   - clientLimit: how much of one client; `""` stands for clients that cannot be told apart, and has half of all.
    init(threadLimit: Int, clientLimit: Int) {
        self.threadLimit = threadLimit
        self.clientLimit = clientLimit
    }

    func submit(client: String, _ body: @escaping @Sendable () -> Void) {
        condition.withLock {
            waiting.append(Work(client: client, body: body))
            condition.broadcast()
            // One that is idle may not have woken up yet for what came before, and what waits may not be allowed to run.
            if waiting.count > idleThreads, threads < threadLimit {
                threads += 1
                Thread.detachNewThread { self.work() }
            }
        }
    }

    /// Seconds after which a thread without work ends.
    private static let idleTime = 10.0

    private func work() {
        while let work = take() {
            work.body()
            condition.withLock {
                running[work.client]! -= 1
                if running[work.client] == 0 { running[work.client] = nil }
                // What waited for its client's share may run now; this thread takes it unless another one is faster.
                condition.signal()
            }
        }
    }

    /// Waits for work that may run; `nil` if none comes.
    private func take() -> Work? {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: Self.idleTime)
            while true {
                if let index = next() {
                    running[waiting[index].client, default: 0] += 1
                    return waiting.remove(at: index)
                }
                idleThreads += 1
                let isInTime = condition.wait(until: end)
                idleThreads -= 1
                if !isInTime, next() == nil {
                    threads -= 1
                    return nil
                }
            }
        }
    }

    /// The first that waits, of the client of which the least runs; `nil` if nothing may run.
    private func next() -> Int? {
        var best: (index: Int, running: Int)?
        for (index, work) in waiting.enumerated() {
            let count = running[work.client] ?? 0
            let limit = Client(recorded: work.client).limit(clientLimit, of: threadLimit)
            guard count < limit, count < best?.running ?? .max else { continue }
            best = (index, count)
            if count == 0 { break }
        }
        return best?.index
    }
}
