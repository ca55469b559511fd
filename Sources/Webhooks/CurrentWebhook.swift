import System

/// Where events are delivered to at the moment, if anywhere: another receiver may take its place at any time. Thread-safe.
package final class CurrentWebhook: Sendable {
    private let state: Locked<(webhook: Webhook?, replacements: Int)>

    package init(_ webhook: Webhook?) { state = Locked((webhook, 0)) }

    /// What is delivered from now on goes there. A request under way is given up, and its event delivered there; but not for
    /// the same webhook: the receiver would get its event twice.
    package func replace(with webhook: Webhook?) {
        state.withLock {
            guard webhook != $0.webhook else { return }
            $0 = (webhook, $0.replacements + 1)
        }
    }

    /// A number that changes with each replacement.
    var version: Int { state.withLock(\.replacements) }

    var current: (Webhook, version: Int)? {
        state.withLock { state in state.webhook.map { ($0, state.replacements) } }
    }
}
