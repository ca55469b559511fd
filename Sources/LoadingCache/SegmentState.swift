/// What the lock of a segment guards: a hash table whose entries lie in a slab and refer to each other by number.
///
///     cells    [ tag | number + 1 ] ...      open addressing, a power of two, at most ¾ full; 0 is free
///     entries  [ key | value ] ...           the slab; a free place holds nothing
///     nodes    [ use | tag | weight ] ...    one per entry: the order of use, the list of free places
///     times    [ written | accessed ] ...    only if something expires or is refreshed
///     writes   [ newer | older ] ...         the order of writes, only if entries expire after a write
///
/// No entry is an object: nothing is counted, and a lookup that hits reads one line each of cells, entries and nodes.
@usableFromInline struct SegmentState<Key: Hashable & Sendable, Value: Sendable> {
    // What a lookup reads or writes comes first, beside the lock.
    @usableFromInline var cells: UnsafeMutablePointer<UInt64>
    @usableFromInline var cellMask: Int
    @usableFromInline var entries: UnsafeMutablePointer<Entry>
    @usableFromInline var nodes: UnsafeMutablePointer<Node>
    /// How many uses of entries there were.
    @usableFromInline var uses: UInt64 = 0
    @usableFromInline var reads: UInt32 = 0
    @usableFromInline var hits = 0
    @usableFromInline var misses = 0
    @usableFromInline var times: UnsafeMutablePointer<Times>?

    @usableFromInline var writes: UnsafeMutablePointer<Links>?
    /// The two ends of the order of writes.
    @usableFromInline var written = (newest: nowhere, oldest: nowhere)
    @usableFromInline var count = 0
    @usableFromInline var weight = 0
    @usableFromInline let maximumWeight: Int
    @usableFromInline var capacity: Int
    /// More places are never needed.
    @usableFromInline let maximumCapacity: Int
    /// Places that have been used at least once.
    @usableFromInline var used = 0
    @usableFromInline var firstFree = nowhere
    @usableFromInline var evictions = 0
    /// For expiry after access.
    @usableFromInline var accessOrder = UseOrder(onlyHeavy: false)
    /// For eviction.
    @usableFromInline var evictionOrder = UseOrder(onlyHeavy: true)

    @usableFromInline var loads: [Key: Load<Value>] = [:]
    /// When a key whose reload failed may be reloaded again.
    @usableFromInline var retries: [Key: Int64] = [:]
    @usableFromInline var loadSuccesses = 0
    @usableFromInline var loadFailures = 0
    @usableFromInline var loadTime: Int64 = 0

    @usableFromInline typealias Entry = (key: Key, value: Value)

    /// - Parameters:
    ///   - maximumWeight: This segment's share of the cache's bound; `Int.max` for none.
    ///   - isWeighed: Whether an entry may weigh something else than 1.
    init(capacity initial: Int, maximumWeight: Int, isWeighed: Bool, _ policy: Policy) {
        self.maximumWeight = maximumWeight
        // One more than fits: an entry is added before the one that it drives out goes.
        maximumCapacity = isWeighed || maximumWeight >= Int(UInt32.max) - 2 ? Int(UInt32.max) - 1 : maximumWeight + 1
        capacity = min(max(4, initial), maximumCapacity)
        let cellCount = Self.cellCount(for: capacity)
        cells = .allocate(capacity: cellCount)
        cells.initialize(repeating: 0, count: cellCount)
        cellMask = cellCount - 1
        entries = .allocate(capacity: capacity)
        nodes = .allocate(capacity: capacity)
        if policy.usesTime { times = .allocate(capacity: capacity) }
        if policy.ordersByWrite { writes = .allocate(capacity: capacity) }
    }

    /// Destroys the entries and gives the memory back.
    func deallocate() {
        forEach { (entries + Int($0)).deinitialize(count: 1) }
        cells.deallocate()
        entries.deallocate()
        nodes.deallocate()
        times?.deallocate()
        writes?.deallocate()
    }

    /// The smallest power of two of which `capacity` is at most three quarters.
    @inlinable static func cellCount(for capacity: Int) -> Int {
        var count = 8
        while count / 4 * 3 < capacity { count *= 2 }
        return count
    }

    /// The numbers of all entries, in no order. `body` must not change the table.
    @inlinable func forEach(_ body: (UInt32) throws -> Void) rethrows {
        for cell in 0...cellMask where cells[cell] != 0 { try body(UInt32(truncatingIfNeeded: cells[cell]) &- 1) }
    }

    // MARK: - Table

    /// Whether the time of an entry is up.
    @inlinable @inline(__always) func isExpired(_ number: UInt32, _ now: Int64, _ policy: Policy) -> Bool {
        guard policy.expires, let times else { return false }
        let entry = times[Int(number)]
        return now &- entry.written >= policy.expireAfterWrite || now &- entry.accessed >= policy.expireAfterAccess
    }

    /// Finds a key's entry for a reader, who renews it. Expected O(1).
    ///
    /// - Returns: Its number, or `nowhere` if there is none or its time is up.
    @inlinable @inline(__always)
    mutating func read(_ key: Key, _ tag: UInt32, _ now: Int64, _ policy: Policy) -> UInt32 {
        let number = find(key, tag)
        if number == nowhere || isExpired(number, now, policy) {
            if policy.recordsStatistics { misses &+= 1 }
            return nowhere
        }
        if policy.ordersByAccess { touch(number) }
        if policy.recordsStatistics { hits &+= 1 }
        // Another thread may have read the clock later and got the lock earlier.
        if let times { times[Int(number)].accessed = max(times[Int(number)].accessed, now) }
        return number
    }

    /// The number of a key's entry, or `nowhere`. Expected O(1).
    @inlinable @inline(__always) func find(_ key: Key, _ tag: UInt32) -> UInt32 {
        var cell = Int(tag) & cellMask
        while true {
            let content = cells[cell]
            if content == 0 { return nowhere }
            if UInt32(truncatingIfNeeded: content >> 32) == tag {
                let number = UInt32(truncatingIfNeeded: content) &- 1
                if entries[Int(number)].key == key { return number }
            }
            cell = (cell &+ 1) & cellMask
        }
    }

    /// Adds an entry for a key that has none, as the newest. Amortised O(1).
    ///
    /// - Returns: Its number.
    @inlinable @inline(never) mutating func insert(
        _ key: Key, _ value: Value, _ tag: UInt32, weight: UInt32, _ now: Int64, _ policy: Policy
    ) -> UInt32 {
        var number = firstFree
        if number != nowhere {
            firstFree = nodes[Int(number)].tag
        } else {
            if used == capacity { grow() }
            number = UInt32(truncatingIfNeeded: used)
            used += 1
        }
        (entries + Int(number)).initialize(to: (key, value))
        (nodes + Int(number)).initialize(to: Node(use: 0, tag: tag, weight: weight))
        place(number, tag)
        count += 1
        self.weight += Int(weight)
        if let times { (times + Int(number)).initialize(to: (now, now)) }
        if policy.ordersByAccess { touch(number) }
        if policy.ordersByWrite { linkWrite(number) }
        return number
    }

    /// Gives an entry another value and makes it the newest.
    ///
    /// - Returns: The value it had.
    @inlinable @inline(__always) mutating func replace(
        _ number: UInt32, _ value: consuming Value, weight: UInt32, _ now: Int64, _ policy: Policy
    ) -> Value {
        let index = Int(number)
        swap(&entries[index].value, &value)
        self.weight += Int(weight) - Int(nodes[index].weight)
        nodes[index].weight = weight
        if let times { times[index] = (now, now) }
        if policy.ordersByAccess { touch(number) }
        if policy.ordersByWrite { touchWrite(number) }
        return value
    }

    /// Takes an entry out. Expected O(1).
    @inlinable mutating func remove(_ number: UInt32, _ policy: Policy) -> Entry {
        let index = Int(number)
        vacate(number)
        if policy.ordersByWrite { unlinkWrite(number) }
        count -= 1
        weight -= Int(nodes[index].weight)
        nodes[index].use = 0
        nodes[index].tag = firstFree
        firstFree = number
        let entry = (entries + index).move()
        if !retries.isEmpty { retries[entry.key] = nil }
        return entry
    }

    @inlinable func place(_ number: UInt32, _ tag: UInt32) {
        var cell = Int(tag) & cellMask
        while cells[cell] != 0 { cell = (cell &+ 1) & cellMask }
        cells[cell] = UInt64(tag) << 32 | UInt64(number &+ 1)
    }

    /// Frees an entry's cell and closes the gap, so that no search ends early: Knuth, volume 3, section 6.4, algorithm
    /// R.
    @inlinable func vacate(_ number: UInt32) {
        let tag = nodes[Int(number)].tag
        let wanted = UInt64(tag) << 32 | UInt64(number &+ 1)
        var gap = Int(tag) & cellMask
        while cells[gap] != wanted { gap = (gap &+ 1) & cellMask }
        var cell = gap
        while true {
            cell = (cell &+ 1) & cellMask
            let content = cells[cell]
            if content == 0 { break }
            let home = Int(truncatingIfNeeded: content >> 32) & cellMask
            // What stands at `cell` may move to the gap unless its home lies behind the gap.
            if (cell &- home) & cellMask >= (cell &- gap) & cellMask {
                cells[gap] = content
                gap = cell
            }
        }
        cells[gap] = 0
    }

    /// Makes room for half as many entries again. O(n); every place is taken.
    @inlinable @inline(never) mutating func grow() {
        precondition(capacity < maximumCapacity, "a segment holds fewer than 2³² entries")
        let larger = min(capacity + capacity / 2 + 1, maximumCapacity)
        entries = Self.moved(entries, used, larger)
        nodes = Self.moved(nodes, used, larger)
        times = times.map { Self.moved($0, used, larger) }
        writes = writes.map { Self.moved($0, used, larger) }
        capacity = larger
        let cellCount = Self.cellCount(for: larger)
        if cellCount == cellMask + 1 { return }
        cells.deallocate()
        cells = .allocate(capacity: cellCount)
        cells.initialize(repeating: 0, count: cellCount)
        cellMask = cellCount - 1
        for number in 0..<used { place(UInt32(truncatingIfNeeded: number), nodes[number].tag) }
    }

    @inlinable static func moved<Element>(
        _ old: UnsafeMutablePointer<Element>, _ count: Int, _ capacity: Int
    ) -> UnsafeMutablePointer<Element> {
        let new = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }

    // MARK: - Order

    /// Makes an entry the most recently used one. O(1). A write without a look: to find out first whether it is the
    /// most recent one already makes lookups wait for a line that they need not read.
    @inlinable @inline(__always) mutating func touch(_ number: UInt32) {
        uses &+= 1
        nodes[Int(number)].use = uses
    }

    /// Makes an entry the most recently written one. O(1).
    @inlinable mutating func touchWrite(_ number: UInt32) {
        if written.newest == number { return }
        unlinkWrite(number)
        linkWrite(number)
    }

    @inlinable mutating func linkWrite(_ number: UInt32) {
        guard let writes else { return }
        (writes + Int(number)).initialize(to: (nowhere, written.newest))
        if written.newest == nowhere { written.oldest = number } else { writes[Int(written.newest)].newer = number }
        written.newest = number
    }

    @inlinable mutating func unlinkWrite(_ number: UInt32) {
        guard let writes else { return }
        let links = writes[Int(number)]
        if links.newer == nowhere { written.newest = links.older } else { writes[Int(links.newer)].older = links.older }
        if links.older == nowhere { written.oldest = links.newer } else { writes[Int(links.older)].newer = links.newer }
    }
}

/// An entry's place in the order of writes.
@usableFromInline typealias Links = (newer: UInt32, older: UInt32)

/// When an entry's value was stored, and when it was last stored or returned, in nanoseconds of the cache's clock.
@usableFromInline typealias Times = (written: Int64, accessed: Int64)
