import ChunkStore
import System

/// Runs calls of the system. What fails of them fails as the store's, without an errno.
func calling<Result: ~Copyable>(_ calls: () throws(SystemError) -> Result) throws(StoreError) -> Result {
    do throws(SystemError) {
        return try calls()
    } catch {
        throw StoreError(error)
    }
}

extension StoreError {
    init(_ error: SystemError) {
        let reason: Reason =
            if error.isDiskFull {
                .diskFull
            } else if error.isLackOfDescriptors {
                .tooManyOpen
            } else if error.isForeign {
                .foreign
            } else {
                .failed
            }
        self.init(reason, error.description, isSyncFailure: error.isSyncFailure)
    }
}
