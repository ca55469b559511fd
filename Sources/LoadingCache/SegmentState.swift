/// What the lock of a segment guards: a hash table whose entries lie in a slab and refer to each other by number.
///
///     cells    [ tag | number + 1 ] ...      open addressing, a power of two, at most ¾ full; 0 is free
///     entries  [ key | value ] ...           the slab; a free place holds nothing
///     nodes    [ use | tag | weight ] ...    one per entry: the order of use, the list of free places
///     times    [ written | accessed ] ...    only if something expires or is refreshed
///     writes   [ newer | older ] ...         the order of writes, only if entries expire after a write
///
/// No entry is an object: nothing is counted, and a lookup that hits reads one line each of cells, entries and nodes.
@usableFromInline
struct SegmentState<Key: Hashable & Sendable, Value: Sendable> {
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
    @usableFromInline var written = Ends()
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

    @usableFromInline
    struct Entry {
        @usableFromInline let key: Key
        @usableFromInline var value: Value

        @inlinable
        init(key: Key, value: Value) {
            self.key = key
            self.value = value
        }
    }

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
    @inlinable
    static func cellCount(for capacity: Int) -> Int {
        var count = 8
        while count / 4 * 3 < capacity { count *= 2 }
        return count
    }

    /// The numbers of all entries, in no order. `body` must not change the table.
    @inlinable
    func forEach(_ body: (UInt32) throws -> Void) rethrows {
        for cell in 0...cellMask where cells[cell] != 0 { try body(UInt32(truncatingIfNeeded: cells[cell]) &- 1) }
    }
}

/// The number of no entry.
@inlinable var nowhere: UInt32 { .max }

/// An entry's place in the order of use, and what the table needs of it without touching the key.
@usableFromInline
struct Node {
    /// The number of its last use in the count of the segment's; 0 for a free place, or where nobody asks for the
    /// order.
    @usableFromInline var use: UInt64
    /// The low half of the key's hash; for a free place the next free one.
    @usableFromInline var tag: UInt32
    @usableFromInline var weight: UInt32

    @inlinable
    init(use: UInt64, tag: UInt32, weight: UInt32) {
        self.use = use
        self.tag = tag
        self.weight = weight
    }
}

/// An entry's place in the order of writes.
@usableFromInline
struct Links {
    @usableFromInline var newer: UInt32
    @usableFromInline var older: UInt32

    @inlinable
    init(newer: UInt32, older: UInt32) {
        self.newer = newer
        self.older = older
    }
}

/// The two ends of the order of writes.
@usableFromInline
struct Ends {
    @usableFromInline var newest = nowhere
    @usableFromInline var oldest = nowhere

    @inlinable
    init() {}
}

/// When an entry's value was stored, and when it was last stored or returned, in nanoseconds of the cache's clock.
@usableFromInline
struct Times {
    @usableFromInline var written: Int64
    @usableFromInline var accessed: Int64

    @inlinable
    init(written: Int64, accessed: Int64) {
        self.written = written
        self.accessed = accessed
    }
}
