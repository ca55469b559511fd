import ChunkStore
import CSystem
import Foundation
import Glibc
import System

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
