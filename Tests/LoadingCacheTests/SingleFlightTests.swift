import LoadingCache
import Testing

@Suite struct SingleFlightTests {
    /// CacheLoadingTest.testConcurrentLoadingDefault
    @Test func manyThreadsThatMissOneKeyCauseOneLoad() throws {
        let calls = Log<Int>()
        let mayEnd = Gate()
        let cache = LoadingCache<Int, Int>(try CacheConfiguration(recordsStatistics: true)) { key in
            calls.append(key)
            mayEnd.wait()
            return 42
        }
        let threads = (0..<64).map { _ in Spawned { try? cache.get(1) } }
        #expect(eventually { cache.misses == 64 })
        mayEnd.open()
        for thread in threads { #expect(try thread.join() == 42) }
        #expect(calls.count == 1)
        #expect(cache.statistics.loadSuccesses == 1 && cache.statistics.hits == 0)
    }

    /// CacheLoadingTest.testConcurrentLoadingCheckedException
    @Test func aFailedLoadReachesEveryWaiterOnce() throws {
        let calls = Log<Int>()
        let mayEnd = Gate()
        let cache = LoadingCache<Int, Int>(try CacheConfiguration(recordsStatistics: true)) { key in
            calls.append(key)
            mayEnd.wait()
            throw Unavailable(number: calls.count)
        }
        let threads = (0..<64).map { _ in
            Spawned { () -> Unavailable? in
                do {
                    _ = try cache.get(1)
                    return nil
                } catch {
                    return error as? Unavailable
                }
            }
        }
        #expect(eventually { cache.misses == 64 })
        mayEnd.open()
        for thread in threads { #expect(try thread.join() == Unavailable(number: 1)) }
        #expect(calls.count == 1 && cache.count == 0)
        #expect(cache.statistics.loadFailures == 1)
    }

    /// CacheLoadingTest.testConcurrentLoading: the segment stays available
    @Test func otherKeysOfTheSegmentAreServedDuringALoad() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration(concurrencyLevel: 1, recordsStatistics: true))
        cache.put(2, 20)
        let (isLoading, mayEnd) = (Gate(), Gate())
        let loader = Spawned {
            try? cache.get(
                1,
                orLoad: {
                    isLoading.open()
                    mayEnd.wait()
                    return 10
                })
        }
        isLoading.wait()
        let waiter = Spawned { try? cache.get(1, orLoad: { 11 }) }
        #expect(eventually { cache.misses == 2 })
        #expect(cache.getIfPresent(2) == 20)
        #expect(try cache.get(3, orLoad: { 30 }) == 30)
        cache.put(4, 40)
        cache.invalidate(4)
        mayEnd.open()
        #expect(try loader.join() == 10)
        #expect(try waiter.join() == 10)
    }

    /// CacheLoadingTest.testExpandDuringLoading
    @Test func growingDuringALoadChangesNothing() throws {
        let calls = Log<Int>()
        let mayEnd = Gate()
        let cache = LoadingCache<Int, Int>(
            try CacheConfiguration(concurrencyLevel: 1, initialCapacity: 4, recordsStatistics: true)
        ) { key in
            calls.append(key)
            mayEnd.wait()
            return -1
        }
        let threads = (0..<8).map { _ in Spawned { try? cache.get(0) } }
        #expect(eventually { cache.misses == 8 })
        for key in 1...1000 { cache.put(key, key) }
        mayEnd.open()
        for thread in threads { #expect(try thread.join() == -1) }
        #expect(calls.count == 1 && cache.count == 1001)
        for key in 1...1000 { #expect(cache.getIfPresent(key) == key) }
    }

    /// CacheLoadingTest.testExpandDuringRefresh's counterpart for a bounded cache
    @Test func evictingDuringALoadChangesNothing() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration(bound: .maximumSize(10), concurrencyLevel: 1))
        let value = try cache.get(
            0,
            orLoad: {
                for key in 1...100 { cache.put(key, key) }
                return -1
            })
        #expect(value == -1 && cache.getIfPresent(0) == -1 && cache.count == 10)
    }

    /// CacheLoadingTest.testAsMapDuringLoading
    @Test func aLoadingEntryIsInvisibleAndARefreshingOneShowsItsOldValue() throws {
        let (isLoading, mayEnd) = (Gate(), Gate())
        let cache = LoadingCache<String, Int>(try CacheConfiguration()) { key in
            if key == "slow" {
                isLoading.open()
                mayEnd.wait()
            }
            return 1
        }
        cache.put("other", 5)
        let loader = Spawned { try? cache.get("slow") }
        isLoading.wait()
        #expect(cache.count == 1 && cache.snapshot() == ["other": 5])
        #expect(cache.getIfPresent("slow") == nil)
        mayEnd.open()
        #expect(try loader.join() == 1)
        #expect(cache.snapshot() == ["other": 5, "slow": 1])

        let (isReloading, mayFinish) = (Gate(), Gate())
        let refreshed = try LoadingCache<String, Int>(
            try CacheConfiguration(),
            loader: CacheLoader(
                reload: .synchronous { _, old in
                    isReloading.open()
                    mayFinish.wait()
                    return old + 1
                }, load: { _ in 1 }))
        #expect(try refreshed.get("k") == 1)
        let refresher = Spawned { refreshed.refresh("k") }
        isReloading.wait()
        #expect(refreshed.snapshot() == ["k": 1] && refreshed.count == 1)
        mayFinish.open()
        try refresher.join()
        #expect(refreshed.snapshot() == ["k": 2])
    }
}
