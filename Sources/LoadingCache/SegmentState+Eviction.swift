extension SegmentState {
    /// Removes the entries whose time is up. O(1) for each, or amortised O(log n) with an expiry after access.
    ///
    /// - Returns: A time before which no other expires.
    @inlinable @inline(never)
    mutating func expire(_ now: Int64, _ policy: Policy, _ removals: inout Removals<Key, Value>) -> Int64 {
        if policy.ordersByWrite {
            while written.oldest != nowhere && isExpired(written.oldest, now, policy) {
                evict(written.oldest, .expired, policy, &removals)
            }
        }
        if policy.expireAfterAccess != .max {
            while true {
                let oldest = accessOrder.oldest(nodes, used)
                if oldest == nowhere || !isExpired(oldest, now, policy) { break }
                evict(oldest, .expired, policy, &removals)
            }
        }
        guard count > 0, let times else { return .max }
        var due = Int64.max
        if policy.ordersByWrite { due = Self.end(times[Int(written.oldest)].written, policy.expireAfterWrite) }
        if policy.expireAfterAccess != .max {
            let oldest = accessOrder.oldest(nodes, used)
            due = min(due, Self.end(times[Int(oldest)].accessed, policy.expireAfterAccess))
        }
        return due
    }

    @inlinable static func end(_ begin: Int64, _ life: Int64) -> Int64 {
        let (end, overflow) = begin.addingReportingOverflow(life)
        return overflow ? .max : end
    }

    /// Removes least recently used entries until the rest fits. One that alone is heavier than the segment's share goes
    /// itself, and nothing goes for it; one of weight 0 never goes. Amortised O(log n) for each.
    @inlinable @inline(__always)
    mutating func evictExcess(newest: UInt32, _ policy: Policy, _ removals: inout Removals<Key, Value>) {
        if weight > maximumWeight { evictUntilItFits(newest: newest, policy, &removals) }
    }

    @inlinable @inline(never)
    mutating func evictUntilItFits(newest: UInt32, _ policy: Policy, _ removals: inout Removals<Key, Value>) {
        if Int(nodes[Int(newest)].weight) > maximumWeight { evict(newest, .size, policy, &removals) }
        while weight > maximumWeight { evict(evictionOrder.oldest(nodes, used), .size, policy, &removals) }
    }

    @inlinable mutating func evict(
        _ number: UInt32, _ cause: RemovalCause, _ policy: Policy, _ removals: inout Removals<Key, Value>
    ) {
        let entry = remove(number, policy)
        evictions += 1
        removals.append(Removal(key: entry.key, value: entry.value, cause: cause))
    }
}
