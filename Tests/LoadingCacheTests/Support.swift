import Foundation
import Testing

@testable import LoadingCache

/// What a loader throws in these tests.
struct Unavailable: Error, Equatable {
    var number = 0
}

/// A clock that stands still until it is told to go on.
final class ManualTicker: @unchecked Sendable {
    // SAFETY: `lock` guards the rest.
    private let lock = NSLock()
    private var nanoseconds: Int64 = 1_000
    private var readings = 0

    var ticker: Ticker {
        Ticker { [self] in
            lock.withLock {
                readings += 1
                return nanoseconds
            }
        }
    }

    var timesRead: Int { lock.withLock { readings } }

    func advance(_ count: Int64) { lock.withLock { nanoseconds += count } }
}

/// A list that threads append to.
final class Log<Element: Sendable>: @unchecked Sendable {
    // SAFETY: `lock` guards `entries`.
    private let lock = NSLock()
    private var entries: [Element] = []

    func append(_ element: Element) { lock.withLock { entries.append(element) } }

    var all: [Element] { lock.withLock { entries } }

    var count: Int { all.count }
}

extension Log where Element == String {
    /// Notes a removal as "key value cause".
    func note<Key, Value>(_ removal: Removal<Key, Value>) { append("\(removal.key) \(removal.value) \(removal.cause)") }
}

/// A door that is closed until it is opened, and whose every wait is bounded.
final class Gate: @unchecked Sendable {
    // SAFETY: `condition` guards `isOpen`.
    private let condition = NSCondition()
    private var isOpen = false

    func open() {
        condition.withLock {
            isOpen = true
            condition.broadcast()
        }
    }

    /// - Returns: Whether the gate was opened in time.
    @discardableResult
    func wait() -> Bool {
        let deadline = Date(timeIntervalSinceNow: 60)
        return condition.withLock {
            while !isOpen { if !condition.wait(until: deadline) { return isOpen } }
            return true
        }
    }
}

/// A thread of its own; the pool of the tests is too small for tests that block.
final class Spawned<Value: Sendable>: @unchecked Sendable {
    // SAFETY: `value` is written before `done` opens and read after.
    private let done = Gate()
    private var value: Value?

    init(_ body: @escaping @Sendable () -> Value) {
        Thread.detachNewThread { [self] in
            value = body()
            done.open()
        }
    }

    /// What the thread returned; fails the test if that takes too long.
    func join() throws -> Value {
        try #require(done.wait(), "a thread did not end")
        return try #require(value)
    }
}

/// Runs `body` on so many threads at once and returns what each returned.
func onThreads<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Value) throws -> [Value] {
    let threads = (0..<count).map { number in Spawned { body(number) } }
    return try threads.map { try $0.join() }
}

/// Waits until something holds, at most a minute.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<60_000 {
        if condition() { return true }
        usleep(1_000)
    }
    return condition()
}

extension Cache {
    /// How many threads wait for loads, or have looked and are about to.
    var misses: Int { statistics.misses }
}

extension Cache<Int, Int> {
    /// Whether every segment's weight is that of its entries, and within its share, and its orders hold all of them.
    var weightIsConsistent: Bool {
        var isConsistent = true
        forEachSegment { segment in
            let state = segment.state.pointee
            var (sum, ordered) = (0, 0)
            state.forEach { sum += Int(state.nodes[Int($0)].weight) }
            for number in 0..<state.used where state.nodes[number].use != 0 { ordered += 1 }
            if sum != state.weight || sum > state.maximumWeight || ordered != state.count { isConsistent = false }
        }
        return isConsistent
    }
}
