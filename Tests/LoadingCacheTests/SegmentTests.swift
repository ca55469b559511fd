import Testing

@testable import LoadingCache

@Suite struct SegmentTests {
    /// LocalCacheTest.testSetConcurrencyLevel
    @Test(arguments: [
        (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (63, 64), (64, 64), (65, 128), (65_536, 65_536), (100_000, 65_536),
    ])
    func theSegmentsAreTheNextPowerOfTwo(_ level: Int, _ segments: Int) throws {
        #expect(try CacheConfiguration<Int, Int>(concurrencyLevel: level).segmentCount == segments)
    }

    /// LocalCacheTest.testSetMaximumSize: doubled while segments × 20 ≤ maximum
    @Test(arguments: [(0, 1), (19, 1), (20, 2), (39, 2), (40, 4), (79, 4), (80, 8), (1279, 64), (1280, 64)])
    func aSmallBoundMeansFewerSegments(_ maximum: Int, _ segments: Int) throws {
        #expect(
            try CacheConfiguration<Int, Int>(bound: .maximumSize(maximum), concurrencyLevel: 64).segmentCount
                == segments)
    }

    @Test func withoutALevelThereAreFour() throws {
        #expect(try CacheConfiguration<Int, Int>().segmentCount == 4)
    }

    /// LocalCacheTest.testSetMaximumSize: the shares
    @Test(arguments: [0, 1, 20, 83, 1281, 100_003]) func theSharesSumToTheBound(_ maximum: Int) throws {
        let cache = Cache<Int, Int>(
            try CacheConfiguration(bound: .maximumSize(maximum), concurrencyLevel: 64))
        var shares: [Int] = []
        cache.forEachSegment { shares.append($0.state.pointee.maximumWeight) }
        #expect(shares.reduce(0, +) == maximum && shares.max()! - shares.min()! <= 1)
    }

    /// No two segments within one pair of cache lines
    @Test func segmentsAreApart() throws {
        #expect(Segment<String, Int>.stride % 128 == 0)
        let cache = Cache<String, Int>(try CacheConfiguration(concurrencyLevel: 2))
        #expect(Int(bitPattern: cache.segments) % 128 == 0)
    }

    /// The table against a dictionary, with much removal, in one segment
    @Test func theTableHoldsWhatADictionaryHolds() throws {
        let cache = Cache<Int, Int>(try CacheConfiguration(concurrencyLevel: 1, initialCapacity: 0))
        var reference: [Int: Int] = [:]
        var random = SystemRandomNumberGenerator()
        for step in 0..<20_000 {
            let key = Int.random(in: 0..<500, using: &random)
            if Bool.random(using: &random) {
                cache.put(key, step)
                reference[key] = step
            } else {
                cache.invalidate(key)
                reference[key] = nil
            }
            if step % 1000 == 0 { #expect(cache.snapshot() == reference) }
        }
        #expect(cache.snapshot() == reference && cache.count == reference.count)
    }

    /// Keys and values are released when their entries go, and with the cache
    @Test func nothingIsKeptOrReleasedTwice() throws {
        final class Token: Sendable {
            let log: Log<Int>
            init(_ log: Log<Int>) { self.log = log }
            deinit { log.append(1) }
        }
        let gone = Log<Int>()
        var cache: Cache<Int, Token>? = Cache(try CacheConfiguration(bound: .maximumSize(100), concurrencyLevel: 1))
        for key in 0..<300 { cache!.put(key % 150, Token(gone)) }
        #expect(gone.count == 200)
        cache!.invalidate(299 % 150)
        #expect(gone.count == 201)
        cache = nil
        #expect(gone.count == 300)
    }

    /// A value whose end uses the cache: it must come after the lock is released
    @Test(.timeLimit(.minutes(1))) func theEndOfAValueMayUseTheCache() throws {
        final class Reentrant: Sendable {
            let cache: Cache<Int, Reentrant>
            init(_ cache: Cache<Int, Reentrant>) { self.cache = cache }
            deinit { _ = cache.getIfPresent(1) }
        }
        let cache = Cache<Int, Reentrant>(try CacheConfiguration(bound: .maximumSize(3), concurrencyLevel: 1))
        for key in [1, 1, 2, 3, 4, 5] { cache.put(key, Reentrant(cache)) }
        cache.invalidate(5)
        cache.invalidateAll()
        #expect(cache.count == 0)
    }
}
