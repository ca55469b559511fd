import CSystem
import Glibc
import LoadingCache
import Synchronization

/// A lock in 128 bytes of memory.
protocol ComparedLock: SendableMetatype {
    static func initialize(_ memory: UnsafeMutableRawPointer)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void)
}

/// What the cache uses.
enum OwnLock: ComparedLock {
    static func initialize(_ memory: UnsafeMutableRawPointer) {
        SegmentLock.initialize(memory.bindMemory(to: Atomic<UInt32>.self, capacity: 2))
    }

    @inline(__always)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void) {
        let lock = SegmentLock(memory.assumingMemoryBound(to: Atomic<UInt32>.self))
        _ = lock.lock()
        body()
        lock.unlock()
    }
}

/// The same without membarrier: letting go exchanges the word, which says whether somebody may sleep. Mutex 3 of
/// https://www.akkadia.org/drepper/futex.pdf, with the same spinning.
enum ExchangeLock: ComparedLock {
    static func initialize(_ memory: UnsafeMutableRawPointer) {
        memory.bindMemory(to: Atomic<UInt32>.self, capacity: 1).initialize(to: Atomic(0))
    }

    @inline(__always)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void) {
        let word = memory.assumingMemoryBound(to: Atomic<UInt32>.self)
        if !word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { wait(word) }
        body()
        if word.pointee.exchange(0, ordering: .releasing) == 2 {
            vi_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 1)
        }
    }

    private static func wait(_ word: UnsafeMutablePointer<Atomic<UInt32>>) {
        for _ in 0..<100 {
            vi_spin_pause()
            if word.pointee.load(ordering: .relaxed) == 0,
                word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
            {
                return
            }
        }
        while word.pointee.exchange(2, ordering: .acquiring) != 0 {
            vi_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 2, 0)
        }
    }
}

/// The standard library's.
enum LibraryLock: ComparedLock {
    static func initialize(_ memory: UnsafeMutableRawPointer) {
        memory.bindMemory(to: Mutex<Void>.self, capacity: 1).initialize(to: Mutex(()))
    }

    @inline(__always)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void) {
        memory.assumingMemoryBound(to: Mutex<Void>.self).pointee.withLock { _ in body() }
    }
}

/// The C library's.
enum PosixLock: ComparedLock {
    static func initialize(_ memory: UnsafeMutableRawPointer) {
        pthread_mutex_init(memory.bindMemory(to: pthread_mutex_t.self, capacity: 1), nil)
    }

    @inline(__always)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void) {
        let mutex = memory.assumingMemoryBound(to: pthread_mutex_t.self)
        pthread_mutex_lock(mutex)
        body()
        pthread_mutex_unlock(mutex)
    }
}

/// One that never sleeps: it spins, and gives its processor away now and then.
enum YieldingLock: ComparedLock {
    static func initialize(_ memory: UnsafeMutableRawPointer) {
        memory.bindMemory(to: Atomic<UInt32>.self, capacity: 1).initialize(to: Atomic(0))
    }

    @inline(__always)
    static func withLock(_ memory: UnsafeMutableRawPointer, _ body: () -> Void) {
        let word = memory.assumingMemoryBound(to: Atomic<UInt32>.self)
        var attempts = 0
        while !word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged {
            attempts += 1
            if attempts % 100 == 0 { sched_yield() } else { vi_spin_pause() }
        }
        body()
        word.pointee.store(0, ordering: .releasing)
    }
}
