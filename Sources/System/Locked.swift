import CSystem
import Foundation

/// Where a lock stands in the order of locks: a thread that has one takes only those behind it, and none where that is the
/// last. Debug builds check it. "Locks, in their order" in Architecture has what each guards.
@usableFromInline package enum LockOrder: Int32 {
    case uploads = 1
    case upload, comparison, follower, guids, call, last

    /// Checks that the thread may take a lock of this place. Returns what `leave` wants.
    @usableFromInline func enter() -> Int32 {
        let before = vi_lock_order()
        precondition(before < rawValue, "a lock of order \(self) is taken behind one of order \(before)")
        vi_set_lock_order(rawValue)
        return before
    }

    @usableFromInline static func leave(_ before: Int32) { vi_set_lock_order(before) }
}

/// A value behind a lock.
///
/// Not `Mutex`: on Linux it hands a contended lock over in the kernel, where ThreadSanitizer does not see it.
@usableFromInline package final class Locked<Value>: @unchecked Sendable {
    // SAFETY: `lock` guards `value`.
    @usableFromInline let lock = NSLock()
    @usableFromInline var value: Value
    @usableFromInline let order: LockOrder

    @inlinable package init(_ value: Value, order: LockOrder = .last) { (self.value, self.order) = (value, order) }

    @inlinable package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        #if DEBUG
            let before = order.enter()
            defer { LockOrder.leave(before) }
        #endif
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}

/// A value behind a lock, and the threads that wait until it has changed. Thread-safe.
///
/// A change that others wait for is followed by `broadcast` or `signal`, with the lock or without it. The closures
/// run with the lock: they are short, do no I/O and use the monitor for nothing but these two.
package final class Monitor<Value>: @unchecked Sendable {
    // SAFETY: `condition` guards `value`.
    private let condition = NSCondition()
    private var value: Value
    private let order: LockOrder

    package init(_ value: Value, order: LockOrder = .last) { (self.value, self.order) = (value, order) }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try locked { try body(&value) }
    }

    /// Waits until `body`, which is asked at once and after each change, has a result.
    package func wait<Result>(for body: (inout Value) throws -> Result?) rethrows -> Result {
        try locked {
            while true {
                if let result = try body(&value) { return result }
                condition.wait()
            }
        }
    }

    /// The same, up to `deadline`. Then it is the result of `otherwise`, which nothing comes before.
    package func wait<Result>(
        until deadline: Date, for body: (inout Value) -> Result?, otherwise: (inout Value) -> Result
    ) -> Result {
        locked {
            var isInTime = true
            while true {
                if let result = body(&value) { return result }
                guard isInTime else { return otherwise(&value) }
                isInTime = condition.wait(until: deadline)
            }
        }
    }

    private func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        #if DEBUG
            let before = order.enter()
            defer { LockOrder.leave(before) }
        #endif
        condition.lock()
        defer { condition.unlock() }
        return try body()
    }

    /// Has all threads that wait ask again.
    package func broadcast() { condition.broadcast() }

    /// Has one of them ask again.
    package func signal() { condition.signal() }
}

/// Batches a costly call, a commit or a sync, for callers that come at about the same time.
///
/// The first caller runs at once. Callers that arrive during a run are batched into the next one. An
/// item that was submitted is never part of a run that had begun before. Thread-safe.
package final class GroupCommit<Item: Sendable, Output: Sendable, Failure: Error>: Sendable {
    /// The items of one run, and what came of it.
    private final class Batch {
        var items: [Item] = []
        var result: Result<[Output], Failure>?
    }

    private struct State {
        var next = Batch()
        var isRunning = false
    }

    /// Its lock guards every batch too.
    private let state = Monitor(State())
    private let run: @Sendable ([Item]) throws(Failure) -> [Output]

    /// - Parameter run: returns one output for each item, in their order. Never called twice at once.
    package init(_ run: @escaping @Sendable ([Item]) throws(Failure) -> [Output]) { self.run = run }

    /// Waits until a run has included the item.
    /// - Throws: what the run threw; so do all others of the same run.
    package func submit(_ item: Item) throws(Failure) -> Output {
        let (batch, index) = state.withLock {
            $0.next.items.append(item)
            return ($0.next, $0.next.items.count - 1)
        }
        // Without a result it is this thread's turn to run the batch, on behalf of all in it.
        let result = state.wait { state -> Result<[Output], Failure>?? in
            if let result = batch.result { return result }
            guard !state.isRunning else { return nil }
            state = State(isRunning: true)
            return .some(nil)
        }
        return try (result ?? lead(batch)).get()[index]
    }

    private func lead(_ batch: Batch) -> Result<[Output], Failure> {
        let result = Result { () throws(Failure) in try run(batch.items) }
        state.withLock {
            batch.result = result
            $0.isRunning = false
        }
        state.broadcast()
        return result
    }
}

/// Items that wait, each a client's. Clients take turns, however many items one has, and so do the items of one client.
/// Not thread-safe: its owner guards it.
package struct ClientTurns<Item> {
    /// The items of each client that has some, those that have waited longest first.
    private var waiting: [String: [Item]] = [:]
    /// These clients, the one whose turn it is first.
    private var turns: [String] = []
    package private(set) var count = 0

    package init() {}

    /// Adds an item behind those of its client that wait.
    package mutating func append(_ item: Item, of client: String) {
        if waiting[client] == nil { turns.append(client) }
        waiting[client, default: []].append(item)
        count += 1
    }

    /// Takes the next item: of the first client in turn, of those that may have one; `nil` if there is none.
    package mutating func next(where mayHave: (String) -> Bool = { _ in true }) -> (client: String, item: Item)? {
        guard let index = turns.firstIndex(where: mayHave) else { return nil }
        let client = turns.remove(at: index)
        let item = waiting[client]!.removeFirst()
        if waiting[client]!.isEmpty { waiting[client] = nil } else { turns.append(client) }
        count -= 1
        return (client, item)
    }
}
