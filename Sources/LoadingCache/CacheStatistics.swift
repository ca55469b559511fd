/// What a cache has counted since it was made. Zero everywhere unless its configuration asks for statistics.
///
/// Every lookup is one hit or one miss; a thread that waits for another's load counts a miss. A load of several keys at
/// once is one load. Source of the terms:
/// https://guava.dev/releases/31.1-jre/api/docs/com/google/common/cache/CacheStats.html
public struct CacheStatistics: Hashable, Sendable {
    /// Lookups that found a value, an old one that is being reloaded included.
    public var hits: Int
    /// Lookups that found none.
    public var misses: Int
    /// Loads and reloads that returned a value.
    public var loadSuccesses: Int
    /// Loads and reloads that threw.
    public var loadFailures: Int
    /// The time that loads and reloads took together.
    public var totalLoadTime: Duration
    /// Entries that left because their time was up or the cache was full.
    public var evictions: Int

    /// Counts given one by one.
    public init(
        hits: Int = 0, misses: Int = 0, loadSuccesses: Int = 0, loadFailures: Int = 0, totalLoadTime: Duration = .zero,
        evictions: Int = 0
    ) {
        self.hits = hits
        self.misses = misses
        self.loadSuccesses = loadSuccesses
        self.loadFailures = loadFailures
        self.totalLoadTime = totalLoadTime
        self.evictions = evictions
    }

    /// Lookups.
    public var requests: Int { hits + misses }
    /// The share of lookups that found a value, 0 to 1; 1 without lookups.
    public var hitRate: Double { requests == 0 ? 1 : Double(hits) / Double(requests) }
    /// The share of lookups that found none, 0 to 1; 0 without lookups.
    public var missRate: Double { requests == 0 ? 0 : Double(misses) / Double(requests) }
    /// Loads and reloads, whatever became of them.
    public var loads: Int { loadSuccesses + loadFailures }
    /// The share of loads that threw, 0 to 1; 0 without loads.
    public var loadFailureRate: Double { loads == 0 ? 0 : Double(loadFailures) / Double(loads) }
    /// The mean time of a load; zero without loads.
    public var averageLoadTime: Duration { loads == 0 ? .zero : totalLoadTime / loads }

    /// What two caches counted together.
    public static func + (left: Self, right: Self) -> Self {
        CacheStatistics(
            hits: left.hits + right.hits, misses: left.misses + right.misses,
            loadSuccesses: left.loadSuccesses + right.loadSuccesses,
            loadFailures: left.loadFailures + right.loadFailures,
            totalLoadTime: left.totalLoadTime + right.totalLoadTime, evictions: left.evictions + right.evictions)
    }

    /// What was counted between two readings. Nothing is less than zero, also where `right` is not the earlier one.
    public static func - (left: Self, right: Self) -> Self {
        CacheStatistics(
            hits: max(0, left.hits - right.hits), misses: max(0, left.misses - right.misses),
            loadSuccesses: max(0, left.loadSuccesses - right.loadSuccesses),
            loadFailures: max(0, left.loadFailures - right.loadFailures),
            totalLoadTime: max(.zero, left.totalLoadTime - right.totalLoadTime),
            evictions: max(0, left.evictions - right.evictions))
    }
}
