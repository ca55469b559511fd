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
        segments = .allocate(
            byteCount: count * Segment<Key, Value>.stride, alignment: Segment<Key, Value>.alignment)
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

    // MARK: - Reading

    /// The value of a key, if it is here and its time is not up. Loads nothing, and starts no reload. Expected O(1).
    @inlinable
    public final func getIfPresent(_ key: Key) -> Value? {
        let hash = hasher.hash(key)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        let isFree = segment.lock.lock()
        let number = segment.state.pointee.read(key, UInt32(truncatingIfNeeded: hash), now, policy)
        if number == nowhere {
            unlockAfterMiss(key, hash, now, segment)
            return nil
        }
        let value = segment.state.pointee.entries[Int(number)].value
        unlockAfterHit(now, segment, isFree)
        return value
    }

    /// The values of those keys that are here. Loads nothing. Expected O(1) for each key.
    ///
    /// - Returns: A dictionary without the keys that are absent.
    @inlinable
    public final func getAllPresent(_ keys: some Sequence<Key>) -> [Key: Value] {
        var present: [Key: Value] = [:]
        for key in keys { present[key] = getIfPresent(key) }
        return present
    }

    /// The value of a key, loaded if it is not here. Expected O(1) besides the load.
    ///
    /// While one thread loads a key, the others that ask for it wait and get the same value or error. A value that was
    /// put meanwhile is what they get; the one that was loaded is dropped, and only this call returns it.
    ///
    /// - Parameters:
    ///   - key: What is asked for.
    ///   - load: Returns the value. Called at most once, on this thread, without a lock held.
    /// - Throws: What `load` throws, here or on the thread that loads for this one; nothing is stored then.
    ///   `CacheError.recursiveLoad` inside a load of the same key.
    @inlinable
    public final func get(_ key: Key, orLoad load: () throws -> Value) throws -> Value {
        try get(key, { _ in try load() })
    }

    @inlinable
    @inline(__always)
    final func get(_ key: Key, _ load: (Key) throws -> Value) throws -> Value {
        let hash = hasher.hash(key)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        let isFree = segment.lock.lock()
        let number = segment.state.pointee.read(key, UInt32(truncatingIfNeeded: hash), now, policy)
        if number == nowhere { return try unlockAndLoad(key, hash, now, segment, load) }
        let value = segment.state.pointee.entries[Int(number)].value
        if policy.refreshes && segment.state.pointee.isOld(number, now, policy) {
            return unlockAndReload(key, hash, now, segment, isFree, value, load)
        }
        unlockAfterHit(now, segment, isFree)
        return value
    }

    // MARK: - Segments

    /// The segment of a key with this hash, whose high bits choose it.
    @inlinable
    @inline(__always)
    final func segment(for hash: UInt64) -> Segment<Key, Value> {
        segment(at: Int(truncatingIfNeeded: hash >> 48) & segmentMask)
    }

    @inlinable
    @inline(__always)
    final func segment(at index: Int) -> Segment<Key, Value> {
        Segment(segments + index &* Segment<Key, Value>.stride)
    }

    final func forEachSegment(_ body: (Segment<Key, Value>) throws -> Void) rethrows {
        for index in 0...segmentMask { try body(segment(at: index)) }
    }
}
