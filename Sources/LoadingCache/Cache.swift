import Synchronization

/// A map from keys to values that threads share, that loads what it lacks once for all who ask, and that lets go of
/// what is too old or too much.
///
/// This one has no source of its own: each `get(_:orLoad:)` brings one. A `LoadingCache` has a loader.
///
/// Every method may be called from any thread at any time and from inside a loader or a removal listener. None holds a
/// lock while it calls a loader, a weigher, a listener or a clock; the key's `==` and `hash(into:)` do run under a
/// segment's lock and must not use the cache. A value is returned as the cache holds it: where it is a class, both
/// refer to the same object.
public class Cache<Key: Hashable & Sendable, Value: Sendable>: @unchecked Sendable {
    // SAFETY: everything here is constant. The memory behind `segments` is reached through `Segment`, whose lock is
    // held by whoever touches its state.

    @usableFromInline final let segments: UnsafeMutableRawPointer
    /// The number of segments less one; their number is a power of two.
    @usableFromInline final let segmentMask: Int
    @usableFromInline final let policy: Policy
    @usableFromInline final let hasher: KeyHash
    @usableFromInline final let ticker: Ticker
    @usableFromInline final let weigher: (@Sendable (Key, Value) -> Int)?
    @usableFromInline final let removalListener: (@Sendable (Removal<Key, Value>) throws -> Void)?
    @usableFromInline final let reload: CacheLoader<Key, Value>.Reload
    final let failureHandler: @Sendable (CacheConfiguration<Key, Value>.BackgroundFailure) -> Void

    /// An empty cache. O(number of segments).
    public convenience init(_ configuration: CacheConfiguration<Key, Value>) {
        self.init(configuration, refresh: nil, reload: .load)
    }

    init(
        _ configuration: CacheConfiguration<Key, Value>, refresh: RefreshPolicy?,
        reload: CacheLoader<Key, Value>.Reload
    ) {
        policy = Policy(configuration, refresh: refresh)
        hasher = KeyHash()
        ticker = configuration.ticker
        weigher = configuration.bound.weigher
        removalListener = configuration.removalListener
        failureHandler = configuration.failureHandler
        self.reload = reload

        let count = configuration.segmentCount
        segmentMask = count - 1
        segments = .allocate(byteCount: count * Segment<Key, Value>.stride, alignment: Segment<Key, Value>.alignment)
        let capacity = (configuration.initialCapacity + count - 1) / count
        for index in 0..<count {
            // The shares sum to the bound: the first segments have one unit more where it does not divide.
            let share = configuration.bound.total.map { $0 / count + (index < $0 % count ? 1 : 0) }
            segment(at: index).initialize(
                SegmentState(
                    capacity: capacity, maximumWeight: share ?? .max, isWeighed: weigher != nil, policy))
        }
    }

    deinit {
        forEachSegment { $0.deinitialize() }
        segments.deallocate()
    }

    // MARK: - Segments

    /// The segment of a key with this hash, whose high bits choose it.
    @inlinable @inline(__always) final func segment(for hash: UInt64) -> Segment<Key, Value> {
        segment(at: Int(truncatingIfNeeded: hash >> 48) & segmentMask)
    }

    @inlinable @inline(__always) final func segment(at index: Int) -> Segment<Key, Value> {
        Segment(segments + index &* Segment<Key, Value>.stride)
    }

    final func forEachSegment(_ body: (Segment<Key, Value>) throws -> Void) rethrows {
        for index in 0...segmentMask { try body(segment(at: index)) }
    }

    // MARK: - Viewing

    /// The number of entries, those included whose time is up and that no operation has met yet. Keys that are being
    /// loaded for the first time do not count. O(number of segments); other threads may change it at any time.
    public final var count: Int {
        var count = 0
        forEachSegment { segment in
            _ = segment.lock.lock()
            count += segment.state.pointee.count
            segment.lock.unlock()
        }
        return count
    }

    /// The entries whose time is not up, renewing none of them. O(n).
    ///
    /// Each segment is copied at one moment, and one after the other.
    public final func snapshot() -> [Key: Value] {
        let now = policy.usesTime ? ticker.now() : 0
        var entries: [Key: Value] = [:]
        forEachSegment { segment in
            var copied: [(Key, Value)] = []
            _ = segment.lock.lock()
            segment.state.pointee.forEach { number in
                if segment.state.pointee.isExpired(number, now, policy) { return }
                let entry = segment.state.pointee.entries[Int(number)]
                copied.append((entry.key, entry.value))
            }
            segment.lock.unlock()
            for (key, value) in copied { entries[key] = value }
        }
        return entries
    }

    /// Removes what has expired from every segment where something has. For a timer, so that an
    /// idle cache frees its memory; a cache in use does not need it.
    ///
    /// O(number of segments), and what `put` takes for each entry removed. A segment where nothing is due is not
    /// locked, and one whose lock another thread holds is left to that thread.
    public final func cleanUp() {
        guard policy.expires else { return }
        let now = ticker.now()
        forEachSegment { segment in
            guard now >= segment.due.pointee.load(ordering: .relaxed), segment.lock.tryLock() else { return }
            cleanAndUnlock(now, segment)
        }
    }

    /// What has been counted so far; zeros unless the configuration asks for it. O(number of segments).
    public final var statistics: CacheStatistics {
        var sum = CacheStatistics()
        guard policy.recordsStatistics else { return sum }
        forEachSegment { segment in
            _ = segment.lock.lock()
            let state = segment.state
            sum.hits += state.pointee.hits
            sum.misses += state.pointee.misses
            sum.loadSuccesses += state.pointee.loadSuccesses
            sum.loadFailures += state.pointee.loadFailures
            sum.totalLoadTime += .nanoseconds(state.pointee.loadTime)
            sum.evictions += state.pointee.evictions
            segment.lock.unlock()
        }
        return sum
    }

    // MARK: - What the operations share

    /// Removes everything that has expired, this key's entry included. Under the lock.
    @inlinable final func discardExpired(
        _ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>,
        _ removals: inout Removals<Key, Value>
    ) {
        guard policy.expires else { return }
        segment.expire(now, policy, &removals)
        let number = segment.state.pointee.find(key, UInt32(truncatingIfNeeded: hash))
        if number != nowhere && segment.state.pointee.isExpired(number, now, policy) {
            segment.state.pointee.evict(number, .expired, policy, &removals)
        }
    }

    /// Releases the lock after a lookup that found nothing.
    @inlinable final func unlockAfterMiss(_ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>) {
        var removals = Removals<Key, Value>()
        discardExpired(key, hash, now, segment, &removals)
        segment.lock.unlock()
        finish(removals)
    }

    /// Releases the lock after a lookup that found something. Every 64th read of a segment removes what has expired,
    /// unless it had to wait for the lock: then others may be waiting too.
    @inlinable @inline(__always)
    final func unlockAfterHit(_ now: Int64, _ segment: Segment<Key, Value>, _ isFree: Bool) {
        if policy.expires {
            segment.state.pointee.reads &+= 1
            if segment.state.pointee.reads & Self.readsBetweenCleanings == 0 && isFree {
                return cleanAndUnlock(now, segment)
            }
        }
        segment.lock.unlock()
    }

    /// One less than a power of two: `DRAIN_THRESHOLD` in Guava's `LocalCache`.
    @inlinable static var readsBetweenCleanings: UInt32 { 0x3F }

    @usableFromInline final func cleanAndUnlock(_ now: Int64, _ segment: Segment<Key, Value>) {
        var removals = Removals<Key, Value>()
        segment.expire(now, policy, &removals)
        segment.lock.unlock()
        finish(removals)
    }

    /// Stores a value under the lock.
    ///
    /// - Returns: The value that it replaced, which must outlive the lock.
    @inlinable final func store(
        _ key: Key, _ value: Value, _ hash: UInt64, _ weight: UInt32, _ now: Int64, _ segment: Segment<Key, Value>,
        _ removals: inout Removals<Key, Value>
    ) -> Value? {
        let tag = UInt32(truncatingIfNeeded: hash)
        var number = segment.state.pointee.find(key, tag)
        if number != nowhere && segment.state.pointee.isExpired(number, now, policy) {
            // Two clock readings crossed, and the orders do not show that it is the oldest.
            segment.state.pointee.evict(number, .expired, policy, &removals)
            number = nowhere
        }
        var old: Value?
        if number != nowhere {
            let replaced = segment.state.pointee.replace(number, value, weight: weight, now, policy)
            if removalListener != nil {
                removals.append(
                    Removal(key: segment.state.pointee.entries[Int(number)].key, value: replaced, cause: .replaced))
            }
            old = replaced
        } else {
            number = segment.state.pointee.insert(key, value, tag, weight: weight, now, policy)
            segment.noteWrite(now, policy)
        }
        if policy.evictsBySize { segment.state.pointee.evictExcess(newest: number, policy, &removals) }
        return old
    }

    /// What a value counts against the bound.
    @inlinable final func weight(_ key: Key, _ value: Value) -> UInt32 {
        guard let weigher else { return 1 }
        guard let weight = UInt32(exactly: weigher(key, value)) else {
            preconditionFailure("a weight is between 0 and 4,294,967,295")
        }
        return weight
    }

    /// Tells the listener what was removed and lets go of it. Without a lock held.
    @inlinable @inline(__always)
    final func finish(_ removals: Removals<Key, Value>) { if removals.first != nil { notify(removals) } }

    @usableFromInline final func notify(_ removals: Removals<Key, Value>) {
        guard let removalListener, let first = removals.first else { return }
        for removal in CollectionOfOne(first) + removals.rest {
            do {
                try removalListener(removal)
            } catch {
                failureHandler(.removalListener(error))
            }
        }
    }
}
