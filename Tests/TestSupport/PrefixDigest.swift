import FileStore
import ChunkStore
import Dispatch

extension PrefixDigest {
    /// Waits until at most `lag` bytes of what is there are still to be read.
    package func wait(lag: Int) {
        let isThere = DispatchSemaphore(value: 0)
        if whenBehind(atMost: lag, within: 60, { isThere.signal() }) { isThere.wait() }
    }
}
