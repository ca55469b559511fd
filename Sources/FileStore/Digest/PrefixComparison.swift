import ChunkStore
import Glibc
import System

/// Whether a file that is still being written has the same bytes as other files: which of them have had so far, by their place
/// in the list.
package typealias PrefixComparison = PrefixFollower<[Int]>

extension PrefixComparison {
    /// - Parameters:
    ///   - client: the files of one client share its turns.
    ///   - state: how far another comparison of the same files has come, whose bytes have not changed since.
    package convenience init(
        _ file: StoredFile, with others: [StoredFile], client: String = "", from state: State? = nil
    ) {
        self.init(
            file, with: others, client: client, Array(others.indices), from: state, in: ComparisonQueue.shared,
            isOver: \.isEmpty)
    }

    /// Waits until the first `count` bytes, all of which must be there, are compared.
    /// - Returns: which of the others have the same ones. One that cannot be read has not.
    package func finish(_ count: Int) -> [Int] { follow(to: count) }

    /// Bytes from the beginning that are compared, or need not be.
    package var compared: Int {
        let state = state
        return state.finding.isEmpty ? .max : state.position
    }
}

/// The files that have bytes to compare, and the threads that do it: slow disks make them wait, not others' requests.
enum ComparisonQueue {
    static let shared = StepQueue<PrefixComparison>(threadLimit: threadLimit, client: \.client) { work($0) }

    /// Bytes that its threads read into.
    static let memoryLimit = threadLimit * bufferSize

    private static let threadLimit = 4
    private static let bufferSize = 2 * StoredFile.pieceSize

    /// Bytes that are compared before it is another file's turn.
    private static let step = 1024 * 1024

    private static func work(_ queue: StepQueue<PrefixComparison>) -> Never {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 4096)
        while true { queue.putBack(queue.take(atMost: 1).filter { proceed($0, buffer) }) }
    }

    /// Compares some bytes. Returns whether there is more to do.
    private static func proceed(_ comparison: PrefixComparison, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        var job = comparison.job
        let range = job.range.prefix(step)
        job.finding.removeAll { !isSame(comparison.file, comparison.others[$0], range, buffer) }
        return comparison.proceed(job, to: range.upperBound)
    }

    /// - Parameter buffer: for two pieces.
    private static func isSame(
        _ file: StoredFile, _ other: StoredFile, _ range: Range<Int>, _ buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
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
