import Synchronization

extension Cache {
    /// Reloads an old value unless another thread does. The lock is held, and released here.
    ///
    /// - Returns: The new value if it is there at once, else the old one.
    @inlinable
    @inline(never)
    final func unlockAndReload(
        _ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>, _ isFree: Bool, _ old: Value,
        _ load: (Key) throws -> Value
    ) -> Value {
        let running = beginReload(key, now, segment)
        unlockAfterHit(now, segment, isFree)
        guard let running else { return old }
        return runReload(running, key, hash, old, load) ?? old
    }

    /// Lists a reload, unless the key is being loaded or its last reload failed a moment ago. Under the lock.
    @usableFromInline
    final func beginReload(_ key: Key, _ now: Int64, _ segment: Segment<Key, Value>) -> Load<Value>? {
        if let retry = segment.state.pointee.retries[key], now < retry { return nil }
        return segment.state.pointee.list(key, isOwned: !reload.isAsynchronous)
    }

    /// Runs a reload that is listed.
    ///
    /// - Returns: The new value if it is there when the loader returns.
    @inlinable
    final func runReload(
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

    @usableFromInline
    final func startReload(
        _ running: Load<Value>, _ key: Key, _ hash: UInt64, _ old: Value,
        _ reload: (Key, Value, @escaping CacheLoader<Key, Value>.Completion) -> Void
    ) -> Value? {
        let pending = PendingReload(self, running, key, hash)
        reload(key, old) { pending.end($0) }
        return running.value
    }

    @usableFromInline
    final func report(_ error: any Error) {
        failureHandler(.reload(error))
    }
}

extension CacheLoader.Reload {
    var isAsynchronous: Bool {
        if case .asynchronous = self { true } else { false }
    }
}

extension SegmentState {
    /// Lists a load of a key, unless there is one.
    mutating func list(_ key: Key, isOwned: Bool) -> Load<Value>? {
        guard loads[key] == nil else { return nil }
        let load = Load<Value>(isOwned: isOwned)
        loads[key] = load
        return load
    }

    /// Whether an entry's value is so old that it is reloaded.
    @inlinable
    func isOld(_ number: UInt32, _ now: Int64, _ policy: Policy) -> Bool {
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

    deinit {
        end(.failure(CacheError.reloadAbandoned))
    }

    func end(_ outcome: Result<Value, any Error>) {
        guard !isOver.exchange(true, ordering: .relaxed) else { return }
        cache.end(running, key, hash, outcome, started: started)
        if case .failure(let error) = outcome { cache.report(error) }
    }
}
