import CSystem
import ChunkStore
import Dispatch
import Foundation
import Glibc
import System

/// Work that goes on in steps, and the threads that do it, which are started as they are needed and never end. Clients take
/// turns, and so do the items of one client. Thread-safe.
final class StepQueue<Item: Sendable>: Sendable {
    private struct State {
        var waiting = ClientTurns<Item>()
        var threads = 0
        var idleThreads = 0
    }

    private let state = Monitor(State())

    private let threadLimit: Int
    private let client: @Sendable (Item) -> String
    private let work: @Sendable (StepQueue<Item>) -> Never

    /// - Parameters:
    ///   - client: whose an item is.
    ///   - work: what a thread does: takes items, does a step of each and puts back those that need another one.
    init(
        threadLimit: Int, client: @escaping @Sendable (Item) -> String,
        work: @escaping @Sendable (StepQueue<Item>) -> Never
    ) {
        self.threadLimit = threadLimit
        self.client = client
        self.work = work
    }

    /// Takes an item in that needs steps.
    func add(_ item: Item) {
        state.withLock {
            $0.waiting.append(item, of: client(item))
            if $0.idleThreads > 0 {
                state.signal()
            } else if $0.threads < threadLimit {
                $0.threads += 1
                Thread.detachNewThread { self.work(self) }
            }
        }
    }

    /// Takes the items whose turn it is, each thread its share; waits for the first.
    /// - Parameter limit: how many at most.
    func take(atMost limit: Int) -> [Item] {
        var isIdle = false
        return state.wait { state in
            if isIdle { state.idleThreads -= 1 }
            isIdle = state.waiting.count == 0
            guard !isIdle else {
                state.idleThreads += 1
                return nil
            }
            let share = (state.waiting.count + threadLimit - 1) / threadLimit
            return (0..<min(share, limit)).map { _ in state.waiting.next()!.item }
        }
    }

    /// Puts items behind those of their clients that wait: it is their turn again after them.
    func putBack(_ items: [Item]) {
        state.withLock {
            for item in items { $0.waiting.append(item, of: client(item)) }
        }
    }
}

/// Follows a file that is still being written over the part that is whole from the beginning on, while those bytes are in the
/// page cache, so that little is left to do when the last chunk comes. What is found in them is a digest (`PrefixDigest`), or
/// which other files have the same bytes (`PrefixComparison`).
///
/// Thread-safe. The bytes are read by threads of a `StepQueue`, which all files share and which work on a copy of the finding.
package final class PrefixFollower<Finding: Sendable>: Sendable {
    let file: StoredFile
    /// With which it is compared; none for a digest.
    let others: [StoredFile]
    /// Whose turn it takes.
    let client: String
    private let initial: Finding
    private let isOver: @Sendable (Finding) -> Bool
    private let queue: StepQueue<PrefixFollower>
    private let progress: Monitor<Progress>

    private struct Progress {
        var state: State
        var target: Int
        /// Tells bytes from those that are there after a `restart`.
        var generation = 0
        /// Whether the queue has it.
        var isRunning = false
        /// Those that wait until no more than `lag` bytes are left.
        var waiters: [(number: Int, lag: Int, body: @Sendable () -> Void)] = []
        var lastWaiter = 0
    }

    /// How far one has come, perhaps one whose file is closed.
    package struct State: Sendable {
        /// What the bytes before `position` are.
        fileprivate(set) var finding: Finding
        /// Bytes that are read.
        package fileprivate(set) var position = 0
        /// What comes before is no longer wanted in the page cache.
        fileprivate var dropped = 0
    }

    /// - Parameters:
    ///   - client: the files of one client share its turns.
    ///   - initial: what is found where nothing is read.
    ///   - state: how far another one has come, if the bytes that it has read are the same.
    ///   - isOver: whether it makes no difference what comes now.
    init(
        _ file: StoredFile, with others: [StoredFile] = [], client: String, _ initial: Finding, from state: State?,
        in queue: StepQueue<PrefixFollower>, isOver: @escaping @Sendable (Finding) -> Bool
    ) {
        self.file = file
        self.others = others
        self.client = client
        self.initial = initial
        self.queue = queue
        self.isOver = isOver
        progress = Monitor(
            Progress(state: state ?? State(finding: initial), target: state?.position ?? 0), order: .follower)
    }

    var state: State { progress.withLock(\.state) }

    /// Begins anew, with the first `count` bytes, which are there: those that were read may have changed.
    package func restart(to count: Int) {
        progress.withLock {
            begin(&$0, to: count)
            start(&$0)
        }
    }

    /// Stops for good, because the file is to be closed.
    /// - Returns: from where another one can go on; `nil` if that is the beginning.
    package func suspend() -> State? {
        progress.withLock { progress in
            defer { begin(&progress, to: 0) }
            return progress.state.position > 0 ? progress.state : nil
        }
    }

    /// Also while the queue has it, which may not have looked at it yet: it would go on behind the old bytes.
    private func begin(_ progress: inout Progress, to count: Int) {
        progress.generation += 1
        (progress.state, progress.target) = (State(finding: initial), count)
    }

    /// The first `count` bytes of the file are there.
    package func advance(to count: Int) {
        progress.withLock {
            $0.target = max($0.target, count)
            start(&$0)
        }
    }

    private func start(_ progress: inout Progress) {
        guard !progress.isRunning, hasMore(progress) else { return }
        progress.isRunning = true
        queue.add(self)
    }

    private func hasMore(_ progress: Progress) -> Bool {
        progress.state.position < progress.target && !isOver(progress.state.finding)
    }

    /// Waits until the first `count` bytes, all of which must be there, are read.
    /// - Parameter beginsAnew: whether it is at the beginning again then.
    /// - Returns: what is found.
    func follow(to count: Int, beginsAnew: Bool = false) -> Finding {
        advance(to: count)
        return progress.wait { progress in
            guard !progress.isRunning else { return nil }
            defer { if beginsAnew { begin(&progress, to: 0) } }
            return progress.state.finding
        }
    }

    /// Calls `body`, from any thread, once at most `lag` bytes of what is there are still to be read, or the time is up:
    /// keeps the uploads from running away from the processor, which would make the last request pay.
    /// - Returns: `false` if that is so already; `body` is not called then.
    package func whenBehind(atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void) -> Bool {
        let number = progress.withLock { progress -> Int? in
            guard progress.isRunning, progress.target - progress.state.position > lag else { return nil }
            progress.lastWaiter += 1
            progress.waiters.append((progress.lastWaiter, lag, body))
            return progress.lastWaiter
        }
        guard let number else { return false }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
            let late = self?.progress.withLock { progress in
                progress.waiters.firstIndex { $0.number == number }.map { progress.waiters.remove(at: $0).body }
            }
            late?()
        }
        return true
    }

    /// Lets the page cache forget what has been read, so that one big upload does not push out everything else, and the
    /// memory serves for its next bytes. What is not on the medium yet stays.
    /// - Parameter limit: bytes from the beginning of which none more may be forgotten.
    package func dropCache(before limit: Int = .max) {
        // Bytes before the position that stay, to be brought to the medium.
        let kept = 8 * 1024 * 1024
        let range = progress.withLock { progress -> Range<Int>? in
            let end = min(progress.state.position, limit) - kept
            guard end - progress.state.dropped >= kept else { return nil }
            defer { progress.state.dropped = end }
            return progress.state.dropped..<end
        }
        if let range { file.dropCache(of: range) }
    }
}

// MARK: - For the queue

extension PrefixFollower {
    /// What the queue does next for a file.
    struct Job {
        /// The bytes that are to be read; empty after a `restart` to the beginning.
        let range: Range<Int>
        /// What the bytes before it are.
        var finding: Finding
        fileprivate let generation: Int
    }

    var job: Job {
        progress.withLock {
            Job(range: $0.state.position..<$0.target, finding: $0.state.finding, generation: $0.generation)
        }
    }

    /// Takes in what the job has found in the bytes up to `position`; where that is 0, they are of no use later.
    /// - Returns: whether there is more to do. If not, the queue no longer has it.
    func proceed(_ job: Job, to position: Int) -> Bool {
        let (ready, isRunning) = progress.withLock { progress -> ([@Sendable () -> Void], Bool) in
            if job.generation == progress.generation {
                (progress.state.finding, progress.state.position) = (job.finding, position)
            }
            progress.isRunning = hasMore(progress)
            self.progress.broadcast()
            let left = progress.isRunning ? progress.target - progress.state.position : 0
            defer { progress.waiters.removeAll { $0.lag >= left } }
            return (progress.waiters.filter { $0.lag >= left }.map(\.body), progress.isRunning)
        }
        ready.forEach { $0() }
        return isRunning
    }
}

// MARK: - The digest

/// The digest of a file that is still being written.
package typealias PrefixDigest = PrefixFollower<DigestFinding>

package struct DigestFinding: Sendable {
    var md5 = MD5Digest()
    /// Why the file cannot be read.
    var failure: SystemError?
}

extension PrefixDigest {
    /// - Parameters:
    ///   - client: the files of one client share its turns.
    ///   - state: how far another digest of the file has come, whose bytes have not changed since.
    package convenience init(_ file: StoredFile, client: String = "", from state: State? = nil) {
        self.init(file, client: client, DigestFinding(), from: state, in: DigestQueue.shared) { $0.failure != nil }
    }

    /// Waits for the digest of the first `count` bytes, all of which must be there, and begins anew.
    /// - Returns: 32 lower-case hexadecimal digits.
    package func finish(_ count: Int) throws(SystemError) -> String {
        var finding = follow(to: count, beginsAnew: true)
        if let failure = finding.failure { throw failure }
        return finding.md5.finish()
    }
}

/// The files that have bytes to digest, and the threads that do it.
///
/// One digest cannot use more than one core, nor all of that one; a thread here takes several files at once, in
/// lockstep, which is several times faster than one after the other (see `MD5Digest.update`).
enum DigestQueue {
    /// Each file is in it until there is nothing more to do.
    static let shared = StepQueue<PrefixDigest>(threadLimit: threadLimit, client: \.client) { work($0) }

    /// Bytes that its threads read into.
    static let memoryLimit = threadLimit * bufferSize

    /// Half of the cores: the others bring the bytes in.
    private static let threadLimit = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)

    /// Bytes that a thread reads before it looks at the queue again, of all its files together: what fits the
    /// processor's own cache.
    private static let bufferSize = 512 * 1024

    /// Fewer bytes of one file must not make the others go on in small steps.
    private static let smallestStep = 16 * 1024

    private static func work(_ queue: StepQueue<PrefixDigest>) -> Never {
        _ = vi_name_thread(pthread_self(), "digest")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 4096)
        while true { queue.putBack(step(queue.take(atMost: MD5Digest.lanes), buffer)) }
    }

    /// Digests some bytes of each file. Returns the files that have more.
    private static func step(_ files: [PrefixDigest], _ buffer: UnsafeMutableRawBufferPointer) -> [PrefixDigest] {
        var jobs = files.map(\.job)
        // Those that go on in lockstep do so by the same number of bytes.
        let long = jobs.map(\.range.count).filter { $0 >= smallestStep }.min()
        let room = bufferSize / files.count / MD5Digest.blockSize * MD5Digest.blockSize
        let counts = jobs.map { job in
            let count = min(job.range.count, long ?? smallestStep, room)
            // A digest stays at the beginning of a block as long as it can.
            return count == job.range.count ? count : count / MD5Digest.blockSize * MD5Digest.blockSize
        }
        for index in files.indices {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[index * room..<index * room + counts[index]])
            jobs[index].finding.failure = read(files[index].file, piece, at: jobs[index].range.lowerBound)
        }
        for count in Set(counts) {
            let together = files.indices.filter { counts[$0] == count && jobs[$0].finding.failure == nil }
            var digests = together.map { jobs[$0].finding.md5 }
            MD5Digest.update(&digests, together.map { UnsafeRawPointer(buffer.baseAddress! + $0 * room) }, count: count)
            for (index, digest) in zip(together, digests) { jobs[index].finding.md5 = digest }
        }
        return files.indices.filter {
            files[$0].proceed(
                jobs[$0], to: jobs[$0].finding.failure == nil ? jobs[$0].range.lowerBound + counts[$0] : 0)
        }.map { files[$0] }
    }

    private static func read(
        _ file: StoredFile, _ piece: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> SystemError? {
        do throws(SystemError) {
            return try file.read(into: piece, at: offset) == piece.count ? nil : SystemError("pread", code: EIO)
        } catch {
            return error
        }
    }
}
