import System
import Model

/// Counts the calls that are held without a thread, and bounds them in all and for each client. The more there are, the fewer
/// one client may have: it takes only what leaves others as much as it has.
///
/// Thread-safe: one lock guards the counts.
final class HeldCalls: Sendable {
    /// A call's place, given back when it is let go.
    final class Place: Sendable {
        private let client: Client
        private let calls: HeldCalls

        fileprivate init(_ client: Client, _ calls: HeldCalls) {
            (self.client, self.calls) = (client, calls)
        }

        deinit {
            calls.leave(client)
        }
    }

    private let counts: Locked<(all: Int, clients: [Client: Int])> = Locked((0, [:]))
    private let limit: Int
    private let clientLimit: Int

    /// - Parameters:
    ///   - limit: how many in all.
    ///   - clientLimit: how many of one client; those that cannot be told apart have half of all, or as many if that is more.
    init(limit: Int, clientLimit: Int) {
        self.limit = limit
        self.clientLimit = clientLimit
    }

    /// A place for a call of this client, `nil` if there are too many.
    func place(for client: Client) -> Place? {
        let isFree = counts.withLock { counts in
            let own = counts.clients[client] ?? 0
            guard own < min(client.limit(clientLimit, of: limit), limit - counts.all) else { return false }
            counts.all += 1
            counts.clients[client] = own + 1
            return true
        }
        return isFree ? Place(client, self) : nil
    }

    private func leave(_ client: Client) {
        counts.withLock { counts in
            counts.all -= 1
            let own = counts.clients[client]! - 1
            counts.clients[client] = own > 0 ? own : nil
        }
    }
}
