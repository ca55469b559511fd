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
    package init(_ run: @escaping @Sendable ([Item]) throws(Failure) -> [Output]) {
        self.run = run
    }

    /// Waits until a run has included the item.
    ///
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
