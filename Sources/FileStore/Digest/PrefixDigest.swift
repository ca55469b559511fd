import ChunkStore
import Dispatch
import System

/// The digest of a file that is still being written: it follows the part that is whole from the beginning on, while
/// those bytes are in the page cache, so that little is left to do when the last chunk comes.
///
/// Thread-safe. The hashing runs on threads of `DigestQueue`, which all files share.
package final class PrefixDigest: Sendable {
    let file: StoredFile
    /// Whose turn it takes.
    let client: String
    /// The queue's thread works on a copy of the digest.
    private let progress: Monitor<Progress>

    private struct Progress {
        var digest = MD5Digest()
        var position = 0
        var target = 0
        var generation = 0
        /// What comes before is no longer wanted in the page cache.
        var dropped = 0
        /// Whether the queue has it.
        var isRunning = false
        var failure: SystemError?
        var waiters = LagWaiters()

        mutating func begin() {
            position = 0
            dropped = 0
            digest.reset()
        }
    }

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
        progress = Monitor(
            state.map {
                Progress(digest: $0.digest, position: $0.position, target: $0.position, dropped: $0.dropped)
            } ?? Progress())
    }

    /// Stops for good, because the file is to be closed.
    ///
    /// - Returns: from where another digest of the file can go on; `nil` if that is the beginning.
    package func suspend() -> State? {
        progress.withLock { progress in
            let isUsable = progress.failure == nil && progress.position > 0
            defer {
                // What the queue does for it counts no more.
                progress.generation += 1
                progress.target = 0
                progress.begin()
            }
            return isUsable
                ? State(digest: progress.digest, position: progress.position, dropped: progress.dropped) : nil
        }
    }

    /// The first `count` bytes of the file are there.
    package func advance(to count: Int) {
        progress.withLock {
            $0.target = max($0.target, count)
            start(&$0)
        }
    }

    /// Bytes that may have been read already have changed; the first `count` bytes are there.
    package func restart(to count: Int) {
        progress.withLock {
            $0.generation += 1
            $0.target = count
            $0.failure = nil
            // Also while the queue has it, which may not have looked at it yet: it would go on behind the old bytes.
            $0.begin()
            start(&$0)
        }
    }

    /// Calls `body`, from any thread, once at most `lag` bytes of what is there are still to be read, or the time is up:
    /// keeps the uploads from running away from the processor, which would make the last request pay.
    ///
    /// - Returns: `false` if that is so already; `body` is not called then.
    package func whenBehind(
        atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void
    ) -> Bool {
        let number = progress.withLock {
            $0.isRunning && $0.target - $0.position > lag ? $0.waiters.add(lag, body) : nil
        }
        guard let number else { return false }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
            guard let self else { return }
            progress.withLock { $0.waiters.take(number) }?()
        }
        return true
    }

    /// Lets the page cache forget what has been read, so that one big upload does not push out everything else, and the
    /// memory serves for its next bytes. What is not on the medium yet stays.
    ///
    /// - Parameter limit: bytes from the beginning of which none more may be forgotten.
    package func dropCache(before limit: Int = .max) {
        let range = progress.withLock { progress -> Range<Int>? in
            let end = min(progress.position, limit) - Self.cacheKept
            guard end - progress.dropped >= Self.cacheKept else { return nil }
            defer { progress.dropped = end }
            return progress.dropped..<end
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
        let result = progress.wait { progress -> Result<String, SystemError>? in
            guard !progress.isRunning else { return nil }
            defer {
                progress.target = 0
                progress.failure = nil
                progress.begin()
            }
            return progress.failure.map { .failure($0) } ?? .success(progress.digest.finish())
        }
        return try result.get()
    }

    private func start(_ progress: inout Progress) {
        guard !progress.isRunning, progress.position < progress.target, progress.failure == nil else { return }
        progress.isRunning = true
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
        progress.withLock { Job(range: $0.position..<$0.target, digest: $0.digest, generation: $0.generation) }
    }

    /// Takes in that the first `count` bytes of the job are digested, or why not.
    ///
    /// - Returns: whether there is more to do. If not, the queue no longer has it.
    func proceed(_ job: Job, by count: Int, failure: SystemError?) -> Bool {
        let (ready, isRunning) = progress.withLock { progress -> ([@Sendable () -> Void], Bool) in
            if job.generation != progress.generation {
                progress.begin()
            } else if let failure {
                progress.failure = failure
            } else {
                progress.digest = job.digest
                progress.position += count
            }
            let left = progress.target - progress.position
            progress.isRunning = left > 0 && progress.failure == nil
            self.progress.broadcast()
            return (progress.waiters.take(left: progress.isRunning ? left : 0), progress.isRunning)
        }
        ready.forEach { $0() }
        return isRunning
    }
}
