import LoadingCache

/// How often two patterns of requests hit a cache that holds `size` entries. What misses is stored.
enum HitRate {
    static let size = 1_000
    static let requests = 500_000

    /// Zipf over ten times as many keys as fit.
    static func zipf() throws -> Double {
        let cumulative = Workload.cumulative(10 * size)
        var random = SplitMix64(state: 7)
        return try run { _ in Workload.rank(cumulative, &random) }
    }

    /// A loop over a quarter more keys than fit.
    static func loop() throws -> Double {
        try run { $0 % (size + size / 4) }
    }

    private static func run(_ next: (Int) -> Int) throws -> Double {
        // The peers' segments, too, share the bound.
        let cache = Cache<String, Int>(
            try CacheConfiguration(bound: .maximumSize(size), concurrencyLevel: 64, recordsStatistics: true))
        for request in 0..<requests {
            let number = next(request)
            let key = String(number)
            if cache.getIfPresent(key) == nil { cache.put(key, number) }
        }
        return cache.statistics.hitRate
    }
}
