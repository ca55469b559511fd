import Synchronization

/// Where events are delivered to at the moment, if anywhere: another receiver may take its place at any time. Thread-safe.
package final class CurrentWebhook: Sendable {
    private struct State {
        var webhook: Webhook?
        var version = 0
    }

    private let state: Mutex<State>

    package init(_ webhook: Webhook?) { state = Mutex(State(webhook: webhook)) }

    /// What is delivered from now on goes there. A request under way is given up, and its event delivered there; but not for
    /// the same webhook: the receiver would get its event twice.
    package func replace(with webhook: Webhook?) {
        state.withLock {
            guard webhook != $0.webhook else { return }
            $0.webhook = webhook
            $0.version += 1
        }
    }

    /// A number that changes with each replacement.
    var version: Int { state.withLock(\.version) }

    var current: (Webhook, version: Int)? {
        state.withLock { state in state.webhook.map { ($0, state.version) } }
    }
}
