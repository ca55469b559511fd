import Foundation

/// The digest of a file that is still being written: it follows the part that is whole from the beginning on, while
/// those bytes are in the page cache, so that little is left to do when the last chunk comes.
///
/// Thread-safe. The hashing runs on a queue shared by all files, as wide as the machine has cores.
package final class PrefixDigest: @unchecked Sendable {
    // SAFETY: `condition` guards every variable but `digest`, which only the one running job touches, or, where none
    // is running, the holder of `condition`.
    private let condition = NSCondition()
    private let file: StoredFile
    private var digest = MD5Digest()
    private var position = 0
    private var target = 0
    private var generation = 0
    private var isRunning = false
    private var failure: StoreError?

    private static let queue: OperationQueue = {
        let queue = OperationQueue()
        queue.name = "digest"
        queue.maxConcurrentOperationCount = ProcessInfo.processInfo.activeProcessorCount
        return queue
    }()

    /// A job gives way to other threads' news after so many bytes.
    private static let step = 4 * 1024 * 1024

    package init(_ file: StoredFile) {
        self.file = file
    }

    /// The first `count` bytes of the file are there.
    package func advance(to count: Int) {
        condition.withLock {
            target = max(target, count)
            start()
        }
    }

    /// Bytes that may have been read already have changed; the first `count` bytes are there.
    package func restart(to count: Int) {
        condition.withLock {
            generation += 1
            target = count
            failure = nil
            if !isRunning {
                position = 0
                digest.reset()
            }
            start()
        }
    }

    /// Waits until at most `lag` bytes of what is there are still to be read: keeps the uploads from running away
    /// from the processor, which would make the last request pay.
    package func wait(lag: Int) {
        condition.withLock {
            while isRunning && target - position > lag { condition.wait() }
        }
    }

    /// Waits for the digest of the first `count` bytes, all of which must be there, and begins anew.
    ///
    /// - Returns: 32 lower-case hexadecimal digits.
    package func finish(_ count: Int) throws(StoreError) -> String {
        advance(to: count)
        condition.lock()
        defer { condition.unlock() }
        while isRunning { condition.wait() }
        if let failure {
            self.failure = nil
            position = 0
            digest.reset()
            throw failure
        }
        position = 0
        target = 0
        return digest.finish()
    }

    private func start() {
        guard !isRunning, position < target, failure == nil else { return }
        isRunning = true
        Self.queue.addOperation { self.run() }
    }

    private func run() {
        condition.lock()
        while position < target && failure == nil {
            let range = position..<min(target, position + Self.step)
            let started = generation
            condition.unlock()
            var fault: StoreError?
            do throws(StoreError) {
                try file.forEachPiece(of: range) { digest.update($0) }
            } catch {
                fault = error
            }
            condition.lock()
            if started != generation {
                position = 0
                digest.reset()
            } else if let fault {
                failure = fault
            } else {
                position = range.upperBound
            }
            condition.broadcast()
        }
        isRunning = false
        condition.broadcast()
        condition.unlock()
    }
}
