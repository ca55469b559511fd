import Foundation

/// Where events are delivered to at the moment, if anywhere: another receiver may take its place at any time. Thread-safe.
package final class CurrentWebhook: @unchecked Sendable {
    // SAFETY: `lock` guards both. No `Mutex`, through which ThreadSanitizer does not see when it is contended.
    private let lock = NSLock()
    private var webhook: Webhook?
    private var replacements = 0

    package init(_ webhook: Webhook?) { self.webhook = webhook }

    /// What is delivered from now on goes there. A request under way is given up, and its event delivered there; but not for
    /// the same webhook: the receiver would get its event twice.
    package func replace(with webhook: Webhook?) {
        lock.withLock {
            guard webhook != self.webhook else { return }
            self.webhook = webhook
            replacements += 1
        }
    }

    /// A number that changes with each replacement.
    var version: Int { lock.withLock { replacements } }

    var current: (Webhook, version: Int)? {
        lock.withLock { webhook.map { ($0, replacements) } }
    }
}
