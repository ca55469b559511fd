import LoadingCache
import Testing

@Suite struct RefreshTests {
    private let clock = ManualTicker()

    private func cache(
        after: Duration = .nanoseconds(10), retry: Duration = .zero, expireAfterWrite: Duration? = nil,
        failures: Log<String> = Log(), reload: CacheLoader<Int, Int>.Reload,
        load: @escaping @Sendable (Int) throws -> Int = { $0 * 10 }
    ) throws -> LoadingCache<Int, Int> {
        try LoadingCache(
            try CacheConfiguration(
                expireAfterWrite: expireAfterWrite, concurrencyLevel: 1, recordsStatistics: true, ticker: clock.ticker,
                failureHandler: { failures.append("\($0)") }),
            refresh: try RefreshPolicy(after: after, retryAfterFailure: retry),
            loader: CacheLoader(reload: reload, load: load))
    }

    /// CacheBuilderRefreshTest: eligible when now − written > duration, strictly
    @Test func aValueIsReloadedWhenItIsOlderThanTheDurationNotWhenItIsAsOld() throws {
        let cache = try cache(reload: .synchronous { _, old in old + 1 })
        cache.put(1, 100)
        clock.advance(10)
        #expect(try cache.get(1) == 100)
        clock.advance(1)
        #expect(try cache.get(1) == 101)
        #expect(try cache.get(1) == 101)
    }

    /// The two threads of the article: one reloads and gets the new value, the other gets the old one meanwhile, and
    /// whoever asks afterwards gets the new one.
    @Test func ofTwoReadersOneReloadsAndTheOtherGetsTheOldValueAtOnce() throws {
        let (isReloading, mayEnd) = (Gate(), Gate())
        let calls = Log<Int>()
        let cache = try cache(reload: .load) { key in
            calls.append(key)
            isReloading.open()
            mayEnd.wait()
            return 2
        }
        cache.put(123, 1)
        clock.advance(11)
        let first = Spawned { try? cache.get(123) }
        isReloading.wait()
        // The reload cannot end before this returns.
        #expect(try cache.get(123) == 1)
        mayEnd.open()
        #expect(try first.join() == 2)
        #expect(try Spawned { try? cache.get(123) }.join() == 2)
        #expect(calls.all == [123])
    }

    /// CacheLoadingTest.testRefresh, LocalCacheTest.testSegmentRefresh_duplicate
    @Test func exactlyOneOfManyReadersReloads() throws {
        let mayEnd = Gate()
        let calls = Log<Int>()
        let cache = try cache(
            reload: .synchronous { _, old in
                calls.append(old)
                mayEnd.wait()
                return old + 1
            })
        cache.put(1, 100)
        clock.advance(11)
        let returned = Log<Int>()
        let threads = (0..<16).map { _ in Spawned { returned.append((try? cache.get(1)) ?? -1) } }
        #expect(eventually { returned.count == 15 })
        #expect(returned.all == Array(repeating: 100, count: 15))
        cache.refresh(1)
        mayEnd.open()
        for thread in threads { try thread.join() }
        #expect(returned.all.last == 101 && calls.all == [100])
        #expect(try cache.get(1) == 101)
        #expect(cache.statistics.loadSuccesses == 1)
        #expect(cache.statistics.hits == 17 && cache.statistics.misses == 0)
    }

    /// CacheLoadingTest.testRefresh_getIfPresent, which reloads in Guava
    @Test func lookingWithoutLoadingReloadsNothing() throws {
        let cache = try cache(reload: .synchronous { _, old in old + 1 })
        cache.put(1, 100)
        clock.advance(11)
        #expect(cache.getIfPresent(1) == 100)
        #expect(cache.getAllPresent([1]) == [1: 100])
        #expect(cache.statistics.loads == 0)
    }

    /// CacheLoadingTest.testReload with an asynchronous reload (CacheLoader.asyncReloading)
    @Test func anAsynchronousReloadMakesNobodyWait() throws {
        let mayEnd = Gate()
        let cache = try cache(
            reload: .asynchronous { _, old, completion in
                _ = Spawned {
                    mayEnd.wait()
                    completion(.success(old + 1))
                    completion(.success(-1))
                }
            })
        cache.put(1, 100)
        clock.advance(11)
        #expect(try cache.get(1) == 100)
        #expect(try cache.get(1) == 100)
        mayEnd.open()
        #expect(eventually { cache.getIfPresent(1) == 101 })
        #expect(cache.statistics.loadSuccesses == 1)
    }

    /// LocalCacheTest.testRefreshAsync's immediate future
    @Test func anAsynchronousReloadThatEndsAtOnceIsReturned() throws {
        let cache = try cache(reload: .asynchronous { _, old, completion in completion(.success(old + 1)) })
        cache.put(1, 100)
        clock.advance(11)
        #expect(try cache.get(1) == 101)
    }

    @Test func aReloadThatIsLetGoOfIsAFailureAndMayBeTriedAgain() throws {
        let failures = Log<String>()
        let cache = try cache(failures: failures, reload: .asynchronous { _, _, _ in })
        cache.put(1, 100)
        clock.advance(11)
        #expect(try cache.get(1) == 100)
        #expect(try cache.get(1) == 100)
        #expect(failures.all.count == 2 && failures.all[0].contains("reloadAbandoned"))
        #expect(cache.statistics.loadFailures == 2)
    }

    /// CacheLoadingTest.testRefreshError, testReloadCheckedException
    @Test func aFailedReloadKeepsTheOldValueAndIsCounted() throws {
        let failures = Log<String>()
        let cache = try cache(failures: failures, reload: .synchronous { _, _ in throw Unavailable() })
        cache.put(1, 100)
        clock.advance(11)
        #expect(try cache.get(1) == 100)
        #expect(try cache.get(1) == 100)
        #expect(cache.statistics.loadFailures == 2 && failures.count == 2)
        #expect(failures.all[0].hasPrefix("reload("))
    }

    /// Beyond Guava, where every read retries
    @Test func afterAFailedReloadTheNextAttemptWaits() throws {
        let cache = try cache(retry: .nanoseconds(100), reload: .synchronous { _, _ in throw Unavailable() })
        cache.put(1, 100)
        clock.advance(11)
        for _ in 0..<5 { #expect(try cache.get(1) == 100) }
        #expect(cache.statistics.loadFailures == 1)
        clock.advance(99)
        #expect(try cache.get(1) == 100)
        #expect(cache.statistics.loadFailures == 1)
        clock.advance(1)
        #expect(try cache.get(1) == 100)
        #expect(cache.statistics.loadFailures == 2)
        cache.invalidate(1)
        cache.put(1, 200)
        clock.advance(11)
        _ = try cache.get(1)
        #expect(cache.statistics.loadFailures == 3)
    }

    /// The table of the article: both settings together
    @Test func withBothAValueIsFreshThenReloadedThenLoadedWhileEverybodyWaits() throws {
        let calls = Log<String>()
        let (isLoading, mayEnd) = (Gate(), Gate())
        let cache = try cache(
            after: .nanoseconds(10), expireAfterWrite: .nanoseconds(30),
            reload: .synchronous { _, old in
                calls.append("reload")
                return old + 1
            }
        ) { _ in
            calls.append("load")
            isLoading.open()
            mayEnd.wait()
            return 1000
        }
        cache.put(1, 100)
        clock.advance(5)
        #expect(try cache.get(1) == 100 && calls.count == 0)
        clock.advance(6)
        #expect(try cache.get(1) == 101)
        #expect(calls.all == ["reload"])
        clock.advance(30)
        let threads = (0..<4).map { _ in Spawned { try? cache.get(1) } }
        isLoading.wait()
        #expect(eventually { cache.misses == 4 })
        #expect(cache.getIfPresent(1) == nil)
        mayEnd.open()
        for thread in threads { #expect(try thread.join() == 1000) }
        #expect(calls.all == ["reload", "load"])
    }

    /// CacheLoadingTest.testRefresh: of a key that is absent, and of one that is there
    @Test func refreshLoadsWhatIsAbsentAndReloadsWhatIsThere() throws {
        let failures = Log<String>()
        let cache = try cache(failures: failures, reload: .synchronous { _, old in old + 1 }) { key in
            if key < 0 { throw Unavailable() }
            return key * 10
        }
        cache.refresh(1)
        #expect(cache.getIfPresent(1) == 10)
        cache.refresh(1)
        #expect(cache.getIfPresent(1) == 11)
        cache.refresh(-1)
        #expect(cache.getIfPresent(-1) == nil && failures.count == 1)
    }

    /// LocalCacheTest.testRemovalListener_replaced by a refresh
    @Test func whatComesDuringAReloadIsNotOverwritten() throws {
        let (isReloading, mayEnd) = (Gate(), Gate())
        let cache = try cache(
            reload: .synchronous { _, old in
                isReloading.open()
                mayEnd.wait()
                return old + 1
            })
        cache.put(1, 100)
        let refresher = Spawned { cache.refresh(1) }
        isReloading.wait()
        cache.put(1, 200)
        mayEnd.open()
        try refresher.join()
        #expect(cache.getIfPresent(1) == 200)
    }
}
