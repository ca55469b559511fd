import LoadingCache
import Testing

@Suite struct ConfigurationTests {
    typealias Configuration = CacheConfiguration<Int, Int>

    /// CacheBuilderTest.testMaximumSize_negative, testConcurrencyLevel_zero, testTimeToLive_negative and the like
    @Test func numbersBelowTheirRangeAreRejected() {
        #expect(throws: CacheConfigurationError.negativeBound) { try Configuration(bound: .maximumSize(-1)) }
        #expect(throws: CacheConfigurationError.negativeBound) {
            try Configuration(bound: .maximumWeight(-1, weigher: { _, _ in 1 }))
        }
        #expect(throws: CacheConfigurationError.concurrencyLevel) { try Configuration(concurrencyLevel: 0) }
        #expect(throws: CacheConfigurationError.negativeCapacity) { try Configuration(initialCapacity: -1) }
        #expect(throws: CacheConfigurationError.duration) { try Configuration(expireAfterWrite: .nanoseconds(-1)) }
        #expect(throws: CacheConfigurationError.duration) { try Configuration(expireAfterAccess: .seconds(-1)) }
        #expect(throws: CacheConfigurationError.duration) { try RefreshPolicy(after: .zero) }
        #expect(throws: CacheConfigurationError.duration) {
            try RefreshPolicy(after: .seconds(1), retryAfterFailure: .seconds(-1))
        }
    }

    /// Guava accepts it silently. A refresh without a loader, CacheBuilderTest's testRefresh_noLoader, cannot be
    /// written.
    @Test(arguments: [(9, true), (10, false), (11, false)])
    func aRefreshThatIsNotShorterThanTheExpiryIsRejected(_ refresh: Int, _ isAccepted: Bool) throws {
        let configuration = try Configuration(expireAfterWrite: .seconds(10))
        let policy = try RefreshPolicy(after: .seconds(refresh))
        let build = { _ = try LoadingCache(configuration, refresh: policy, loader: CacheLoader { $0 }) }
        if isAccepted {
            try build()
        } else {
            #expect(throws: CacheConfigurationError.refreshNotBeforeExpiry, performing: build)
        }
    }

    /// CacheBuilderTest.testTimeToLive_large: a duration that does not fit is never over
    @Test func aDurationOfAgesIsForEver() throws {
        let clock = ManualTicker()
        let cache = Cache<Int, Int>(
            try Configuration(
                expireAfterWrite: .seconds(Int64.max), expireAfterAccess: .seconds(1), ticker: clock.ticker))
        cache.put(1, 1)
        clock.advance(999_999_999)
        #expect(cache.getIfPresent(1) == 1)
        clock.advance(1_000_000_000)
        #expect(cache.getIfPresent(1) == nil)
    }

    /// The clock that is used without another
    @Test func theSystemsClockGoesForward() {
        let first = Ticker.system.now()
        #expect(Ticker.system.now() >= first)
    }
}
