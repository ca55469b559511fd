import Foundation
import System
import Model

/// Runs slow work on a bounded number of threads of its own, of which one client has no more than its share. Clients take
/// turns, so that the slow or plentiful work of one does not keep that of others waiting.
///
/// Thread-safe. `condition` guards the variables and is never held while work runs.
final class WorkPool: @unchecked Sendable {
    // SAFETY: `condition` guards the variables below it.
    private let condition = NSCondition()
    private var waiting = ClientTurns<@Sendable () -> Void>()
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
            waiting.append(body, of: client)
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
        while let (client, body) = take() {
            body()
            condition.withLock {
                running[client]! -= 1
                if running[client] == 0 { running[client] = nil }
                // What waited for its client's share may run now; this thread takes it unless another one is faster.
                condition.signal()
            }
        }
    }

    /// Waits for work that may run; `nil` if none comes.
    private func take() -> (client: String, body: @Sendable () -> Void)? {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: Self.idleTime)
            var isInTime = true
            while true {
                if let (client, body) = waiting.next(where: mayRun) {
                    running[client, default: 0] += 1
                    return (client, body)
                }
                guard isInTime else {
                    threads -= 1
                    return nil
                }
                idleThreads += 1
                isInTime = condition.wait(until: end)
                idleThreads -= 1
            }
        }
    }

    /// Whether less of the client runs than its share.
    private func mayRun(_ client: String) -> Bool {
        running[client] ?? 0 < Client(recorded: client).limit(clientLimit, of: threadLimit)
    }
}
