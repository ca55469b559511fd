import Synchronization

/// One part of a cache, with a lock of its own: a handle to memory that the cache owns.
///
///     0        8        16
///     | lock   | due    | SegmentState ...                     | up to the next multiple of 128 |
///
/// Segments are 128 bytes aligned and apart: a processor fetches lines of 64 bytes in pairs, and two segments must not
/// travel between cores together.
@usableFromInline struct Segment<Key: Hashable & Sendable, Value: Sendable> {
    @usableFromInline let base: UnsafeMutableRawPointer

    @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

    @inlinable static var alignment: Int { 128 }
    @inlinable static var stateOffset: Int { 16 }

    /// Bytes from one segment to the next.
    @inlinable static var stride: Int {
        (stateOffset + MemoryLayout<SegmentState<Key, Value>>.size + alignment - 1) / alignment * alignment
    }

    @inlinable var lock: SegmentLock { SegmentLock(base.assumingMemoryBound(to: Atomic<UInt32>.self)) }

    /// No entry expires before this time, in nanoseconds of the cache's clock. Written under the lock, read without:
    /// whoever sees a time to come need not ask for the lock.
    @inlinable var due: UnsafeMutablePointer<Atomic<Int64>> {
        (base + 8).assumingMemoryBound(to: Atomic<Int64>.self)
    }

    /// What the lock guards. Only its holder may touch it.
    @inlinable var state: UnsafeMutablePointer<SegmentState<Key, Value>> {
        (base + Self.stateOffset).assumingMemoryBound(to: SegmentState<Key, Value>.self)
    }

    func initialize(_ initial: consuming SegmentState<Key, Value>) {
        SegmentLock.initialize(base.bindMemory(to: Atomic<UInt32>.self, capacity: 2))
        (base + 8).bindMemory(to: Atomic<Int64>.self, capacity: 1).initialize(to: Atomic(.max))
        (base + Self.stateOffset).bindMemory(to: SegmentState<Key, Value>.self, capacity: 1).initialize(to: initial)
    }

    func deinitialize() {
        state.pointee.deallocate()
        state.deinitialize(count: 1)
    }

    /// Removes what has expired. Under the lock.
    @inlinable func expire(_ now: Int64, _ policy: Policy, _ removals: inout Removals<Key, Value>) {
        guard now >= due.pointee.load(ordering: .relaxed) else { return }
        due.pointee.store(state.pointee.expire(now, policy, &removals), ordering: .relaxed)
    }

    /// An entry was written at `now`. Under the lock.
    @inlinable func noteWrite(_ now: Int64, _ policy: Policy) {
        guard policy.expires else { return }
        let (end, overflow) = now.addingReportingOverflow(policy.shortestLife)
        if !overflow && end < due.pointee.load(ordering: .relaxed) { due.pointee.store(end, ordering: .relaxed) }
    }
}
