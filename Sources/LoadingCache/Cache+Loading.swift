extension Cache {
    /// Loads a key that is not here, or waits for the thread that does. The lock is held, and released here.
    @inlinable
    @inline(never)
    final func unlockAndLoad(
        _ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>, _ load: (Key) throws -> Value
    ) throws -> Value {
        var removals = Removals<Key, Value>()
        discardExpired(key, hash, now, segment, &removals)
        if let running = segment.state.pointee.loads[key] {
            segment.lock.unlock()
            finish(removals)
            return try running.wait()
        }
        let running = Load<Value>(isOwned: true)
        segment.state.pointee.loads[key] = running
        segment.lock.unlock()
        finish(removals)
        return try run(running, key, hash, load).get()
    }

    /// Removes everything that has expired, this key's entry included. Under the lock.
    @inlinable
    final func discardExpired(
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

    /// Calls the loader for a load that is listed, and ends it.
    @inlinable
    final func run(
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
    @usableFromInline
    final func end(
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
        switch (supersession, outcome) {
        case (.none, .success(let value)):
            _ = segment.state.pointee.supersede(key, .none)
            old = store(key, value, hash, weight, now, segment, &removals)
        case (.none, .failure):
            _ = segment.state.pointee.supersede(key, .none)
            segment.state.pointee.delayRetry(key, hash, now, policy)
        case (.invalidated, .success(let value)):
            removals.append(Removal(key: key, value: value, cause: .explicit))
        case (.replaced, .success(let value)):
            removals.append(Removal(key: key, value: value, cause: .replaced))
        case (.invalidated, .failure), (.replaced, .failure): break
        }
        segment.lock.unlock()
        if supersession != .replaced { running.complete(outcome) }
        withExtendedLifetime(old) {}
        finish(removals)
    }

    /// Releases the lock after a lookup that found nothing.
    @usableFromInline
    final func unlockAfterMiss(_ key: Key, _ hash: UInt64, _ now: Int64, _ segment: Segment<Key, Value>) {
        var removals = Removals<Key, Value>()
        discardExpired(key, hash, now, segment, &removals)
        segment.lock.unlock()
        finish(removals)
    }

    /// Releases the lock after a lookup that found something. Every 64th read of a segment removes what has expired,
    /// unless it had to wait for the lock: then others may be waiting too.
    @inlinable
    @inline(__always)
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

    @usableFromInline
    final func cleanAndUnlock(_ now: Int64, _ segment: Segment<Key, Value>) {
        var removals = Removals<Key, Value>()
        segment.expire(now, policy, &removals)
        segment.lock.unlock()
        finish(removals)
    }
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
}
