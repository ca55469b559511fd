import Catalogue
import LoadingCache
import System

/// The bytes that unfinished uploads have announced and that are still to come, as they were at most a second ago: to add
/// them up for each chunk takes as long as there are uploads. What this process admits is in them at once. Thread-safe.
final class PromisedBytes: Sendable {
    private let ticker: Ticker
    private let last: Locked<(bytes: Int, time: Int64)?> = Locked(nil)

    /// Nanoseconds.
    private static let lifetime: Int64 = 1_000_000_000

    init(ticker: Ticker) {
        self.ticker = ticker
    }

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
