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
