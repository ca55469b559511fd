extension Cache {
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

    /// Removes what has expired from every segment where something has. For a timer that runs now and then, so that a
    /// cache that nobody uses does not keep memory; nothing else needs it.
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
}
