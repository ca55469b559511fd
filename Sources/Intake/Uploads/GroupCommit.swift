import Foundation

/// Does something costly once for all who ask for it at about the same time: a commit, a sync.
///
/// Who comes while nothing runs runs at once, with its own item; who comes meanwhile waits and shares the next run. An
/// item that was submitted is never part of a run that had begun before. Thread-safe.
final class GroupCommit<Item: Sendable, Output: Sendable, Failure: Error>: @unchecked Sendable {
    /// The items of one run, and what came of it.
    private final class Batch {
        var items: [Item] = []
        var result: Result<[Output], Failure>?
    }

    // SAFETY: `condition` guards the variables, and those of every batch.
    private let condition = NSCondition()
    private var next = Batch()
    private var isRunning = false
    private let run: @Sendable ([Item]) throws(Failure) -> [Output]

    /// - Parameter run: returns one output for each item, in their order. Never called twice at once.
    init(_ run: @escaping @Sendable ([Item]) throws(Failure) -> [Output]) {
        self.run = run
    }

    /// Waits until a run has included the item.
    ///
    /// - Throws: what the run threw; so do all others of the same run.
    func submit(_ item: Item) throws(Failure) -> Output {
        condition.lock()
        let batch = next
        let index = batch.items.count
        batch.items.append(item)
        while batch.result == nil {
            if isRunning {
                condition.wait()
            } else {
                lead(batch)
            }
        }
        let result = batch.result!
        condition.unlock()
        return try result.get()[index]
    }

    /// Runs the batch that collects items, on behalf of all in it. The condition is locked before and after.
    private func lead(_ batch: Batch) {
        isRunning = true
        next = Batch()
        let items = batch.items
        condition.unlock()
        let result = Result { () throws(Failure) in try run(items) }
        condition.lock()
        batch.result = result
        isRunning = false
        condition.broadcast()
    }
}
