import LoadingCache
import Testing

@Suite struct EvictionTests {
    private func cache(_ bound: CacheConfiguration<Int, Int>.Bound, _ removed: Log<String> = Log()) throws -> Cache<
        Int, Int
    > {
        Cache(
            try CacheConfiguration(
                bound: bound, concurrencyLevel: 1, recordsStatistics: true, removalListener: { removed.note($0) }))
    }

    /// CacheEvictionTest.testEviction_maxSize, testEviction_lru
    @Test func theLeastRecentlyUsedEntryGoesFirst() throws {
        let removed = Log<String>()
        let cache = try cache(.maximumSize(3), removed)
        for key in 1...3 { cache.put(key, key) }
        #expect(cache.getIfPresent(1) == 1)
        #expect(try cache.get(2, orLoad: { -1 }) == 2)
        cache.put(4, 4)
        cache.put(1, 11)
        cache.put(5, 5)
        #expect(removed.all == ["3 3 size", "1 1 replaced", "2 2 size"])
        #expect(cache.snapshot() == [1: 11, 4: 4, 5: 5] && cache.statistics.evictions == 2)
    }

    /// CacheEvictionTest.testEviction_lru against a list, step by step
    @Test func theOrderOfUseIsExact() throws {
        let cache = try cache(.maximumSize(19))
        var order: [Int] = []
        for step in 0..<5_000 {
            let key = (step &* 7919 &+ step / 3) % 31
            let isPresent = cache.getIfPresent(key) != nil
            #expect(isPresent == order.contains(key))
            order.removeAll { $0 == key }
            order.append(key)
            if !isPresent { cache.put(key, step) }
            if order.count > 19 { order.removeFirst() }
        }
    }

    /// The same where the oldest entries are found by samples and batches: what goes is what was used longest ago
    @Test(arguments: [(300, 3_000), (20_000, 6_000)]) func theOrderOfUseIsExactAmongMany(
        _ size: Int, _ evictions: Int
    ) throws {
        let removed = Log<Int>()
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                bound: .maximumSize(size), concurrencyLevel: 1, removalListener: { removed.append($0.key) }))
        var random = SplitMix(state: 1)
        var uses: [Int] = []
        for key in 0..<size + evictions {
            cache.put(key, key)
            uses.append(key)
            let other = Int(random.next() % UInt64(key + 1))
            if cache.getIfPresent(other) != nil { uses.append(other) }
        }
        // Replays the uses, of which the last one of each key so far tells the order.
        var (expected, gone): ([Int], Set<Int>) = ([], [])
        var (oldest, present) = (0, 0)
        var lastSoFar: [Int: Int] = [:]
        for (moment, key) in uses.enumerated() {
            if lastSoFar[key] == nil { present += 1 }
            lastSoFar[key] = moment
            guard present > size else { continue }
            while lastSoFar[uses[oldest]] != oldest || gone.contains(uses[oldest]) { oldest += 1 }
            expected.append(uses[oldest])
            gone.insert(uses[oldest])
            present -= 1
        }
        #expect(expected.count == evictions)
        #expect(removed.all == expected)
    }

    /// A small generator, so that a failure can be repeated: https://prng.di.unimi.it/splitmix64.c
    private struct SplitMix {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    /// CacheBuilderTest.testSizingZero, CacheManualTest with maximumSize(0)
    @Test func aSizeOfZeroKeepsNothing() throws {
        let removed = Log<String>()
        let cache = try cache(.maximumSize(0), removed)
        cache.put(1, 1)
        #expect(try cache.get(2, orLoad: { 2 }) == 2)
        #expect(cache.count == 0 && removed.all == ["1 1 size", "2 2 size"])
    }

    /// CacheEvictionTest.testEviction_maxWeight, testEviction_overweight
    @Test func aHeavyEntryDrivesOutAsManyAsItNeeds() throws {
        let removed = Log<String>()
        let cache = try cache(.maximumWeight(10, weigher: { _, value in value }), removed)
        for key in 1...5 { cache.put(key, 2) }
        cache.put(6, 5)
        #expect(removed.all == ["1 2 size", "2 2 size", "3 2 size"])
        #expect(cache.snapshot() == [4: 2, 5: 2, 6: 5])
    }

    /// CacheEvictionTest.testEviction_maxWeight_entryTooBig
    @Test func anEntryHeavierThanTheShareDrivesOutOnlyItself() throws {
        let removed = Log<String>()
        let cache = try cache(.maximumWeight(10, weigher: { _, value in value }), removed)
        cache.put(1, 4)
        cache.put(2, 11)
        #expect(removed.all == ["2 11 size"] && cache.snapshot() == [1: 4])
        cache.put(1, 12)
        #expect(removed.all == ["2 11 size", "1 4 replaced", "1 12 size"] && cache.count == 0)
    }

    /// CacheEvictionTest.testEviction_maxWeight_zero
    @Test func anEntryOfWeightZeroNeverGoesForSize() throws {
        let cache = try cache(.maximumWeight(4, weigher: { _, value in value }))
        for key in 100..<120 { cache.put(key, 0) }
        for key in 0..<50 { cache.put(key, 1) }
        #expect(cache.count == 24)
        for key in 100..<120 { #expect(cache.getIfPresent(key) == 0) }
        #expect(cache.snapshot().keys.filter { $0 < 100 }.sorted() == [46, 47, 48, 49])
    }

    /// CacheEvictionTest.testUpdateWeight: the weight is that of the value when it was stored
    @Test func theWeightIsFixedWhenAValueIsStored() throws {
        let factor = Log<Int>()
        factor.append(1)
        let cache = Cache<Int, Int>(
            try CacheConfiguration(
                bound: .maximumWeight(10, weigher: { _, value in value * factor.count }), concurrencyLevel: 1))
        cache.put(1, 5)
        factor.append(1)
        cache.put(2, 2)
        #expect(cache.count == 2)
        cache.put(1, 1)
        cache.put(3, 2)
        #expect(cache.snapshot() == [1: 1, 2: 2, 3: 2])
        cache.put(4, 1)
        #expect(cache.snapshot() == [1: 1, 3: 2, 4: 1])
    }
}
