import LoadingCache
import Testing

@Suite struct RemovalListenerTests {
    /// LocalCacheTest.testRemovalListener_explicit, _replaced, _expired, _overflow
    @Test func everyRemovalTellsItsCauseOnce() throws {
        let clock = ManualTicker()
        let removed = Log<String>()
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                bound: .maximumSize(2), expireAfterWrite: .nanoseconds(10), concurrencyLevel: 1, ticker: clock.ticker,
                removalListener: { removed.note($0) }))
        cache.put(1, 1)
        cache.put(1, 2)
        cache.put(2, 2)
        cache.put(3, 3)
        cache.invalidate(2)
        cache.invalidate(2)
        clock.advance(10)
        cache.cleanUp()
        cache.put(4, 4)
        cache.put(5, 5)
        cache.invalidateAll([5, 6])
        cache.invalidateAll()
        #expect(
            removed.all == ["1 1 replaced", "1 2 size", "2 2 explicit", "3 3 expired", "5 5 explicit", "4 4 explicit"])
    }

    /// CacheBuilderTest.testRemovalNotification_clear: what had expired before is told apart
    @Test func invalidatingEverythingTellsWhatHadExpiredApart() throws {
        let clock = ManualTicker()
        let removed = Log<String>()
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                expireAfterWrite: .nanoseconds(10), concurrencyLevel: 1, ticker: clock.ticker,
                removalListener: { removed.note($0) }))
        cache.put(1, 1)
        clock.advance(10)
        cache.invalidateAll()
        #expect(removed.all == ["1 1 expired"])
    }

    /// LocalCacheTest.testRemovalListenerCheckedException
    @Test func anErrorOfTheListenerIsReportedAndSwallowed() throws {
        let failures = Log<String>()
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                removalListener: { _ in throw Unavailable(number: 9) }, failureHandler: { failures.append("\($0)") }))
        cache.put(1, 1)
        cache.put(1, 2)
        cache.put(2, 2)
        cache.invalidateAll()
        #expect(cache.count == 0 && failures.count == 3)
        #expect(failures.all[0] == "removalListener(LoadingCacheTests.Unavailable(number: 9))")
    }

    /// Listeners run without the lock, on the thread of the caller
    @Test(.timeLimit(.minutes(1))) func theListenerMayUseTheCache() throws {
        let holder = Log<Cache<Int, Int>>()
        let seen = Log<Int?>()
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                concurrencyLevel: 1,
                removalListener: { removal in
                    seen.append(holder.all.first?.getIfPresent(removal.key))
                    if removal.cause == .explicit { holder.all.first?.put(removal.key, -1) }
                }))
        holder.append(cache)
        cache.put(1, 1)
        cache.put(1, 2)
        cache.invalidate(1)
        #expect(seen.all == [2, nil] && cache.getIfPresent(1) == -1)
    }

    @Test func onlyExpiredAndSizeAreEvictions() {
        #expect([RemovalCause.explicit, .replaced, .expired, .size].map(\.isEviction) == [false, false, true, true])
    }
}
