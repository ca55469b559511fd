import Glibc

/// How a cache behaves. Every value of this type is one that a cache can have: the initialiser rejects the others, the
/// two ways to bound a cache are two cases of one enumeration, and only a `LoadingCache` takes a `RefreshPolicy`.
public struct CacheConfiguration<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// How much a cache holds.
    public enum Bound: Sendable {
        /// As much as it is given.
        case unbounded
        /// At most so many entries; with 0 nothing stays. The least recently used entry of a segment goes first.
        case maximumSize(Int)
        /// Entries that weigh so much together. The weigher is asked once for each value that is stored, on the thread
        /// that stores it and before any lock is taken; it returns 0 to `UInt32.max`, anything else traps. An entry of
        /// weight 0 never goes for lack of room.
        case maximumWeight(Int, weigher: @Sendable (Key, Value) -> Int)

        /// The sum of weights that the cache keeps to; `nil` for none.
        var total: Int? {
            switch self {
            case .unbounded: nil
            case .maximumSize(let size): size
            case .maximumWeight(let weight, _): weight
            }
        }

        var weigher: (@Sendable (Key, Value) -> Int)? {
            if case .maximumWeight(_, let weigher) = self { weigher } else { nil }
        }
    }

    /// Something that failed where no caller waits for it.
    public enum BackgroundFailure: Sendable {
        /// The removal listener threw this.
        case removalListener(any Error)
        /// A reload failed like this; the old value stays.
        case reload(any Error)
    }

    /// How much the cache holds.
    public let bound: Bound
    /// How long an entry lives after its value was stored or replaced.
    public let expireAfterWrite: Duration?
    /// How long an entry lives after its value was last stored, replaced or returned.
    public let expireAfterAccess: Duration?
    /// About how many threads use the cache at the same time.
    public let concurrencyLevel: Int
    /// How many entries fit before the first growth.
    public let initialCapacity: Int
    /// Whether the cache counts what it does.
    public let recordsStatistics: Bool
    /// The clock that expiry, refresh and the measured load times follow.
    public let ticker: Ticker
    /// Hears of every entry that leaves.
    public let removalListener: (@Sendable (Removal<Key, Value>) throws -> Void)?
    /// Hears of what fails where no caller waits for it.
    public let failureHandler: @Sendable (BackgroundFailure) -> Void

    /// A configuration.
    ///
    /// - Parameters:
    ///   - bound: How much the cache holds. It is divided among the segments, so one segment may evict while another
    ///     has room.
    ///   - expireAfterWrite: An entry is gone when so much time has passed since its value was stored or replaced.
    ///   - expireAfterAccess: An entry is gone when so much time has passed since its value was last stored, replaced
    ///     or returned. Counting and `snapshot` renew nothing.
    ///   - concurrencyLevel: The number of segments is the next power of two, at most 65,536, and fewer for a small
    ///     bound. Twice the number of cores is a good value.
    ///   - initialCapacity: How many entries fit before the first growth.
    ///   - recordsStatistics: Whether the cache counts what it does; costs about a nanosecond an operation.
    ///   - ticker: The clock, in nanoseconds.
    ///   - removalListener: Called for each entry that leaves, after the lock is released, on the thread whose
    ///     operation removed it. It may use the cache. What it throws goes to `failureHandler`.
    ///   - failureHandler: Called for what fails where no caller waits for it. Without one, a line is written to
    ///     standard error.
    /// - Throws: `CacheConfigurationError` for a number or duration below its range.
    public init(
        bound: Bound = .unbounded, expireAfterWrite: Duration? = nil, expireAfterAccess: Duration? = nil,
        concurrencyLevel: Int = 4, initialCapacity: Int = 16, recordsStatistics: Bool = false, ticker: Ticker = .system,
        removalListener: (@Sendable (Removal<Key, Value>) throws -> Void)? = nil,
        failureHandler: (@Sendable (BackgroundFailure) -> Void)? = nil
    ) throws(CacheConfigurationError) {
        if let total = bound.total, total < 0 { throw .negativeBound }
        if concurrencyLevel < 1 { throw .concurrencyLevel }
        if initialCapacity < 0 { throw .negativeCapacity }
        for duration in [expireAfterWrite, expireAfterAccess] {
            if let duration, duration < .zero { throw .duration }
        }
        self.bound = bound
        self.expireAfterWrite = expireAfterWrite
        self.expireAfterAccess = expireAfterAccess
        self.concurrencyLevel = concurrencyLevel
        self.initialCapacity = initialCapacity
        self.recordsStatistics = recordsStatistics
        self.ticker = ticker
        self.removalListener = removalListener
        self.failureHandler = failureHandler ?? Self.writeToStandardError
    }

    @Sendable private static func writeToStandardError(_ failure: BackgroundFailure) {
        var line = "LoadingCache: \(failure)\n"
        _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The number of segments: the smallest power of two that is not below the concurrency level, doubled only while
    /// the segments so far would leave at least 20 units of the bound to each.
    /// Source: `LocalCache`'s constructor,
    /// https://github.com/google/guava/blob/v31.1/guava/src/com/google/common/cache/LocalCache.java
    var segmentCount: Int {
        let level = min(concurrencyLevel, 1 << 16)
        var count = 1
        while count < level && (bound.total.map { count * 20 <= $0 } ?? true) { count *= 2 }
        return count
    }
}
