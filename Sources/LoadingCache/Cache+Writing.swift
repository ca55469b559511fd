extension Cache {
    /// Stores a value, in place of the one that the key has. Expected O(1); amortised O(log n) where it evicts, n being
    /// the entries of a segment, with one scan of the segment for many evictions.
    ///
    /// Threads that wait for a load of the key get this value; what that load returns is dropped.
    @inlinable
    public final func put(_ key: Key, _ value: Value) {
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
    public final func invalidateAll(_ keys: some Sequence<Key>) {
        for key in keys { invalidate(key) }
    }

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

    /// Stores a value under the lock.
    ///
    /// - Returns: The value that it replaced, which must outlive the lock.
    @inlinable
    final func store(
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
    @inlinable
    final func weight(_ key: Key, _ value: Value) -> UInt32 {
        guard let weigher else { return 1 }
        guard let weight = UInt32(exactly: weigher(key, value)) else {
            preconditionFailure("a weight is between 0 and 4,294,967,295")
        }
        return weight
    }

    /// Tells the listener what was removed and lets go of it. Without a lock held.
    @inlinable
    @inline(__always)
    final func finish(_ removals: Removals<Key, Value>) {
        if removals.first != nil { notify(removals) }
    }

    @usableFromInline
    final func notify(_ removals: Removals<Key, Value>) {
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

extension SegmentState {
    /// Takes a load off the list because something came before its end.
    @usableFromInline
    mutating func supersede(_ key: Key, _ cause: Load<Value>.Supersession) -> Load<Value>? {
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
