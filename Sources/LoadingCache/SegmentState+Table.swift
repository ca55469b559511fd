extension SegmentState {
    /// Finds a key's entry for a reader, who renews it. Expected O(1).
    ///
    /// - Returns: Its number, or `nowhere` if there is none or its time is up.
    @inlinable
    @inline(__always)
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
    @inlinable
    @inline(__always)
    func find(_ key: Key, _ tag: UInt32) -> UInt32 {
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
    @inlinable
    @inline(never)
    mutating func insert(
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
        (entries + Int(number)).initialize(to: Entry(key: key, value: value))
        (nodes + Int(number)).initialize(to: Node(use: 0, tag: tag, weight: weight))
        place(number, tag)
        count += 1
        self.weight += Int(weight)
        if let times { (times + Int(number)).initialize(to: Times(written: now, accessed: now)) }
        if policy.ordersByAccess { touch(number) }
        if policy.ordersByWrite { linkWrite(number) }
        return number
    }

    /// Gives an entry another value and makes it the newest.
    ///
    /// - Returns: The value it had.
    @inlinable
    @inline(__always)
    mutating func replace(
        _ number: UInt32, _ value: consuming Value, weight: UInt32, _ now: Int64, _ policy: Policy
    ) -> Value {
        let index = Int(number)
        swap(&entries[index].value, &value)
        self.weight += Int(weight) - Int(nodes[index].weight)
        nodes[index].weight = weight
        if let times { times[index] = Times(written: now, accessed: now) }
        if policy.ordersByAccess { touch(number) }
        if policy.ordersByWrite { touchWrite(number) }
        return value
    }

    /// Takes an entry out. Expected O(1).
    @inlinable
    mutating func remove(_ number: UInt32, _ policy: Policy) -> Entry {
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

    @inlinable
    func place(_ number: UInt32, _ tag: UInt32) {
        var cell = Int(tag) & cellMask
        while cells[cell] != 0 { cell = (cell &+ 1) & cellMask }
        cells[cell] = UInt64(tag) << 32 | UInt64(number &+ 1)
    }

    /// Frees an entry's cell and closes the gap, so that no search ends early: Knuth, volume 3, section 6.4, algorithm
    /// R.
    @inlinable
    func vacate(_ number: UInt32) {
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
    @inlinable
    @inline(never)
    mutating func grow() {
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

    @inlinable
    static func moved<Element>(
        _ old: UnsafeMutablePointer<Element>, _ count: Int, _ capacity: Int
    ) -> UnsafeMutablePointer<Element> {
        let new = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }
}
