import Foundation
import System
import Model

/// Runs slow work on a bounded number of threads of its own, of which one client has no more than its share. Clients take
/// turns, so that the slow or plentiful work of one does not keep that of others waiting.
///
/// Thread-safe. The state's lock is never held while work runs.
final class WorkPool: Sendable {
    private typealias Work = (client: String, body: @Sendable () -> Void)

    private struct State {
        var waiting = ClientTurns<@Sendable () -> Void>()
        /// How much of each client runs.
        var running: [String: Int] = [:]
        var threads = 0
        /// Threads that have no work, or are about to take some.
        var idleThreads: Int { threads - running.values.reduce(0, +) }
    }

    private let state = Monitor(State())
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
        state.withLock {
            $0.waiting.append(body, of: client)
            state.broadcast()
            // One that is idle may not have woken up yet for what came before, and what waits may not be allowed to run.
            if $0.waiting.count > $0.idleThreads, $0.threads < threadLimit {
                $0.threads += 1
                Thread.detachNewThread { self.work() }
            }
        }
    }

    /// Seconds after which a thread without work ends.
    private static let idleTime = 10.0

    private func work() {
        while let (client, body) = take() {
            body()
            state.withLock {
                $0.running[client]! -= 1
                if $0.running[client] == 0 { $0.running[client] = nil }
            }
            // What waited for its client's share may run now; this thread takes it unless another one is faster.
            state.signal()
        }
    }

    /// Waits for work that may run; `nil` if none comes.
    private func take() -> Work? {
        state.wait(until: Date(timeIntervalSinceNow: Self.idleTime)) { state -> Work?? in
            let running = state.running
            // Of a client whose share does not run yet.
            let next = state.waiting.next {
                running[$0] ?? 0 < Client(recorded: $0).limit(clientLimit, of: threadLimit)
            }
            guard let next else { return nil }
            state.running[next.client, default: 0] += 1
            return (next.client, next.item)
        } otherwise: { state in
            state.threads -= 1
            return nil
        }
    }
}
