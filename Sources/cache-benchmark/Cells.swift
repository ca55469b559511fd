import LoadingCache

/// The cells for one kind of key: a cache with room for twice the workload's keys, all of them present.
struct Cells<Key: Hashable & Sendable>: Sendable {
    private let cache: Cache<Key, Int>
    /// What each thread asks for.
    private let traces: [Trace<Key>]

    /// As many as the peers have.
    private static var segments: Int { 64 }

    /// - Parameter key: Makes the key of an id; called for each thread unless the threads share their keys.
    @inline(__always)
    init(_ workload: Workload, sharesKeys: Bool, key: (String) -> Key) throws {
        cache = Cache(
            try CacheConfiguration(
                bound: .maximumSize(2 * workload.ids.count), concurrencyLevel: Self.segments,
                initialCapacity: workload.ids.count))
        let stored = workload.ids.map { KeyBox(key($0)) }
        for (number, box) in stored.enumerated() { cache.put(box.key, number) }
        traces = (0..<Throughput.threadCounts.max()!).map { _ in
            Trace(sharesKeys ? stored : workload.ids.map { KeyBox(key($0)) }, order: workload.order)
        }
    }

    /// - Returns: Million operations a second.
    func run(_ mode: Mode, threads: Int, seconds: Double) -> Double {
        Throughput.measure(threads: threads, seconds: seconds) { thread, begin, count in
            switch mode {
            case .read: read(traces[thread], begin, count)
            case .mixed: mix(traces[thread], begin, count)
            case .write: write(traces[thread], begin, count)
            }
        }
    }

    @inline(never)
    private func read(_ trace: Trace<Key>, _ begin: Int, _ count: Int) {
        var sum = 0
        trace.forEach(from: begin, count) { _, key in sum &+= cache.getIfPresent(key) ?? 0 }
        Throughput.keep(sum)
    }

    @inline(never)
    private func mix(_ trace: Trace<Key>, _ begin: Int, _ count: Int) {
        var sum = 0
        trace.forEach(from: begin, count) { step, key in
            if step & 3 == 3 { cache.put(key, step) } else { sum &+= cache.getIfPresent(key) ?? 0 }
        }
        Throughput.keep(sum)
    }

    @inline(never)
    private func write(_ trace: Trace<Key>, _ begin: Int, _ count: Int) {
        trace.forEach(from: begin, count) { step, key in cache.put(key, step) }
    }
}
