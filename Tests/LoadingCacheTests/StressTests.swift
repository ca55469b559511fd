import Foundation
import LoadingCache
import Testing

/// Many threads on few keys. Two seconds each, or ten where VIDEO_INTAKE_TEST_SOAK_MINUTES is set.
@Suite(.serialized) struct StressTests {
    private static let seconds: Double =
        ProcessInfo.processInfo.environment["VIDEO_INTAKE_TEST_SOAK_MINUTES"] == nil ? 2 : 10
    private static let threads = 16

    /// Calls `body` on every thread until the time is up.
    private func forAWhile(_ body: @escaping @Sendable (_ random: inout SystemRandomNumberGenerator) -> Void) throws {
        let end = Date(timeIntervalSinceNow: Self.seconds)
        _ = try onThreads(Self.threads) { _ in
            var random = SystemRandomNumberGenerator()
            while Date() < end { for _ in 0..<50 { body(&random) } }
        }
    }

    /// CacheBuilderTest.testRemovalNotification_get_basher: what was loaded is here or was removed
    @Test func loadsEqualEntriesAndRemovals() throws {
        let removed = Tally()
        let (loaded, failed) = (Tally(), Tally())
        let cache = LoadingCache<Int, Int>(
            try CacheConfiguration(
                bound: .maximumSize(500), expireAfterWrite: .milliseconds(2), concurrencyLevel: 8,
                recordsStatistics: true,
                removalListener: { removal in removed.add(removal.value) }, failureHandler: { _ in })
        ) { key in
            if key % 13 == 0 && Int.random(in: 0..<2) == 0 {
                failed.add(key)
                throw Unavailable()
            }
            return loaded.next()
        }
        try forAWhile { random in
            let key = Int.random(in: 0..<1000, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0: cache.invalidate(key)
            case 1: cache.refresh(key)
            case 2: _ = cache.getIfPresent(key)
            case 3: cache.cleanUp()
            case 4: _ = try? cache.getAll([key, key + 1])
            default: _ = try? cache.get(key)
            }
        }
        #expect(removed.hasNoDuplicates)
        #expect(loaded.count == cache.count + removed.count)
        let statistics = cache.statistics
        #expect(statistics.loadSuccesses == loaded.count)
        #expect(statistics.evictions <= removed.count)
        #expect(cache.count <= 500)
        // Nothing that is here was told to be gone.
        #expect(cache.snapshot().values.allSatisfy { !removed.contains($0) })
    }

    /// CacheBuilderTest.testRemovalNotification_clear_basher: a load is affected by clearing, and told, or it is not,
    /// and its value is here
    @Test func whatIsLoadedDuringAClearIsHereOrWasTold() throws {
        let (removed, loaded) = (Tally(), Tally())
        let cache = Cache<Int, Int>(
            try CacheConfiguration(concurrencyLevel: 4, removalListener: { removal in removed.add(removal.value) }))
        try forAWhile { random in
            let key = Int.random(in: 0..<64, using: &random)
            switch Int.random(in: 0..<64, using: &random) {
            case 0: cache.invalidateAll()
            case 1..<8: cache.put(key, loaded.next())
            default:
                _ = try? cache.get(
                    key,
                    orLoad: {
                        if Bool.random() { sched_yield() }
                        return loaded.next()
                    })
            }
        }
        #expect(removed.hasNoDuplicates)
        let present = cache.snapshot().values
        #expect(loaded.count == present.count + removed.count)
        #expect(present.allSatisfy { !removed.contains($0) })
    }

    /// LocalCacheTest's assertions on totalWeight: it never drifts
    @Test func theWeightIsTheSumOfTheEntries() throws {
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                bound: .maximumWeight(10_000, weigher: { _, value in value }), expireAfterAccess: .milliseconds(1),
                concurrencyLevel: 4))
        try forAWhile { random in
            let key = Int.random(in: 0..<2000, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: cache.invalidate(key)
            case 1..<5: cache.put(key, Int.random(in: 0..<40, using: &random))
            default: _ = cache.getIfPresent(key)
            }
        }
        #expect(cache.weightIsConsistent)
    }

    /// Values by number, as many as a test makes.
    private final class Tally: @unchecked Sendable {
        // SAFETY: `lock` guards the rest.
        private let lock = NSLock()
        private var values: Set<Int> = []
        private var additions = 0
        private var numbers = 0

        func add(_ value: Int) {
            lock.withLock {
                values.insert(value)
                additions += 1
            }
        }

        /// A number that was not given before; counts too.
        func next() -> Int {
            lock.withLock {
                numbers += 1
                return numbers
            }
        }

        var count: Int { lock.withLock { max(numbers, additions) } }
        var hasNoDuplicates: Bool { lock.withLock { values.count == additions } }
        func contains(_ value: Int) -> Bool { lock.withLock { values.contains(value) } }
    }
}
