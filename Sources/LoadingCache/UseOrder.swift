/// Finds the least recently used entries of a segment.
///
/// Every use of an entry writes the next number of the segment's count of uses into its node, and nothing else. A list
/// would also write the entry's two neighbours and the newest entry, which half of the time are in another core's
/// cache. Who needs the oldest entry scans for about the oldest eighth and sorts that, once for many: as long as an
/// entry of the batch keeps its number, it is older than everything outside. So the order is exact.
@usableFromInline struct UseOrder {
    /// The oldest last.
    private var batch: [(use: UInt64, number: UInt32)] = []
    /// Leaves out the entries of weight 0.
    private let onlyHeavy: Bool

    init(onlyHeavy: Bool) { self.onlyHeavy = onlyHeavy }

    /// The number of the least recently used entry, or `nowhere`.
    ///
    /// Amortised O(log n), for the sorting: a scan of n places pays for about n / 8 entries, and an entry leaves the
    /// batch only by a use or by its end.
    @usableFromInline mutating func oldest(_ nodes: UnsafeMutablePointer<Node>, _ used: Int) -> UInt32 {
        while true {
            while let candidate = batch.last {
                if nodes[Int(candidate.number)].use == candidate.use { return candidate.number }
                batch.removeLast()
            }
            collect(nodes, used)
            if batch.isEmpty { return nowhere }
        }
    }

    private mutating func collect(_ nodes: UnsafeMutablePointer<Node>, _ used: Int) {
        let limit = limit(nodes, used)
        for number in 0..<used where isWanted(nodes[number]) && nodes[number].use <= limit {
            batch.append((nodes[number].use, UInt32(truncatingIfNeeded: number)))
        }
        batch.sort { $0.use > $1.use }
    }

    /// A number of use that about an eighth of the entries does not exceed, by a sample of them.
    private func limit(_ nodes: UnsafeMutablePointer<Node>, _ used: Int) -> UInt64 {
        var sample: [UInt64] = []
        for number in stride(from: 0, to: used, by: used / 64 + 1) where isWanted(nodes[number]) {
            sample.append(nodes[number].use)
        }
        if sample.isEmpty { return .max }
        sample.sort()
        // Of very many, as few as the sample can tell, so that the sorting does not hold the lock for long.
        return sample[used > 1 << 14 ? 0 : sample.count / 8]
    }

    private func isWanted(_ node: Node) -> Bool { node.use != 0 && !(onlyHeavy && node.weight == 0) }
}

/// An entry's place in the order of use, and what the table needs of it without touching the key.
@usableFromInline struct Node {
    /// The segment's use counter at the last use; 0 for a free place, or where the order is not kept.
    @usableFromInline var use: UInt64
    /// The low half of the key's hash; for a free place the next free one.
    @usableFromInline var tag: UInt32
    @usableFromInline var weight: UInt32

    @inlinable init(use: UInt64, tag: UInt32, weight: UInt32) {
        self.use = use
        self.tag = tag
        self.weight = weight
    }
}

/// The number of no entry.
@inlinable var nowhere: UInt32 { .max }
