import Synchronization

extension Cache {
    // MARK: - Reading

    /// The value of a key, if it is here and its time is not up. Loads nothing, and starts no reload. Expected O(1).
    @inlinable public final func getIfPresent(_ key: Key) -> Value? {
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
    @inlinable public final func getAllPresent(_ keys: some Sequence<Key>) -> [Key: Value] {
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
    @inlinable public final func get(_ key: Key, orLoad load: () throws -> Value) throws -> Value {
        try get(key, { _ in try load() })
    }

    @inlinable @inline(__always) final func get(_ key: Key, _ load: (Key) throws -> Value) throws -> Value {
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

    // MARK: - Loading

    /// Loads a key that is not here, or waits for the thread that does. The lock is held, and released here.
    @inlinable @inline(never) final func unlockAndLoad(
        _ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>, _ load: (Key) throws -> Value
    ) throws -> Value {
        let (running, isNew) = segment.state.pointee.load(of: key, isOwned: true)
        unlockAfterMiss(key, hash, now, segment)
        return try isNew ? run(running, key, hash, load).get() : running.wait()
    }

    /// Calls the loader for a load that is listed, and ends it.
    @inlinable final func run(
        _ running: Load<Value>, _ key: Key, _ hash: UInt64, _ load: (Key) throws -> Value
    ) -> Result<Value, any Error> {
        let started = policy.recordsStatistics ? ticker.now() : 0
        let outcome = Result { try load(key) }
        end(running, key, hash, outcome, started: started)
        return outcome
    }

    /// Ends a load: stores the value unless something came before, and wakes the waiters.
    ///
    /// - Parameter started: When the loader was called; `nil` if the load is counted elsewhere.
    @usableFromInline final func end(
        _ running: Load<Value>, _ key: Key, _ hash: UInt64, _ outcome: Result<Value, any Error>, started: Int64?
    ) {
        var weight: UInt32 = 0
        if case .success(let value) = outcome { weight = self.weight(key, value) }
        let now = policy.usesTime || policy.recordsStatistics ? ticker.now() : 0
        let segment = segment(for: hash)
        var removals = Removals<Key, Value>()
        var old: Value?
        _ = segment.lock.lock()
        if policy.expires { segment.expire(now, policy, &removals) }
        if policy.recordsStatistics, let started { segment.state.pointee.noteLoad(outcome, now &- started) }
        let supersession = running.supersession
        if supersession == .none { _ = segment.state.pointee.supersede(key, .none) }
        switch (supersession, outcome) {
        case (.none, .success(let value)): old = store(key, value, hash, weight, now, segment, &removals)
        case (.none, .failure): segment.state.pointee.delayRetry(key, hash, now, policy)
        case (_, .success(let value)):
            let cause = supersession == .replaced ? RemovalCause.replaced : .explicit
            removals.append(Removal(key: key, value: value, cause: cause))
        case (_, .failure): break
        }
        segment.lock.unlock()
        if supersession != .replaced { running.complete(outcome) }
        withExtendedLifetime(old) {}
        finish(removals)
    }

    // MARK: - Refreshing

    /// Reloads an old value unless another thread does. The lock is held, and released here.
    ///
    /// - Returns: The new value if it is there at once, else the old one.
    @inlinable @inline(never) final func unlockAndReload(
        _ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>, _ isFree: Bool, _ old: Value,
        _ load: (Key) throws -> Value
    ) -> Value {
        let running = beginReload(key, now, segment)
        unlockAfterHit(now, segment, isFree)
        guard let running else { return old }
        return runReload(running, key, hash, old, load) ?? old
    }

    /// Lists a reload, unless the key is being loaded or its last reload failed a moment ago. Under the lock.
    @usableFromInline final func beginReload(_ key: Key, _ now: Int64, _ segment: Segment<Key, Value>) -> Load<Value>? {
        if let retry = segment.state.pointee.retries[key], now < retry { return nil }
        let (running, isNew) = segment.state.pointee.load(of: key, isOwned: !reload.isAsynchronous)
        return isNew ? running : nil
    }

    /// Runs a reload that is listed.
    ///
    /// - Returns: The new value if it is there when the loader returns.
    @inlinable final func runReload(
        _ running: Load<Value>, _ key: Key, _ hash: UInt64, _ old: Value, _ load: (Key) throws -> Value
    ) -> Value? {
        let outcome: Result<Value, any Error>
        switch reload {
        case .load: outcome = run(running, key, hash, load)
        case .synchronous(let reload): outcome = run(running, key, hash) { key in try reload(key, old) }
        case .asynchronous(let reload): return startReload(running, key, hash, old, reload)
        }
        switch outcome {
        case .success(let value): return value
        case .failure(let error):
            report(error)
            return nil
        }
    }

    @usableFromInline final func startReload(
        _ running: Load<Value>, _ key: Key, _ hash: UInt64, _ old: Value,
        _ reload: (Key, Value, @escaping CacheLoader<Key, Value>.Completion) -> Void
    ) -> Value? {
        let pending = PendingReload(self, running, key, hash)
        reload(key, old) { pending.end($0) }
        return running.value
    }

    @usableFromInline final func report(_ error: any Error) { failureHandler(.reload(error)) }
}

extension CacheLoader.Reload {
    var isAsynchronous: Bool { if case .asynchronous = self { true } else { false } }
}

extension SegmentState {
    /// Counts a load that took so many nanoseconds.
    mutating func noteLoad<Loaded>(_ outcome: Result<Loaded, any Error>, _ duration: Int64) {
        if case .success = outcome { loadSuccesses += 1 } else { loadFailures += 1 }
        loadTime &+= max(0, duration)
    }

    /// After a failed reload the entry is not reloaded for a while.
    mutating func delayRetry(_ key: Key, _ hash: UInt64, _ now: Int64, _ policy: Policy) {
        guard policy.retryAfterFailure > 0, find(key, UInt32(truncatingIfNeeded: hash)) != nowhere else { return }
        retries[key] = Self.end(now, policy.retryAfterFailure)
    }

    /// The load of a key that is listed, or a new one, which is listed now.
    @usableFromInline mutating func load(of key: Key, isOwned: Bool) -> (Load<Value>, isNew: Bool) {
        if let load = loads[key] { return (load, false) }
        let load = Load<Value>(isOwned: isOwned)
        loads[key] = load
        return (load, true)
    }

    /// Whether an entry's value is so old that it is reloaded.
    @inlinable func isOld(_ number: UInt32, _ now: Int64, _ policy: Policy) -> Bool {
        guard let times else { return false }
        return now &- times[Int(number)].written > policy.refreshAfterWrite
    }
}

/// A reload that ends on another thread. Letting go of it ends it as a failure, so that no key stays in reloading.
private final class PendingReload<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let cache: Cache<Key, Value>
    private let running: Load<Value>
    private let key: Key
    private let hash: UInt64
    private let started: Int64
    private let isOver = Atomic(false)

    init(_ cache: Cache<Key, Value>, _ running: Load<Value>, _ key: Key, _ hash: UInt64) {
        self.cache = cache
        self.running = running
        self.key = key
        self.hash = hash
        started = cache.policy.recordsStatistics ? cache.ticker.now() : 0
    }

    deinit { end(.failure(CacheError.reloadAbandoned)) }

    func end(_ outcome: Result<Value, any Error>) {
        guard !isOver.exchange(true, ordering: .relaxed) else { return }
        cache.end(running, key, hash, outcome, started: started)
        if case .failure(let error) = outcome { cache.report(error) }
    }
}
