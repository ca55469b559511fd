import LoadingCache
import Testing

@Suite struct BulkLoadingTests {
    private func cache(
        _ calls: Log<[Int]>, _ loadAll: @escaping @Sendable ([Int]) throws -> [Int: Int]
    ) throws -> LoadingCache<Int, Int> {
        try LoadingCache(
            try CacheConfiguration(recordsStatistics: true),
            loader: CacheLoader(
                loadAll: { keys in
                    calls.append(keys.sorted())
                    return try loadAll(keys)
                }, load: { _ in throw Unavailable(number: -1) }))
    }

    /// CacheLoadingTest.testBulkLoad_default
    @Test func withoutLoadAllEachKeyIsLoaded() throws {
        let calls = Log<Int>()
        let cache = LoadingCache<Int, Int>(try CacheConfiguration()) { key in
            calls.append(key)
            return key * 10
        }
        #expect(try cache.getAll([1, 2, 1]) == [1: 10, 2: 20])
        #expect(calls.all == [1, 2])
    }

    /// CacheLoadingTest.testBulkLoad_loadAll
    @Test func theMissingKeysAreLoadedByOneCallWithoutDuplicates() throws {
        let calls = Log<[Int]>()
        let cache = try cache(calls) { keys in Dictionary(uniqueKeysWithValues: keys.map { ($0, $0 * 10) }) }
        cache.put(2, 0)
        #expect(try cache.getAll([1, 2, 3, 1, 3]) == [1: 10, 2: 0, 3: 30])
        #expect(calls.all == [[1, 3]])
        #expect(try cache.getAll([1, 2, 3]).count == 3)
        #expect(calls.count == 1)
        #expect(cache.statistics.loadSuccesses == 1 && cache.statistics.misses == 2 && cache.statistics.hits == 4)
    }

    /// CacheLoadingTest.testBulkLoad_extra
    @Test func extraKeysAreStoredAndNotReturned() throws {
        let cache = try cache(Log()) { keys in
            Dictionary(uniqueKeysWithValues: (keys + keys.map { -$0 }).map { ($0, $0 * 10) })
        }
        #expect(try cache.getAll([1, 2]) == [1: 10, 2: 20])
        #expect(cache.snapshot() == [1: 10, 2: 20, -1: -10, -2: -20])
    }

    /// CacheLoadingTest.testBulkLoad_partial
    @Test func aMissingKeyThrowsAfterStoringWhatCame() throws {
        let cache = try cache(Log()) { keys in
            Dictionary(uniqueKeysWithValues: keys.filter { $0 != 2 }.map { ($0, $0 * 10) })
        }
        #expect(throws: CacheError.missingFromLoadAll) { try cache.getAll([1, 2, 3]) }
        #expect(cache.snapshot() == [1: 10, 3: 30])
    }

    /// CacheLoadingTest.testBulkLoadCheckedException
    @Test func aFailureOfLoadAllStoresNothingAndIsOneFailedLoad() throws {
        let calls = Log<[Int]>()
        let cache = try cache(calls) { _ in throw Unavailable() }
        #expect(throws: Unavailable()) { try cache.getAll([1, 2, 3]) }
        #expect(cache.count == 0 && cache.statistics.loadFailures == 1)
        #expect(throws: Unavailable()) { try cache.getAll([1]) }
        #expect(calls.count == 2)
    }

    /// Beyond Guava, whose bulk loads other threads do not wait for
    @Test func otherThreadsWaitForTheKeysOfALoadAll() throws {
        let (isLoading, mayEnd) = (Gate(), Gate())
        let cache = try cache(Log()) { keys in
            isLoading.open()
            mayEnd.wait()
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, $0 * 10) })
        }
        let bulk = Spawned { try? cache.getAll([1, 2]) }
        isLoading.wait()
        let waiter = Spawned { try? cache.get(1) }
        #expect(eventually { cache.misses == 3 })
        // Its value may be older than this invalidation.
        cache.invalidate(2)
        mayEnd.open()
        #expect(try bulk.join() == [1: 10, 2: 20])
        #expect(try waiter.join() == 10)
        #expect(cache.snapshot() == [1: 10])
    }
}
