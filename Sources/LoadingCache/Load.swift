import CSystem
import Glibc
import Synchronization

/// One call of a loader that is under way, and what its waiters sleep on: never the lock of a segment, so that the
/// other keys of the segment stay available.
///
/// A load is listed in its segment until it is over or superseded. Whoever takes it off the list completes it, except
/// that an invalidated one is completed by its loader, whose value goes to the callers that wait and nowhere else.
@usableFromInline final class Load<Value: Sendable>: @unchecked Sendable {
    // SAFETY: `outcome` is written once, before `word` becomes `done` with release ordering, and read after that was
    // seen with acquire ordering. The lock of the segment guards `supersession`.

    /// What came between a load and its end.
    @usableFromInline enum Supersession {
        case none
        /// The value that is being loaded may be older than the invalidation, so it must not be stored.
        case invalidated
        /// A value was put, and the waiters have got that one.
        case replaced
    }

    private static var pending: UInt32 { 0 }
    private static var awaited: UInt32 { 1 }
    private static var done: UInt32 { 2 }

    private let word: UnsafeMutablePointer<Atomic<UInt32>>
    private var outcome: Result<Value, any Error>?
    /// The thread that runs the loader; 0 where that may be any.
    private let owner: UInt
    @usableFromInline var supersession = Supersession.none

    /// A load that begins, on this thread if `isOwned`.
    @usableFromInline init(isOwned: Bool) {
        word = .allocate(capacity: 1)
        word.initialize(to: Atomic(Self.pending))
        owner = isOwned ? UInt(pthread_self()) : 0
    }

    deinit {
        word.deinitialize(count: 1)
        word.deallocate()
    }

    /// Ends the load. Called once.
    @usableFromInline func complete(_ outcome: Result<Value, any Error>) {
        self.outcome = outcome
        if word.pointee.exchange(Self.done, ordering: .acquiringAndReleasing) == Self.awaited {
            vi_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), .max)
        }
    }

    /// The value, if the load is over and has one.
    var value: Value? {
        guard word.pointee.load(ordering: .acquiring) == Self.done else { return nil }
        return try? outcome?.get()
    }

    /// Waits for the end of the load.
    ///
    /// - Throws: What the loader threw, or `CacheError.recursiveLoad` at once if this thread is the one that loads.
    @usableFromInline func wait() throws -> Value {
        if owner == UInt(pthread_self()) && word.pointee.load(ordering: .acquiring) != Self.done {
            throw CacheError.recursiveLoad
        }
        while true {
            let (exchanged, seen) = word.pointee.compareExchange(
                expected: Self.pending, desired: Self.awaited, ordering: .acquiring)
            if !exchanged && seen == Self.done { break }
            vi_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), Self.awaited, 0)
        }
        return try outcome!.get()
    }
}
