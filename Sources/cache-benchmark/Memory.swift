import CSystem
import LoadingCache

/// How much memory entries take: a 32-character key and an 8-byte value.
enum Memory {
    static let entries = 1_000_000

    /// Bytes an entry, the key's own memory included, as the allocator counts them.
    static func perEntry() throws -> Double {
        var random = SplitMix64(state: 42)
        let before = vi_allocated()
        let cache = Cache<String, Int>(
            try CacheConfiguration(bound: .maximumSize(2 * entries), concurrencyLevel: 64))
        for number in 0..<entries { cache.put(Workload.id(&random), 1_000_000 + number) }
        let after = vi_allocated()
        return withExtendedLifetime(cache) { Double(after - before) / Double(entries) }
    }
}
