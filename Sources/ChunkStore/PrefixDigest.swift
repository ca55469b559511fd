import Dispatch
import Foundation
import System

/// The digest of a file that is still being written: it follows the part that is whole from the beginning on, while
/// those bytes are in the page cache, so that little is left to do when the last chunk comes.
///
/// Thread-safe. The hashing runs on threads of `DigestQueue`, which all files share.
package final class PrefixDigest: @unchecked Sendable {
    // SAFETY: `condition` guards every variable. The queue's thread works on a copy of `digest`.
    private let condition = NSCondition()
    let file: StoredFile
    /// Whose turn it takes.
    let client: String
    private var digest = MD5Digest()
    private var position = 0
    private var target = 0
    private var generation = 0
    /// What comes before is no longer wanted in the page cache.
    private var dropped = 0
    /// Whether the queue has it.
    private var isRunning = false
    private var failure: SystemError?
    private var waiters = LagWaiters()

    /// How far a digest has come whose file is closed.
    package struct State: Sendable {
        fileprivate let digest: MD5Digest
        /// Bytes that are digested.
        package let position: Int
        fileprivate let dropped: Int
    }

    /// - Parameters:
    ///   - client: the files of one client share its turns.
    ///   - state: how far another digest of the file has come, whose bytes have not changed since.
    package init(_ file: StoredFile, client: String = "", from state: State? = nil) {
        self.file = file
        self.client = client
        guard let state else { return }
        (digest, position, target, dropped) = (state.digest, state.position, state.position, state.dropped)
    }

    /// Stops for good, because the file is to be closed.
    ///
    /// - Returns: from where another digest of the file can go on; `nil` if that is the beginning.
    package func suspend() -> State? {
        condition.withLock {
            let isUsable = failure == nil && position > 0
            defer {
                // What the queue does for it counts no more.
                generation += 1
                target = 0
                begin()
            }
            return isUsable ? State(digest: digest, position: position, dropped: dropped) : nil
        }
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
            // Also while the queue has it, which may not have looked at it yet: it would go on behind the old bytes.
            begin()
            start()
        }
    }

    /// Calls `body`, from any thread, once at most `lag` bytes of what is there are still to be read, or the time is up:
    /// keeps the uploads from running away from the processor, which would make the last request pay.
    ///
    /// - Returns: `false` if that is so already; `body` is not called then.
    package func whenBehind(
        atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void
    ) -> Bool {
        let number = condition.withLock {
            isRunning && target - position > lag ? waiters.add(lag, body) : nil
        }
        guard let number else { return false }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
            guard let self else { return }
            condition.withLock { waiters.take(number) }?()
        }
        return true
    }

    /// Lets the page cache forget what has been read, so that one big upload does not push out everything else, and the
    /// memory serves for its next bytes. What is not on the medium yet stays.
    ///
    /// - Parameter limit: bytes from the beginning of which none more may be forgotten.
    package func dropCache(before limit: Int = .max) {
        let range = condition.withLock { () -> Range<Int>? in
            let end = min(position, limit) - Self.cacheKept
            guard end - dropped >= Self.cacheKept else { return nil }
            defer { dropped = end }
            return dropped..<end
        }
        if let range { file.dropCache(of: range) }
    }

    /// Bytes of memory that the digests of all files take at most to read.
    package static let memoryLimit = DigestQueue.memoryLimit

    /// Bytes before the position that stay in the page cache, to be brought to the medium.
    private static let cacheKept = 8 * 1024 * 1024

    /// Waits for the digest of the first `count` bytes, all of which must be there, and begins anew.
    ///
    /// - Returns: 32 lower-case hexadecimal digits.
    package func finish(_ count: Int) throws(SystemError) -> String {
        advance(to: count)
        condition.lock()
        defer { condition.unlock() }
        while isRunning { condition.wait() }
        defer {
            target = 0
            failure = nil
            begin()
        }
        if let failure { throw failure }
        return digest.finish()
    }

    private func begin() {
        position = 0
        dropped = 0
        digest.reset()
    }

    private func start() {
        guard !isRunning, position < target, failure == nil else { return }
        isRunning = true
        DigestQueue.shared.add(self)
    }
}

// MARK: - For the queue

extension PrefixDigest {
    /// What the queue does next for a file.
    struct Job {
        /// The bytes that are to be digested; empty after a `restart` to the beginning.
        let range: Range<Int>
        /// The digest of those before.
        var digest: MD5Digest
        /// Tells the range's bytes from those that are there after a `restart`.
        let generation: Int
    }

    /// The next job.
    var job: Job {
        condition.withLock { Job(range: position..<target, digest: digest, generation: generation) }
    }

    /// Takes in that the first `count` bytes of the job are digested, or why not.
    ///
    /// - Returns: whether there is more to do. If not, the queue no longer has it.
    func proceed(_ job: Job, by count: Int, failure: SystemError?) -> Bool {
        let (ready, isRunning) = condition.withLock { () -> ([@Sendable () -> Void], Bool) in
            if job.generation != generation {
                begin()
            } else if let failure {
                self.failure = failure
            } else {
                digest = job.digest
                position += count
            }
            self.isRunning = position < target && self.failure == nil
            condition.broadcast()
            return (waiters.take(left: self.isRunning ? target - position : 0), self.isRunning)
        }
        ready.forEach { $0() }
        return isRunning
    }
}
