import Catalogue
import LoadingCache
import Model
import System

/// How many videos may be recorded for a client in a short time: a token bucket for each, 5,000 at once and then one
/// every 10 s.
///
/// As the generic cell rate algorithm has it, a bucket is the time at which it is full again: ITU-T I.371, annex A. Those
/// that are full need not be remembered, and of too many the fullest are forgotten. Thread-safe.
final class RecordRate: Sendable {
    static let burst: Int64 = 5000
    /// Nanoseconds for a token.
    private static let interval: Int64 = 10_000_000_000

    private let ticker: Ticker
    private let limit: Int
    /// When each client's bucket is full.
    private let buckets: Locked<[Client: Int64]> = Locked([:])

    /// - Parameter limit: buckets that are remembered.
    init(ticker: Ticker, limit: Int = 10_000) {
        self.ticker = ticker
        self.limit = limit
    }

    /// How many clients have less than a full bucket, or had when it was looked at last.
    var count: Int { buckets.withLock { $0.count } }

    func permit(for client: Client) -> RecordPermit {
        RecordPermit(isGiven: { self.hasToken(client) }, use: { self.take(client) })
    }

    private func hasToken(_ client: Client) -> Bool {
        let now = ticker.now()
        return buckets.withLock { ($0[client] ?? now) - now <= (Self.burst - 1) * Self.interval }
    }

    private func take(_ client: Client) {
        let now = ticker.now()
        buckets.withLock { buckets in
            buckets[client] = max(buckets[client] ?? now, now) + Self.interval
            guard buckets.count > limit else { return }
            buckets = buckets.filter { $0.value > now }
            guard buckets.count > limit else { return }
            // A tenth at once, so that not every request has to look through all.
            let kept = buckets.sorted { $0.value > $1.value }.prefix(limit - limit / 10)
            buckets = Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value) })
        }
    }
}

/// The bytes that unfinished uploads have announced and that are still to come, as they were at most a second ago: to add
/// them up for each chunk takes as long as there are uploads. What this process admits is in them at once. Thread-safe.
final class PromisedBytes: Sendable {
    private let ticker: Ticker
    private let last: Locked<(bytes: Int, time: Int64)?> = Locked(nil)

    /// Nanoseconds.
    private static let lifetime: Int64 = 1_000_000_000

    init(ticker: Ticker) { self.ticker = ticker }

    func value(_ catalogue: Catalogue) throws(CatalogueError) -> Int {
        let now = ticker.now()
        if let last = last.withLock({ $0 }), now - last.time < Self.lifetime { return last.bytes }
        let bytes = try catalogue.promisedBytes()
        last.withLock { $0 = (bytes, now) }
        return bytes
    }

    /// Another upload has begun.
    func forget() { last.withLock { $0 = nil } }
}
