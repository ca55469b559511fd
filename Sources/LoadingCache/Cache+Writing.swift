extension Cache {
    /// Stores a value, in place of the one that the key has. Expected O(1); amortised O(log n) where it evicts, n being
    /// the entries of a segment, with one scan of the segment for many evictions.
    ///
    /// Threads that wait for a load of the key get this value; what that load returns is dropped.
    @inlinable public final func put(_ key: Key, _ value: Value) {
        let hash = hasher.hash(key)
        let weight = weight(key, value)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        var removals = Removals<Key, Value>()
        var superseded: Load<Value>?
        _ = segment.lock.lock()
        if policy.expires { segment.expire(now, policy, &removals) }
        if !segment.state.pointee.loads.isEmpty { superseded = segment.state.pointee.supersede(key, .replaced) }
        let old = store(key, value, hash, weight, now, segment, &removals)
        segment.lock.unlock()
        superseded?.complete(.success(value))
        withExtendedLifetime(old) {}
        finish(removals)
    }

    /// Removes a key's entry. Expected O(1).
    ///
    /// A load of the key that is under way goes on for those who wait for it, but its value is not stored: it may be
    /// older than what made the caller invalidate. Guava stores it.
    public final func invalidate(_ key: Key) {
        let hash = hasher.hash(key)
        let now = policy.usesTime ? ticker.now() : 0
        let segment = segment(for: hash)
        var removals = Removals<Key, Value>()
        _ = segment.lock.lock()
        if policy.expires { segment.expire(now, policy, &removals) }
        _ = segment.state.pointee.supersede(key, .invalidated)
        let number = segment.state.pointee.find(key, UInt32(truncatingIfNeeded: hash))
        if number != nowhere {
            let entry = segment.state.pointee.remove(number, policy)
            removals.append(Removal(key: entry.key, value: entry.value, cause: .explicit))
        }
        segment.lock.unlock()
        finish(removals)
    }

    /// Removes the entries of several keys, one after the other.
    public final func invalidateAll(_ keys: some Sequence<Key>) { for key in keys { invalidate(key) } }

    /// Removes every entry, one segment after the other. O(n); loads that are under way are treated as by `invalidate`.
    public final func invalidateAll() {
        let now = policy.usesTime ? ticker.now() : 0
        forEachSegment { segment in
            var removals = Removals<Key, Value>()
            _ = segment.lock.lock()
            if policy.expires { segment.expire(now, policy, &removals) }
            segment.state.pointee.removeAll(policy, &removals)
            segment.lock.unlock()
            finish(removals)
        }
    }
}

extension SegmentState {
    /// Takes a load off the list because something came before its end.
    @usableFromInline mutating func supersede(_ key: Key, _ cause: Load<Value>.Supersession) -> Load<Value>? {
        if !retries.isEmpty { retries[key] = nil }
        guard let load = loads.removeValue(forKey: key) else { return nil }
        load.supersession = cause
        return load
    }

    /// Takes everything out and every load off the list.
    mutating func removeAll(_ policy: Policy, _ removals: inout Removals<Key, Value>) {
        for load in loads.values { load.supersession = .invalidated }
        loads = [:]
        var numbers: [UInt32] = []
        forEach { numbers.append($0) }
        for number in numbers {
            let entry = remove(number, policy)
            removals.append(Removal(key: entry.key, value: entry.value, cause: .explicit))
        }
    }
}
