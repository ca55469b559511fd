import ChunkStore
import CSystem
import Foundation
import Glibc
import System

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
        var failures = [SystemError?](repeating: nil, count: files.count)
        for index in files.indices {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[index * room..<index * room + counts[index]])
            failures[index] = read(files[index].file, piece, at: jobs[index].range.lowerBound)
        }
        for count in Set(counts) {
            let together = files.indices.filter { counts[$0] == count && failures[$0] == nil }
            var digests = together.map { jobs[$0].digest }
            MD5Digest.update(&digests, together.map { UnsafeRawPointer(buffer.baseAddress! + $0 * room) }, count: count)
            for (index, digest) in zip(together, digests) { jobs[index].digest = digest }
        }
        return files.indices.filter {
            files[$0].proceed(jobs[$0], by: counts[$0], failure: failures[$0])
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
