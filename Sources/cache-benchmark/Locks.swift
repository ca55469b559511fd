/// Compares the locks that a segment could have, under the load of the cells: 64 segments, chosen as by the workload's
/// keys, and a critical section that writes as many lines as a lookup that hits.
enum Locks {
    private static let segments = 64
    /// Bytes from one segment to the next: a lock, and apart from it the lines that are written.
    private static let stride = 1024
    private static let linesWritten = 5

    /// Prints a line for each lock and number of threads: million critical sections a second, the best round. The locks
    /// take turns, so that a busy minute does not hit one of them alone.
    static func compare(_ workload: Workload, seconds: Double, rounds: Int) {
        let order = workload.order.map { Int($0) & (segments - 1) }
        let names = ["segment-lock", "futex-exchange", "Mutex", "pthread_mutex", "spin-yield"]
        var best: [String: Double] = [:]
        for _ in 0..<rounds {
            for threads in Throughput.threadCounts {
                let rates = [
                    measure(OwnLock.self, order, threads, seconds), measure(ExchangeLock.self, order, threads, seconds),
                    measure(LibraryLock.self, order, threads, seconds),
                    measure(PosixLock.self, order, threads, seconds),
                    measure(YieldingLock.self, order, threads, seconds),
                ]
                for (name, rate) in zip(names, rates) {
                    best["\(name) \(threads)"] = max(rate, best["\(name) \(threads)"] ?? 0)
                }
            }
        }
        for name in names {
            for threads in Throughput.threadCounts { print(name, threads, rounded(best["\(name) \(threads)"]!)) }
        }
    }

    @inline(__always)
    private static func measure<Lock: ComparedLock>(
        _ lock: Lock.Type, _ order: [Int], _ threads: Int, _ seconds: Double
    ) -> Double {
        let memory = Memory(address: .allocate(byteCount: segments * stride, alignment: 128))
        defer { memory.address.deallocate() }
        memory.address.initializeMemory(as: UInt8.self, repeating: 0, count: segments * stride)
        for segment in 0..<segments { lock.initialize(memory.address + segment * stride) }
        return Throughput.measure(threads: threads, seconds: seconds) { _, begin, count in
            run(lock, memory.address, order, begin, count)
        }
    }

    @inline(never)
    private static func run<Lock: ComparedLock>(
        _ lock: Lock.Type, _ memory: UnsafeMutableRawPointer, _ order: [Int], _ begin: Int, _ count: Int
    ) {
        for step in begin..<begin + count {
            let segment = memory + order[step & (order.count - 1)] * stride
            let words = (segment + 128).assumingMemoryBound(to: Int.self)
            lock.withLock(segment) {
                for line in 0..<linesWritten { words[line * 8] &+= step }
            }
        }
    }

    private struct Memory: Sendable {
        // SAFETY: whoever writes there holds the lock that lies beside it.
        nonisolated(unsafe) let address: UnsafeMutableRawPointer
    }
}
