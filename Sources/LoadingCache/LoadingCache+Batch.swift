extension LoadingCache {
    /// A `getAll` under way.
    struct Batch {
        var values: [Key: Value] = [:]
        /// Loads that this call has listed and must end.
        var own: [Key: (running: Load<Value>, hash: UInt64)] = [:]
        /// Loads of other threads, or of this one further up the stack.
        var others: [Key: Load<Value>] = [:]
    }

    /// Takes a key's value, or lists a load of it, or finds the one that is listed.
    func look(up key: Key, _ batch: inout Batch) {
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
        var removals = Removals<Key, Value>()
        discardExpired(key, hash, now, segment, &removals)
        if let running = segment.state.pointee.list(key, isOwned: true) {
            batch.own[key] = (running, hash)
        } else {
            batch.others[key] = segment.state.pointee.loads[key]
        }
        segment.lock.unlock()
        finish(removals)
    }

    /// Loads what the batch has listed with one call, and ends every one of its loads whatever happens.
    func load(_ batch: inout Batch, _ loadAll: ([Key]) throws -> [Key: Value]) throws {
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
