import LoadingCache
import Testing

@Suite struct ExpiryTests {
    private let clock = ManualTicker()

    private func cache(
        write: Duration? = nil, access: Duration? = nil, removed: Log<String> = Log(), statistics: Bool = false
    ) throws -> Cache<Int, Int> {
        Cache(
            try CacheConfiguration(
                expireAfterWrite: write, expireAfterAccess: access, concurrencyLevel: 1, recordsStatistics: statistics,
                ticker: clock.ticker, removalListener: { removed.note($0) }))
    }

    /// LocalCacheTest.testExpireAfterWrite; the boundary: expired is now − t ≥ duration
    @Test func anEntryExpiresWhenItsTimeIsUpToTheNanosecond() throws {
        let removed = Log<String>()
        let cache = try cache(write: .nanoseconds(10), removed: removed)
        cache.put(1, 10)
        clock.advance(9)
        #expect(cache.getIfPresent(1) == 10)
        clock.advance(1)
        #expect(cache.getIfPresent(1) == nil)
        #expect(removed.all == ["1 10 expired"])
    }

    /// LocalCacheTest.testExpireAfterAccess, CacheExpirationTest.testExpirationOrder_access
    @Test func readsAndWritesRenewTheAccessTime() throws {
        let cache = try cache(access: .nanoseconds(10))
        for key in 0..<4 { cache.put(key, key) }
        clock.advance(6)
        #expect(cache.getIfPresent(0) == 0)
        #expect(try cache.get(1, orLoad: { -1 }) == 1)
        cache.put(2, 2)
        clock.advance(6)
        #expect(cache.snapshot() == [0: 0, 1: 1, 2: 2])
        clock.advance(4)
        #expect(cache.snapshot() == [:])
    }

    /// CacheExpirationTest.testExpirationOrder_write
    @Test func aReadDoesNotRenewTheWriteTimeAndAReplacementDoes() throws {
        let cache = try cache(write: .nanoseconds(10))
        for key in 0..<3 { cache.put(key, key) }
        clock.advance(6)
        #expect(cache.getIfPresent(0) == 0)
        cache.put(1, 11)
        clock.advance(4)
        #expect(cache.snapshot() == [1: 11])
        cache.cleanUp()
        #expect(cache.count == 1)
    }

    /// LocalCacheTest.testExpireAfterAccess: iterating and counting are no access
    @Test func countingAndIteratingRenewNothing() throws {
        let cache = try cache(access: .nanoseconds(10))
        cache.put(1, 1)
        clock.advance(9)
        #expect(cache.count == 1 && cache.snapshot() == [1: 1])
        clock.advance(1)
        #expect(cache.snapshot() == [:] && cache.getIfPresent(1) == nil)
    }

    /// CacheExpirationTest.testRemovalScheduler_expireAfterBoth
    @Test func withBothTheEarlierEndCounts() throws {
        let removed = Log<String>()
        let cache = try cache(write: .nanoseconds(8), access: .nanoseconds(6), removed: removed)
        cache.put(1, 1)
        cache.put(2, 2)
        clock.advance(5)
        #expect(cache.getIfPresent(1) == 1)
        clock.advance(1)
        cache.cleanUp()
        #expect(removed.all == ["2 2 expired"])
        clock.advance(2)
        cache.cleanUp()
        #expect(removed.all == ["2 2 expired", "1 1 expired"])
    }

    /// CacheExpirationTest.runRemovalScheduler: lazily, on a write
    @Test func nothingGoesByItselfAndAWriteRemovesWhatHasExpired() throws {
        let removed = Log<String>()
        let cache = try cache(write: .nanoseconds(10), removed: removed)
        cache.put(1, 1)
        cache.put(2, 2)
        clock.advance(100)
        #expect(cache.count == 2 && removed.count == 0)
        cache.put(3, 3)
        #expect(cache.count == 1)
        #expect(removed.all == ["1 1 expired", "2 2 expired"])
    }

    /// LocalCacheTest.testExpireAfterAccess: a read that meets an expired entry
    @Test func aReadThatMeetsAnExpiredEntryRemovesAllOfTheSegment() throws {
        let removed = Log<String>()
        let cache = try cache(write: .nanoseconds(10), removed: removed)
        cache.put(1, 1)
        cache.put(2, 2)
        clock.advance(10)
        #expect(try cache.get(2, orLoad: { 22 }) == 22)
        #expect(removed.all == ["1 1 expired", "2 2 expired"])
        #expect(cache.snapshot() == [2: 22])
    }

    /// LocalCacheTest.testDrainRecencyQueueOnRead's threshold: DRAIN_THRESHOLD
    @Test func everySixtyFourthReadCleansUp() throws {
        let removed = Log<String>()
        let cache = try cache(access: .nanoseconds(10), removed: removed)
        cache.put(1, 1)
        cache.put(2, 2)
        clock.advance(5)
        #expect(cache.getIfPresent(2) == 2)
        clock.advance(5)
        for _ in 0..<62 { #expect(cache.getIfPresent(2) == 2) }
        #expect(removed.count == 0 && cache.count == 2)
        #expect(cache.getIfPresent(2) == 2)
        #expect(removed.all == ["1 1 expired"])
    }

    /// LocalCacheTest.testExpireAfterWrite with cleanUp, for the timer that a process may have
    @Test func cleanUpRemovesWhatHasExpiredEverywhere() throws {
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                expireAfterWrite: .nanoseconds(10), concurrencyLevel: 16, recordsStatistics: true, ticker: clock.ticker)
        )
        for key in 0..<1000 { cache.put(key, key) }
        clock.advance(9)
        cache.cleanUp()
        #expect(cache.count == 1000)
        clock.advance(1)
        cache.cleanUp()
        #expect(cache.count == 0 && cache.statistics.evictions == 1000)
    }

    /// CacheBuilderTest.testTimeToLive_zero
    @Test func aDurationOfZeroKeepsNothing() throws {
        let cache = try cache(write: .zero)
        #expect(try cache.get(1, orLoad: { 1 }) == 1)
        #expect(try cache.get(1, orLoad: { 2 }) == 2)
        #expect(cache.snapshot() == [:])
    }

    /// CacheBuilderTest.testTicker_setTwice's companion: the clock costs, so it is left alone
    @Test func withoutATimeFeatureTheClockIsNotRead() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration(bound: .maximumSize(10), ticker: clock.ticker))
        _ = try cache.get(1, orLoad: { 1 })
        cache.put(2, 2)
        _ = cache.getIfPresent(2)
        cache.invalidateAll()
        cache.cleanUp()
        #expect(clock.timesRead == 0)
        let timed = try self.cache(write: .nanoseconds(10))
        timed.put(1, 1)
        _ = timed.getIfPresent(1)
        #expect(clock.timesRead == 2)
    }

    /// A clock that is about to wrap, or starts below zero, as System.nanoTime may
    @Test(arguments: [Int64.max - 5, Int64.min + 5, -5]) func anyBeginningOfTheClockWill(_ begin: Int64) throws {
        let now = ManualTicker()
        let ticker = Ticker { begin &+ now.ticker.now() &- 1_000 }
        let cache = Cache<Int, Int>(try CacheConfiguration(expireAfterWrite: .nanoseconds(100), ticker: ticker))
        cache.put(1, 1)
        now.advance(3)
        #expect(cache.getIfPresent(1) == 1)
    }
}
