extension SegmentState {
    /// Makes an entry the most recently used one. O(1). A write without a look: to find out first whether it is the
    /// most recent one already makes lookups wait for a line that they need not read.
    @inlinable
    @inline(__always)
    mutating func touch(_ number: UInt32) {
        uses &+= 1
        nodes[Int(number)].use = uses
    }

    /// Makes an entry the most recently written one. O(1).
    @inlinable
    mutating func touchWrite(_ number: UInt32) {
        if written.newest == number { return }
        unlinkWrite(number)
        linkWrite(number)
    }

    @inlinable
    mutating func linkWrite(_ number: UInt32) {
        guard let writes else { return }
        (writes + Int(number)).initialize(to: Links(newer: nowhere, older: written.newest))
        if written.newest == nowhere { written.oldest = number } else { writes[Int(written.newest)].newer = number }
        written.newest = number
    }

    @inlinable
    mutating func unlinkWrite(_ number: UInt32) {
        guard let writes else { return }
        let links = writes[Int(number)]
        if links.newer == nowhere { written.newest = links.older } else { writes[Int(links.newer)].older = links.older }
        if links.older == nowhere { written.oldest = links.newer } else { writes[Int(links.older)].newer = links.newer }
    }
}
