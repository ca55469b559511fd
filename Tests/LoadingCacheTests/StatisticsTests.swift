import LoadingCache
import Testing

@Suite struct StatisticsTests {
    /// CacheStatsTest.testEmpty
    @Test func withoutRequestsTheHitRateIsOne() {
        let empty = CacheStatistics()
        #expect(empty.hitRate == 1 && empty.missRate == 0 && empty.loadFailureRate == 0)
        #expect(empty.averageLoadTime == .zero && empty.requests == 0 && empty.loads == 0)
    }

    private let first = CacheStatistics(
        hits: 11, misses: 13, loadSuccesses: 17, loadFailures: 19, totalLoadTime: .nanoseconds(23 * 36), evictions: 27)
    private let second = CacheStatistics(
        hits: 53, misses: 47, loadSuccesses: 43, loadFailures: 41, totalLoadTime: .nanoseconds(37), evictions: 31)

    /// CacheStatsTest.testSingle
    @Test func ratesAreSharesOfTheirTotals() {
        #expect(first.requests == 24 && first.hitRate == 11.0 / 24 && first.missRate == 13.0 / 24)
        #expect(first.loads == 36 && first.loadFailureRate == 19.0 / 36)
        #expect(first.averageLoadTime == .nanoseconds(23))
    }

    /// CacheStatsTest.testPlus, testMinus
    @Test func minusStopsAtZero() {
        let sum = first + second
        #expect(sum.hits == 64 && sum.misses == 60 && sum.evictions == 58 && sum.totalLoadTime == .nanoseconds(865))
        #expect(sum - second == first)
        #expect(
            first - second == CacheStatistics(totalLoadTime: .nanoseconds(791)))
    }

    /// CacheBuilderTest.testRecordStats: off unless asked for
    @Test func nothingIsCountedUnlessAskedFor() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration())
        _ = try cache.get(1, orLoad: { 1 })
        _ = cache.getIfPresent(1)
        #expect(cache.statistics == CacheStatistics())
    }

    /// CacheLoadingTest.testLoad with its statistics, and the time
    @Test func hitsMissesAndLoadTimesAreCounted() throws {
        let clock = ManualTicker()
        let cache = Cache<Int, Int>(try CacheConfiguration(recordsStatistics: true, ticker: clock.ticker))
        _ = try cache.get(
            1,
            orLoad: {
                clock.advance(5)
                return 1
            })
        _ = try? cache.get(
            2,
            orLoad: {
                clock.advance(7)
                throw Unavailable()
            })
        _ = cache.getIfPresent(1)
        _ = cache.getIfPresent(3)
        #expect(
            cache.statistics
                == CacheStatistics(
                    hits: 1, misses: 3, loadSuccesses: 1, loadFailures: 1, totalLoadTime: .nanoseconds(12)))
    }
}
