import System

/// The memory that the tools of some jobs may take together. Thread-safe.
///
/// What is counted is what a tool is allowed, not what it takes: all together cannot exceed it. Nothing waits in here with
/// something in its hands, so that no job keeps others from beginning but by what it has.
final class MemoryBudget: Sendable {
    /// Bytes.
    let total: Int
    /// Bytes that the machine has free.
    private let available: @Sendable () -> Int?
    /// Bytes.
    private let taken = Locked(0)

    init(total: Int, available: @escaping @Sendable () -> Int? = { MachineMemory.available }) {
        self.total = total
        self.available = available
    }

    /// Takes bytes of the budget. Returns `false` if too few are left.
    ///
    /// Where others have some, the machine must have as much free too: who else runs on it is not known. The first one
    /// begins in any case.
    func take(_ bytes: Int) -> Bool {
        taken.withLock { taken in
            guard taken + bytes <= total, taken == 0 || available() ?? .max >= bytes else { return false }
            taken += bytes
            return true
        }
    }

    /// Takes more, as much as there is up to `limit`. Returns how many bytes the caller has then, at least as many as it had.
    func grow(_ bytes: Int, upTo limit: Int) -> Int {
        taken.withLock { taken in
            let more = max(0, min(limit - bytes, total - taken))
            taken += more
            return bytes + more
        }
    }

    func giveBack(_ bytes: Int) { taken.withLock { $0 -= bytes } }
}
