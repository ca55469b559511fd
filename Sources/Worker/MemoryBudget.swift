import Foundation
import System

/// The memory that the tools of all jobs may take together. Thread-safe.
///
/// What is counted is what a tool is allowed, not what it takes: all together cannot exceed it.
final class MemoryBudget: @unchecked Sendable {
    /// Bytes.
    let total: Int
    /// Bytes that the machine has free.
    private let available: @Sendable () -> Int?
    // SAFETY: `lock` guards the variables.
    private let lock = NSLock()
    private var taken = 0
    /// How many wait for all of it: until they have had it, nothing else begins.
    private var waiting = 0

    init(total: Int, available: @escaping @Sendable () -> Int? = { MachineMemory.available }) {
        self.total = total
        self.available = available
    }

    /// Takes so many bytes, at most `total`. Returns `false` if it has to wait.
    ///
    /// Where others have some, the machine must have as much free too: who else runs on it is not known. The first one
    /// begins in any case.
    func take(_ bytes: Int) -> Bool {
        lock.withLock {
            guard waiting == 0, taken + bytes <= total, taken == 0 || available() ?? .max >= bytes else { return false }
            taken += bytes
            return true
        }
    }

    /// Takes all in place of `bytes`, when everybody else has given back theirs.
    ///
    /// - Parameter isCancelled: asked ten times a second.
    /// - Returns: the bytes that the caller has then: `total`, or 0 if it was cancelled.
    func takeAll(inPlaceOf bytes: Int, isCancelled: () -> Bool) -> Int {
        lock.withLock {
            taken -= bytes
            waiting += 1
        }
        while true {
            let isCancelled = isCancelled()
            let isOurs = lock.withLock {
                guard isCancelled || taken == 0 else { return false }
                waiting -= 1
                if !isCancelled { taken = total }
                return true
            }
            if isOurs { return isCancelled ? 0 : total }
            usleep(100_000)
        }
    }

    func giveBack(_ bytes: Int) { lock.withLock { taken -= bytes } }
}
