import CSystem
import Glibc

/// An open file: bytes at offsets, no position of its own.
///
/// Thread-safe as the kernel is: writes to ranges that do not overlap may go on at once.
package final class StoredFile: Sendable {
    package let descriptor: Descriptor

    /// Bytes that are read or written at once: big enough that system calls do not matter, small enough to stay in the
    /// processor's cache. With 2 MiB the kernel takes memory in blocks so big that a virtual machine has given them back to
    /// its host, and a copy took up to five times as long.
    package static let pieceSize = 256 * 1024

    package init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// An empty file that is gone when it is closed.
    package convenience init(unnamedIn directory: borrowing Descriptor) throws(SystemError) {
        do throws(SystemError) {
            self.init(try Descriptor(unnamedIn: directory, mode: 0o600))
        } catch  where error.code == EOPNOTSUPP || error.code == EISDIR {
            // The file system has none such.
            let name = "spool.\(getpid()).\(UInt64.random(in: 0 ... .max))"
            self.init(try Descriptor(at: directory, name, O_RDWR | O_CREAT | O_EXCL, mode: 0o600))
            unlinkat(directory.number, name, 0)
        }
    }

    /// Bytes.
    package func length() throws(SystemError) -> Int { Int(try descriptor.status().st_size) }

    /// What is another after each write to the file, and for each file.
    package struct Version: Equatable, Sendable {
        private let inode: UInt64
        private let length: Int
        private let seconds: Int
        private let nanoseconds: Int

        fileprivate init(_ status: stat) {
            inode = UInt64(status.st_ino)
            length = Int(status.st_size)
            (seconds, nanoseconds) = (status.st_ctim.tv_sec, status.st_ctim.tv_nsec)
        }
    }

    /// The file's version. Two writes within a tick of the kernel's clock, 10 ms at most, may leave the same one.
    package func version() throws(SystemError) -> Version { Version(try descriptor.status()) }

    /// Whether the file is removed, and is there only because it is open.
    package var hasNoName: Bool { (try? descriptor.status().st_nlink) == 0 }

    /// Gives a range its place on the disk before it is written, as far as the file system can. The file becomes as long.
    ///
    /// For 1 GiB, writing takes 0.36 s of the processor then, and 0.51 s where each page is given its own place (ext4).
    package func allocate(_ range: Range<Int>) throws(SystemError) {
        do throws(SystemError) {
            try SystemError.check("fallocate") {
                vi_allocate(descriptor.number, off_t(range.lowerBound), off_t(range.count))
            }
        } catch  where error.code == EOPNOTSUPP {
        }
    }

    /// Writes bytes at `offset`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            done += try SystemError.check("pwrite") {
                pwrite(descriptor.number, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            }
        }
    }

    /// Reads up to `buffer.count` bytes at `offset`; fewer only at the end of the file.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try SystemError.check("pread") {
                pread(descriptor.number, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Passes the bytes of `range` piece by piece, in order.
    package func forEachPiece(
        of range: Range<Int>, size: Int = pieceSize, _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(range.upperBound - offset))
            guard try read(into: piece, at: offset) == piece.count else { throw SystemError("pread", code: EIO) }
            try body(UnsafeRawBufferPointer(piece))
            offset += piece.count
        }
    }

    /// Writes the bytes of `range` again, so that a sync has something to bring to the medium.
    package func rewrite(_ range: Range<Int>) throws(SystemError) {
        var target = range.lowerBound
        try forEachPiece(of: range) { piece throws(SystemError) in
            try write(piece, at: target)
            target += piece.count
        }
    }

    /// Lets go of what the page cache has of `range` and is on the medium already.
    package func dropCache(of range: Range<Int>) {
        posix_fadvise(descriptor.number, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    }

    /// Lets the kernel begin to bring `range` to the medium, so that a later sync has little to wait for.
    package func startSync(of range: Range<Int>) {
        // Only a hint: a sync that matters is checked.
        _ = vi_start_sync(descriptor.number, off_t(range.lowerBound), off_t(range.count))
    }

    /// Keeps other processes from writing to `range`, or to all of it and beyond, until `unlock`.
    ///
    /// It does not keep out threads that use this same `StoredFile`.
    /// - Parameter seconds: how long to wait for another process that has locked some of it.
    /// - Throws: `SystemError` with `EAGAIN` if that one has not unlocked it by then.
    package func lock(_ range: Range<Int>? = nil, within seconds: Double) throws(SystemError) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            do throws(SystemError) {
                return try setLock(F_WRLCK, range)
            } catch  where error.code == EAGAIN && .now < deadline {
                usleep(2000)
            }
        }
    }

    package func unlock(_ range: Range<Int>? = nil) {
        // Taking a lock away cannot fail for lack of anything.
        try? setLock(F_UNLCK, range)
    }

    private func setLock(_ type: Int32, _ range: Range<Int>?) throws(SystemError) {
        try SystemError.check("fcntl") {
            vi_lock(descriptor.number, Int16(type), off_t(range?.lowerBound ?? 0), off_t(range?.count ?? 0))
        }
    }

    /// Cuts the file to `length` bytes.
    package func truncate(to length: Int) throws(SystemError) {
        try SystemError.check("ftruncate") { ftruncate(descriptor.number, off_t(length)) }
    }
}
