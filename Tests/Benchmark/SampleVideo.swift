import CCrypto
import ChunkStore
import Foundation
import Glibc
import TestSupport

/// A video to upload: a prefix of one big file, with an edition of its own in the first chunk so that no two are alike.
///
/// Thread-safe.
struct SampleVideo: Sendable {
    let size: Int
    /// 32 lower-case hexadecimal digits.
    let md5: String
    /// The first bytes, which take the place of the file's.
    private let head: [UInt8]
    private let file: Int32

    fileprivate init(size: Int, md5: String, head: [UInt8], file: Int32) {
        self.size = size
        self.md5 = md5
        self.head = head
        self.file = file
    }

    /// Sends bytes of the video over a socket, from the page cache.
    func send(_ range: Range<Int>, to socket: Int32) throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            var count = 0
            if offset < head.count {
                let part = head[offset..<min(head.count, range.upperBound)]
                count = part.withUnsafeBytes {
                    Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_MORE))
                }
            } else {
                var position = off_t(offset)
                count = sendfile(socket, file, &position, range.upperBound - offset)
            }
            guard count > 0 else { throw HTTPConnection.Fault.system(call: "send", code: errno) }
            offset += count
        }
    }

    /// The bytes of a range.
    func bytes(_ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(range.lowerBound)) }
        guard count == range.count else { throw HTTPConnection.Fault.system(call: "pread", code: errno) }
        let replaced = range.clamped(to: 0..<head.count)
        for offset in replaced { bytes[offset - range.lowerBound] = head[offset] }
        return bytes
    }
}

/// The file that all videos are prefixes of: two real seconds of MPEG-4, then random bytes in a `free` box.
struct SampleFile {
    private let file: Int32
    private let real: [UInt8]

    /// Makes it, with ffmpeg.
    ///
    /// - Parameter size: bytes of the longest video.
    init(in directory: String, size: Int) throws {
        let path = directory + "/sample.mp4"
        let made = try ChildProcess.run(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=320x240:rate=10", "-c:v", "mpeg4",
                "-movflags", "+faststart", "-y", path,
            ])
        guard made.end == .exit(0) else { throw BenchmarkError("ffmpeg: \(made.errors)") }
        real = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        file = open(path, O_RDWR | O_APPEND | O_CLOEXEC)
        guard file >= 0 else { throw BenchmarkError("\(path): \(String(cString: strerror(errno)))") }
        var words = [UInt64](repeating: 0, count: 1 << 17)
        var generator = SplitMix64(state: .random(in: 0 ... .max))
        var length = real.count
        while length < size {
            for index in words.indices { words[index] = generator.next() }
            if length == real.count { words[0] = 0x6565_7266_0100_0000 }
            let count = words.withUnsafeBytes { write(file, $0.baseAddress, min($0.count, size - length)) }
            guard count > 0 else { throw BenchmarkError("\(path): \(String(cString: strerror(errno)))") }
            length += count
        }
        fdatasync(file)
    }

    /// Videos of these sizes, no two of them with the same bytes.
    func videos(_ sizes: [Int]) throws -> [SampleVideo] {
        let made = Locked<[SampleVideo?]>(Array(repeating: nil, count: sizes.count))
        try inParallel(sizes.count) { index in
            let video = try video(size: sizes[index], edition: index)
            made.withLock { $0[index] = video }
        }
        return made.withLock { $0.compactMap { $0 } }
    }

    private func video(size: Int, edition: Int) throws -> SampleVideo {
        var head = real
        withUnsafeBytes(of: UInt64(0x6565_7266_0000_0000).littleEndian) { head += $0 }
        withUnsafeBytes(of: UInt64(edition)) { head += $0 }
        let draft = SampleVideo(size: size, md5: "", head: head, file: file)
        var digest = MD5Digest()
        for start in stride(from: 0, to: size, by: 1 << 20) {
            try draft.bytes(start..<min(size, start + 1 << 20)).withUnsafeBytes { digest.update($0) }
        }
        return SampleVideo(size: size, md5: digest.finish(), head: head, file: file)
    }
}

/// Fast random numbers: https://prng.di.unimi.it/splitmix64.c
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

/// Why the benchmark itself cannot go on.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Runs `body` for 0..<count at once, a thread each, and throws the first of their errors.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let failures = Locked<[any Error]>([])
    let group = DispatchGroup()
    for index in 0..<count {
        group.enter()
        Thread.detachNewThread {
            do { try body(index) } catch { failures.withLock { $0.append(error) } }
            group.leave()
        }
    }
    group.wait()
    if let failure = failures.withLock(\.first) { throw failure }
}
