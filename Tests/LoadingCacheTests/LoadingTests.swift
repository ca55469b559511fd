import LoadingCache
import Testing

@Suite struct LoadingTests {
    /// CacheLoadingTest.testLoad
    @Test func aHitCallsNeitherTheLoaderNorTheClosure() throws {
        let calls = Log<String>()
        let cache = LoadingCache<String, Int>(try CacheConfiguration()) { key in
            calls.append(key)
            return key.count
        }
        #expect(try cache.get("four") == 4)
        #expect(try cache.get("four") == 4)
        #expect(try cache.get("four", orLoad: { 0 }) == 4)
        #expect(calls.all == ["four"])
    }

    /// CacheLoadingTest.testLoad, LocalCacheTest.testComputeExistingEntry
    @Test func theClosureOfACallLoadsWhatIsMissing() throws {
        let cache = Cache<String, Int>(try CacheConfiguration())
        #expect(try cache.get("a", orLoad: { 1 }) == 1)
        #expect(try cache.get("a", orLoad: { 2 }) == 1)
    }

    /// CacheManualTest.testGetIfPresent, testGetAllPresent
    @Test func lookingWithoutLoadingLeavesOutWhatIsAbsent() throws {
        let calls = Log<Int>()
        let cache = LoadingCache<Int, Int>(try CacheConfiguration()) { key in
            calls.append(key)
            return key
        }
        cache.put(1, 10)
        cache.put(3, 30)
        #expect(cache.getIfPresent(2) == nil)
        #expect(cache.getIfPresent(1) == 10)
        #expect(cache.getAllPresent([1, 2, 3, 1]) == [1: 10, 3: 30])
        #expect(calls.count == 0)
    }

    /// CacheLoadingTest.testReloadAfterFailure
    @Test func aFailedLoadIsNotCachedAndTheNextCallLoadsAgain() throws {
        let calls = Log<Int>()
        let cache = LoadingCache<Int, Int>(try CacheConfiguration(recordsStatistics: true)) { key in
            calls.append(key)
            if calls.count == 1 { throw Unavailable() }
            return key
        }
        #expect(throws: Unavailable()) { try cache.get(7) }
        #expect(cache.count == 0 && cache.getIfPresent(7) == nil)
        #expect(try cache.get(7) == 7)
        #expect(cache.statistics.loadFailures == 1 && cache.statistics.loadSuccesses == 1)
    }

    /// CacheManualTest.testRecursiveLoad
    @Test(.timeLimit(.minutes(1))) func loadingAKeyInsideItsOwnLoaderFailsAtOnce() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration())
        #expect(throws: CacheError.recursiveLoad) {
            try cache.get(1, orLoad: { try cache.get(1, orLoad: { 2 }) })
        }
        #expect(throws: CacheError.recursiveLoad) {
            try cache.get(1, orLoad: { try cache.get(2, orLoad: { try cache.get(1, orLoad: { 3 }) }) })
        }
        #expect(try cache.get(1, orLoad: { try cache.get(2, orLoad: { 4 }) + 1 }) == 5)
    }

    /// CacheManualTest.testRecursiveLoadWithProxy: one segment, so that both keys share its lock
    @Test(.timeLimit(.minutes(1))) func aLoaderMayUseOtherKeysOfTheSameSegment() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration(concurrencyLevel: 1))
        let value = try cache.get(
            1,
            orLoad: {
                cache.put(2, 20)
                cache.invalidate(3)
                return try cache.get(4, orLoad: { 40 }) + cache.getIfPresent(2)!
            })
        #expect(value == 60)
    }

    /// LocalCacheTest.testRemovalListener_replaced_computing
    @Test func aPutDuringALoadReleasesTheWaitersAndDropsTheLoadedValue() throws {
        let removed = Log<String>()
        let cache = Cache<String, Int>(
            try CacheConfiguration(recordsStatistics: true, removalListener: { removed.note($0) }))
        let (isLoading, mayEnd) = (Gate(), Gate())
        let loader = Spawned {
            try? cache.get(
                "k",
                orLoad: {
                    isLoading.open()
                    mayEnd.wait()
                    return 1
                })
        }
        isLoading.wait()
        let waiter = Spawned { try? cache.get("k", orLoad: { 3 }) }
        #expect(eventually { cache.misses == 2 })
        cache.put("k", 2)
        #expect(try waiter.join() == 2)
        #expect(removed.count == 0)
        mayEnd.open()
        #expect(try loader.join() == 1)
        #expect(cache.getIfPresent("k") == 2)
        #expect(removed.all == ["k 1 replaced"])
    }

    /// The difference to Guava: CacheLoadingTest.testInvalidateDuringLoading stores what was loaded.
    @Test func anInvalidationDuringALoadDiscardsTheLoadedValue() throws {
        let removed = Log<String>()
        let cache = Cache<String, Int>(
            try CacheConfiguration(recordsStatistics: true, removalListener: { removed.note($0) }))
        let (isLoading, mayEnd) = (Gate(), Gate())
        let loader = Spawned {
            try? cache.get(
                "k",
                orLoad: {
                    isLoading.open()
                    mayEnd.wait()
                    return 1
                })
        }
        isLoading.wait()
        let waiter = Spawned { try? cache.get("k", orLoad: { 3 }) }
        #expect(eventually { cache.misses == 2 })
        cache.invalidate("k")
        // Who asks after the invalidation does not get what was read before it.
        #expect(try cache.get("k", orLoad: { 2 }) == 2)
        mayEnd.open()
        #expect(try loader.join() == 1)
        #expect(try waiter.join() == 1)
        #expect(cache.getIfPresent("k") == 2)
        #expect(removed.all == ["k 1 explicit"])
    }

    /// CacheLoadingTest.testInvalidateAndReloadDuringLoading, with `invalidateAll`
    @Test func invalidatingEverythingDiscardsWhatIsBeingLoaded() throws {
        let cache = Cache<String, Int>(try CacheConfiguration())
        #expect(
            try cache.get(
                "k",
                orLoad: {
                    cache.invalidateAll()
                    return 1
                }) == 1)
        #expect(cache.getIfPresent("k") == nil && cache.count == 0)
    }

    /// CacheManualTest.testGetIfPresent with an absent value, which Guava cannot hold
    @Test func absenceIsAValue() throws {
        let calls = Log<Int>()
        let cache = LoadingCache<Int, Int?>(try CacheConfiguration(recordsStatistics: true)) { key in
            calls.append(key)
            return nil
        }
        #expect(try cache.get(1) == nil)
        #expect(try cache.get(1) == nil)
        #expect(cache.getIfPresent(1) == .some(.none))
        #expect(cache.count == 1 && calls.count == 1)
        #expect(cache.statistics.hits == 2 && cache.statistics.misses == 1)
    }
}
