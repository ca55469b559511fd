import ChunkStore
import Dispatch
import Glibc
import System

/// Whether a file that is still being written has the same bytes as other files: it follows the part that is whole from the
/// beginning on, as `PrefixDigest` does, while those bytes are in the page cache.
///
/// Thread-safe. The comparing runs on threads of `ComparisonQueue`, a step of each file in turn.
package final class PrefixComparison: Sendable {
    private let file: StoredFile
    /// Whose turn it takes.
    fileprivate let client: String
    private let others: [StoredFile]
    private let progress: Monitor<Progress>

    private struct Progress {
        /// Those of the others that have had the same bytes so far.
        var same: [Int]
        var position: Int
        var target: Int
        var generation = 0
        /// Whether the queue has it.
        var isRunning = false
        var waiters = LagWaiters()
    }

    /// How far a comparison has come whose files are closed.
    package struct State: Sendable {
        fileprivate let same: [Int]
        /// Bytes that are compared.
        package let position: Int
    }

    /// - Parameters:
    ///   - client: the files of one client share its turns.
    ///   - state: how far another comparison of the same files has come, whose bytes have not changed since.
    package init(_ file: StoredFile, with others: [StoredFile], client: String = "", from state: State? = nil) {
        self.file = file
        self.client = client
        self.others = others
        let position = state?.position ?? 0
        progress = Monitor(
            Progress(same: state?.same ?? Array(others.indices), position: position, target: position))
    }

    /// Stops for good, because the files are to be closed.
    ///
    /// - Returns: from where another comparison of them can go on.
    package func suspend() -> State {
        progress.withLock { progress in
            defer {
                // What the queue does for it counts no more.
                progress.generation += 1
                (progress.position, progress.target) = (0, 0)
            }
            return State(same: progress.same, position: progress.position)
        }
    }

    /// The first `count` bytes of the file are there.
    package func advance(to count: Int) {
        progress.withLock {
            $0.target = max($0.target, count)
            start(&$0)
        }
    }

    /// Bytes that may have been compared already have changed; the first `count` bytes are there.
    package func restart(to count: Int) {
        progress.withLock {
            $0.generation += 1
            ($0.position, $0.target) = (0, count)
            $0.same = Array(others.indices)
            start(&$0)
        }
    }

    /// Calls `body`, from any thread, once at most `lag` bytes of what is there are still to be compared, or the time is up.
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

    /// Bytes of memory that the comparisons of all files take at most to read.
    package static let memoryLimit = ComparisonQueue.memoryLimit

    /// Waits until the first `count` bytes, all of which must be there, are compared.
    ///
    /// - Returns: which of the others have the same ones, by their place in the list. One that cannot be read has not.
    package func finish(_ count: Int) -> [Int] {
        advance(to: count)
        return progress.wait { $0.isRunning ? nil : $0.same }
    }

    /// Bytes from the beginning that are compared, or need not be.
    package var compared: Int { progress.withLock { $0.same.isEmpty ? .max : $0.position } }

    private func start(_ progress: inout Progress) {
        guard !progress.isRunning, progress.position < progress.target, !progress.same.isEmpty else { return }
        progress.isRunning = true
        ComparisonQueue.shared.add(self)
    }
}

// MARK: - For the queue

extension PrefixComparison {
    /// Bytes that are compared before it is another file's turn.
    private static let step = 1024 * 1024

    /// Compares some bytes.
    ///
    /// - Parameter buffer: for two pieces.
    /// - Returns: whether there is more to do. If not, the queue no longer has it.
    fileprivate func proceed(_ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let (range, same, generation) = progress.withLock {
            ($0.position..<min($0.target, $0.position + Self.step), $0.same, $0.generation)
        }
        let stillSame = same.filter { isSame(range, others[$0], buffer) }
        let (ready, isRunning) = progress.withLock { progress -> ([@Sendable () -> Void], Bool) in
            if generation == progress.generation {
                progress.position = range.upperBound
                progress.same = stillSame
            }
            let left = progress.target - progress.position
            progress.isRunning = left > 0 && !progress.same.isEmpty
            self.progress.broadcast()
            return (progress.waiters.take(left: progress.isRunning ? left : 0), progress.isRunning)
        }
        ready.forEach { $0() }
        return isRunning
    }

    private func isSame(_ range: Range<Int>, _ other: StoredFile, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let half = buffer.count / 2
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(half, range.upperBound - offset)
            let ours = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            let theirs = UnsafeMutableRawBufferPointer(rebasing: buffer[half..<half + count])
            guard (try? file.read(into: ours, at: offset)) == count,
                (try? other.read(into: theirs, at: offset)) == count,
                memcmp(ours.baseAddress!, theirs.baseAddress!, count) == 0
            else { return false }
            offset += count
        }
        return true
    }
}

/// The files that have bytes to compare, and the threads that do it: slow disks make them wait, not others' requests.
private enum ComparisonQueue {
    static let shared = StepQueue<PrefixComparison>(threadLimit: threadLimit, client: \.client) { work($0) }

    /// Bytes that its threads read into.
    static let memoryLimit = threadLimit * bufferSize

    private static let threadLimit = 4
    private static let bufferSize = 2 * StoredFile.pieceSize

    private static func work(_ queue: StepQueue<PrefixComparison>) -> Never {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 4096)
        while true { queue.putBack(queue.take(atMost: 1).filter { $0.proceed(buffer) }) }
    }
}
