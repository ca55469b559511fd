import Catalogue
import Glibc
import Logging
import Model
import System

/// Delivers what is in the catalogue's outbox to a webhook: at least once, and of each video one event after the other.
/// Several may deliver from one catalogue, in one process or in many.
package struct EventDelivery: Sendable {
    /// How fast it goes.
    package struct Pace: Sendable {
        /// When an event is tried again.
        package var retries = RetrySchedule()
        /// Seconds until the catalogue is asked again after it had nothing.
        package var idle = 1.0
        /// Seconds without any delivery after one that the receiver is to blame for. It doubles with each that follows.
        package var pauses = 1.0...30.0

        package init() {}
    }

    /// What became of one event.
    enum Step: Equatable {
        /// Nothing is due.
        case nothing
        case delivered
        /// The receiver does not want it.
        case refused
        /// The receiver or the catalogue is not well.
        case failed
    }

    /// Seconds that a claimed event is not handed out again, if this process dies. Events are claimed one by one, so that
    /// this has to be longer than one request alone.
    private static let lease: Int64 = 60
    /// Seconds between two looks whether it is to end.
    private static let attention = 0.1

    private let catalogue: any Outbox
    private let webhook: CurrentWebhook
    private let logger: Logger
    private let pace: Pace
    private let now: @Sendable () -> Int64

    /// - Parameter now: the time, in seconds since 1970.
    package init(
        catalogue: any Outbox, webhook: CurrentWebhook, logger: Logger, pace: Pace = Pace(),
        now: @escaping @Sendable () -> Int64
    ) {
        self.catalogue = catalogue
        self.webhook = webhook
        self.logger = logger
        self.pace = pace
        self.now = now
    }

    /// Delivers events as they come, in this thread, until it is told to end: then a request under way is given up within
    /// about a second. Where there is no webhook, it waits for one.
    /// - Parameter isStopped: asked at least once a second.
    package func run(until isStopped: @escaping () -> Bool) {
        ignoreBrokenPipes()
        while !isStopped() {
            if let (webhook, version) = webhook.current {
                deliver(to: webhook) { isStopped() || self.webhook.version != version }
            } else {
                wait(pace.idle, isStopped)
            }
        }
    }

    private func deliver(to webhook: Webhook, until isStopped: @escaping () -> Bool) {
        let connection = WebhookConnection(webhook)
        var pause = 0.0
        while !isStopped() {
            switch deliverNext(over: connection, isStopped) {
            case .nothing: wait(pace.idle, isStopped)
            case .delivered: pause = 0
            case .refused: break
            case .failed:
                pause = min(max(2 * pause, pace.pauses.lowerBound), pace.pauses.upperBound)
                wait(pause, isStopped)
            }
        }
    }

    /// Delivers the oldest event that is due, if there is one.
    func deliverNext(
        over connection: borrowing WebhookConnection, _ isStopped: @escaping () -> Bool = { false }
    ) -> Step {
        do throws(CatalogueError) {
            guard let event = try catalogue.claimEvents(limit: 1, lease: Self.lease, now: now()).first else {
                return .nothing
            }
            do throws(DeliveryFailure) {
                try connection.deliver(event, time: now(), isStopped: isStopped)
            } catch {
                return try note(error, of: event)
            }
            // Should this fail, the event is delivered again.
            try catalogue.noteDelivered(event, now: now())
            logger.info("event delivered", metadata: metadata(of: event))
            return .delivered
        } catch {
            logger.error("cannot read or change the events", metadata: ["cause": "\(error)"])
            return .failed
        }
    }

    private func note(_ failure: DeliveryFailure, of event: Event) throws(CatalogueError) -> Step {
        if failure == .stopped {
            // The next delivery need not wait until the lease ends.
            try catalogue.noteDeliveryFailed(event, notBefore: now())
            return .failed
        }
        let delay = pace.retries.delay(after: event.attempts, jitter: Double.random(in: -1...1))
        var metadata = metadata(of: event)
        metadata["cause"] = "\(failure)"
        metadata["attempts"] = "\(event.attempts)"
        metadata["retry_after_s"] = "\(delay)"
        logger.warning("event not delivered", metadata: metadata)
        try catalogue.noteDeliveryFailed(event, notBefore: now() + delay)
        return failure.isOfTheEvent ? .refused : .failed
    }

    private func metadata(of event: Event) -> Logger.Metadata {
        ["event": "\(event.id)", "kind": "\(event.kind.rawValue)", "video": "\(event.videoID)"]
    }

    private func wait(_ seconds: Double, _ isStopped: () -> Bool) {
        let end = ContinuousClock.now + .seconds(seconds)
        while !isStopped(), case let left = (end - .now) / .seconds(1), left > 0 {
            usleep(UInt32(min(left, Self.attention) * 1_000_000))
        }
    }

    /// A receiver that closes the connection while something is sent must not end the process: without signal handlers
    /// libcurl cannot always see to that. https://curl.se/libcurl/c/CURLOPT_NOSIGNAL.html
    private func ignoreBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

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

/// When an event is tried again that could not be delivered.
package struct RetrySchedule: Sendable {
    /// Seconds after the first, second, … attempt; the last one holds for all that follow.
    private let delays: [Int64]

    /// - Parameter delays: at least one.
    package init(_ delays: [Int64] = [5, 15, 60, 5 * 60, 15 * 60, 3600]) { self.delays = delays }

    /// Seconds, at least 1, until the next attempt after so many, at least 1.
    /// - Parameter jitter: from -1 to 1, for 20 % less to 20 % more, so that what failed together is not tried together.
    package func delay(after attempts: Int, jitter: Double) -> Int64 {
        let delay = Double(delays[min(attempts, delays.count) - 1])
        return max(1, Int64((delay * (1 + 0.2 * jitter)).rounded()))
    }
}
