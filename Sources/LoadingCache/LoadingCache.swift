/// A cache with a loader: `get` needs no more than a key.
///
/// Everything that `Cache` says holds here too, thread-safety first.
public final class LoadingCache<Key: Hashable & Sendable, Value: Sendable>: Cache<Key, Value>, @unchecked Sendable {
    // SAFETY: adds a constant to `Cache`.

    @usableFromInline let loader: CacheLoader<Key, Value>

    /// An empty cache. O(number of segments).
    ///
    /// - Parameters:
    ///   - configuration: How it behaves.
    ///   - refresh: When values are reloaded; `nil` for never.
    ///   - loader: Where its values come from.
    /// - Throws: `CacheConfigurationError.refreshNotBeforeExpiry` if entries would expire after a write before they
    ///   could be refreshed. An expiry after access may be the shorter one: reading renews the entry, not its value.
    public init(
        _ configuration: CacheConfiguration<Key, Value>, refresh: RefreshPolicy? = nil,
        loader: CacheLoader<Key, Value>
    ) throws(CacheConfigurationError) {
        if let refresh, let expiry = configuration.expireAfterWrite, refresh.after >= expiry {
            throw .refreshNotBeforeExpiry
        }
        self.loader = loader
        super.init(configuration, refresh: refresh, reload: loader.reload)
    }

    /// An empty cache that is never refreshed. O(number of segments).
    ///
    /// - Parameter load: Returns the value of a key.
    public init(_ configuration: CacheConfiguration<Key, Value>, load: @escaping @Sendable (Key) throws -> Value) {
        loader = CacheLoader(load: load)
        super.init(configuration, refresh: nil, reload: .load)
    }

    /// The value of a key, loaded if it is not here. Expected O(1) besides the load.
    ///
    /// A value that is due for refresh is reloaded by one of the threads that ask for it. That thread gets the new
    /// value, or the old one if the reload fails or goes on in the background; the others get the old one at once.
    ///
    /// - Throws: What the loader throws, here or on the thread that loads for this one; nothing is stored then.
    ///   `CacheError.recursiveLoad` inside a load of the same key.
    @inlinable public func get(_ key: Key) throws -> Value { try get(key, loader.load) }

    /// Reloads a key's value now, or loads it if it is not here. Does nothing while the key is being loaded.
    ///
    /// The old value stays available meanwhile, and if the reload fails. Counts neither as a hit nor as a miss. What
    /// fails goes to the configuration's `failureHandler`.
    public func refresh(_ key: Key) {
        let hash = hasher.hash(key)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        var removals = Removals<Key, Value>()
        var old: Value?
        _ = segment.lock.lock()
        discardExpired(key, hash, now, segment, &removals)
        let number = segment.state.pointee.find(key, UInt32(truncatingIfNeeded: hash))
        if number != nowhere { old = segment.state.pointee.entries[Int(number)].value }
        let (running, isNew) = segment.state.pointee.load(of: key, isOwned: old == nil || !reload.isAsynchronous)
        segment.lock.unlock()
        finish(removals)
        guard isNew else { return }
        if let old {
            _ = runReload(running, key, hash, old, loader.load)
        } else if case .failure(let error) = run(running, key, hash, loader.load) {
            report(error)
        }
    }

    /// The values of several keys; those that are not here are loaded by one call of `loadAll`, or, without it, by a
    /// call of `load` for each. Expected O(1) for each key besides the load.
    ///
    /// Keys that another thread is loading are waited for instead, after the others are loaded; other threads wait for
    /// those that are loaded here. What `loadAll` returns beyond its keys is stored as by `put`.
    ///
    /// - Returns: A dictionary with each of `keys`.
    /// - Throws: What the loader throws, and `CacheError.missingFromLoadAll` if it leaves out a key; what it did
    ///   return is stored then.
    public func getAll(_ keys: some Sequence<Key>) throws -> [Key: Value] {
        guard let loadAll = loader.loadAll else {
            var values: [Key: Value] = [:]
            for key in keys where values[key] == nil { values[key] = try get(key) }
            return values
        }
        var batch = Batch()
        for key in keys { look(up: key, &batch) }
        if !batch.own.isEmpty { try load(&batch, loadAll) }
        for (key, running) in batch.others { batch.values[key] = try running.wait() }
        return batch.values
    }

    // MARK: - Several keys at once

    /// A `getAll` under way.
    private struct Batch {
        var values: [Key: Value] = [:]
        /// Loads that this call has listed and must end.
        var own: [Key: (running: Load<Value>, hash: UInt64)] = [:]
        /// Loads of other threads, or of this one further up the stack.
        var others: [Key: Load<Value>] = [:]
    }

    /// Takes a key's value, or lists a load of it, or finds the one that is listed.
    private func look(up key: Key, _ batch: inout Batch) {
        if batch.values[key] != nil || batch.own[key] != nil || batch.others[key] != nil { return }
        let hash = hasher.hash(key)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        let isFree = segment.lock.lock()
        let number = segment.state.pointee.read(key, UInt32(truncatingIfNeeded: hash), now, policy)
        if number != nowhere {
            let value = segment.state.pointee.entries[Int(number)].value
            if policy.refreshes && segment.state.pointee.isOld(number, now, policy) {
                batch.values[key] = unlockAndReload(key, hash, now, segment, isFree, value, loader.load)
            } else {
                unlockAfterHit(now, segment, isFree)
                batch.values[key] = value
            }
            return
        }
        let (running, isNew) = segment.state.pointee.load(of: key, isOwned: true)
        unlockAfterMiss(key, hash, now, segment)
        if isNew { batch.own[key] = (running, hash) } else { batch.others[key] = running }
    }

    /// Loads what the batch has listed with one call, and ends every one of its loads whatever happens.
    private func load(_ batch: inout Batch, _ loadAll: ([Key]) throws -> [Key: Value]) throws {
        let started = policy.recordsStatistics ? ticker.now() : 0
        let loaded = Result { try loadAll(Array(batch.own.keys)) }
        count(loaded, started, batch)
        var isComplete = true
        for (key, (running, hash)) in batch.own {
            let outcome = loaded.flatMap { values -> Result<Value, any Error> in
                values[key].map { .success($0) } ?? .failure(CacheError.missingFromLoadAll)
            }
            end(running, key, hash, outcome, started: nil)
            if case .success(let value) = outcome { batch.values[key] = value } else { isComplete = false }
        }
        for (key, value) in try loaded.get() where batch.own[key] == nil { put(key, value) }
        if !isComplete { throw CacheError.missingFromLoadAll }
    }

    /// Counts a call of `loadAll` as one load, in the segment of any of its keys.
    private func count(_ loaded: Result<[Key: Value], any Error>, _ started: Int64, _ batch: Batch) {
        guard policy.recordsStatistics, let hash = batch.own.first?.value.hash else { return }
        let duration = ticker.now() &- started
        let segment = segment(for: hash)
        _ = segment.lock.lock()
        segment.state.pointee.noteLoad(loaded, duration)
        segment.lock.unlock()
    }
}
