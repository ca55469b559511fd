import CSystem
import Glibc
import Synchronization

/// The lock of one segment: spins for some microseconds, lets other threads run a few times, then sleeps in the kernel.
///
/// What it guards takes some tens of nanoseconds, so a holder on another core is nearly always done before the spinning
/// ends. One that lost its processor is not, and mostly needs no more than a turn; sleeping is for when that does not
/// help. The article on measurements has those behind the choice. Not recursive, not fair.
///
/// Letting go is a plain store: an atomic exchange there would make the processor finish every write of the critical
/// section first, which costs as much as the section itself. The price is paid by the thread that goes to sleep: it
/// raises the flag, makes every other thread pass a barrier (membarrier), and only then looks at the lock again. So
/// either that look finds the lock free, or whoever lets go of it finds the flag. Source of the asymmetry:
/// https://man7.org/linux/man-pages/man2/membarrier.2.html
@usableFromInline package struct SegmentLock {
    /// 0: free. 1: held.
    @usableFromInline let word: UnsafeMutablePointer<Atomic<UInt32>>

    /// 1: somebody may sleep on this. It lies behind the word.
    @inlinable var flag: UnsafeMutablePointer<Atomic<UInt32>> { word + 1 }

    /// How often a thread looks again before it gives its processor to another, as the holder may be.
    private static var spins: Int { 100 }
    /// How often it does that before it sleeps.
    private static var yields: Int { 50 }

    /// How long a thread sleeps at most, in nanoseconds: without end where the kernel can order the threads, else a
    /// moment, since a wake-up may be missed.
    private static let longestSleep = vi_membarrier_register() == 0 ? 0 : 1_000_000

    /// The lock in two words that the caller owns.
    @inlinable package init(_ words: UnsafeMutablePointer<Atomic<UInt32>>) { word = words }

    /// Makes two words a lock that is free.
    package static func initialize(_ words: UnsafeMutablePointer<Atomic<UInt32>>) {
        words.initialize(to: Atomic(0))
        (words + 1).initialize(to: Atomic(0))
    }

    /// Takes the lock.
    ///
    /// - Returns: Whether it was free.
    @inlinable package func lock() -> Bool {
        if tryLock() { return true }
        wait()
        return false
    }

    /// Takes the lock if it is free.
    @inlinable package func tryLock() -> Bool {
        word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
    }

    /// Lets go of the lock, which this thread holds.
    @inlinable package func unlock() {
        word.pointee.store(0, ordering: .releasing)
        // Sequentially consistent so that it stays behind the store in the code; it costs no more than a plain load.
        if flag.pointee.load(ordering: .sequentiallyConsistent) != 0 { wake() }
    }

    @usableFromInline func wait() {
        for attempt in 1...Self.spins * Self.yields {
            if attempt % Self.spins == 0 { sched_yield() } else { vi_spin_pause() }
            if word.pointee.load(ordering: .relaxed) == 0 && tryLock() { return }
        }
        let longestSleep = Self.longestSleep
        while true {
            flag.pointee.store(1, ordering: .sequentiallyConsistent)
            vi_membarrier()
            if tryLock() { break }
            // Not on the word: the flag may have been taken down, and the lock taken again, since this thread looked.
            vi_futex_wait(UnsafeRawPointer(flag).assumingMemoryBound(to: UInt32.self), 1, longestSleep)
        }
        // Only one is woken at a time: another may sleep whose flag was taken down for this one.
        flag.pointee.store(1, ordering: .relaxed)
    }

    @usableFromInline func wake() {
        if flag.pointee.exchange(0, ordering: .relaxed) != 0 {
            vi_futex_wake(UnsafeRawPointer(flag).assumingMemoryBound(to: UInt32.self), 1)
        }
    }
}
