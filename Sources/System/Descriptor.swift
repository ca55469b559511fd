import CSystem
import Glibc

/// A system call that failed.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The system call, and its `errno`.
    package let operation: String
    package let code: Int32

    package init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// There is no room, and trying again soon will not help.
    package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    /// There is no descriptor left, of this process or of the machine; closing one helps.
    package var isLackOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    /// There is no such thing.
    package var isMissing: Bool { code == ENOENT }

    /// It is none of ours, and trying again will not help.
    package var isForeign: Bool { code == EINVAL }

    /// Bytes that were written may not have reached the medium, and the kernel takes them for written: another attempt
    /// could succeed falsely. https://wiki.postgresql.org/wiki/Fsync_Errors
    package var isSyncFailure: Bool { operation == "fdatasync" || operation == "fsync" }

    package var description: String { "\(operation): \(String(cString: strerror(code)))" }

    /// Runs a system call, again when a signal interrupted it. Returns what the call returned, never negative.
    @discardableResult
    package static func check<Result: BinaryInteger>(
        _ operation: String, _ call: () -> Result
    ) throws(SystemError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemError(operation, code: errno) }
        }
    }

    /// What `calls` gives; `nil` if there is no such thing.
    @discardableResult
    package static func ifThere<Result: ~Copyable>(
        _ calls: @autoclosure () throws(SystemError) -> Result
    ) throws(SystemError) -> Result? {
        do throws(SystemError) {
            return try calls()
        } catch  where error.isMissing {
            return nil
        }
    }
}

/// An open file descriptor, closed when the value goes out of scope.
package struct Descriptor: ~Copyable, Sendable {
    /// The number, valid as long as this value lives.
    package let number: Int32

    /// Takes over an open descriptor.
    package init(owning number: Int32) { self.number = number }

    /// Opens `path` relative to `directory`, without following a symbolic link in its last part.
    package init(
        at directory: borrowing Descriptor, _ path: String, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) {
        number = try SystemError.check("openat") {
            openat(directory.number, path, flags | O_NOFOLLOW | O_CLOEXEC, mode)
        }
    }

    /// Opens `path`.
    package init(path: String, _ flags: Int32) throws(SystemError) {
        number = try SystemError.check("open") { open(path, flags | O_CLOEXEC) }
    }

    /// Opens the directory at `path`.
    package init(directory path: String) throws(SystemError) {
        number = try SystemError.check("open") { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }

    /// Opens `path` strictly below `directory`: no `..`, no absolute path, no symbolic link anywhere on the way.
    package init(beneath directory: borrowing Descriptor, _ path: String, _ flags: Int32) throws(SystemError) {
        number = try SystemError.check("openat2") { vi_open_beneath(directory.number, path, flags) }
    }

    /// Makes a file without a name on the file system of `directory`, to read and write; it is gone when it is closed.
    package init(unnamedIn directory: borrowing Descriptor, mode: mode_t) throws(SystemError) {
        number = try SystemError.check("openat") { vi_open_unnamed(directory.number, mode) }
    }

    deinit {
        // EINTR too means that Linux has let go of the descriptor: a second try could close another thread's.
        close(number)
    }

    /// What fstat(2) tells.
    package func status() throws(SystemError) -> stat {
        var status = stat()
        try SystemError.check("fstat") { fstat(number, &status) }
        return status
    }

    /// What fstatat(2) tells of a name in this directory, itself where it is a link.
    package func status(of name: UnsafePointer<CChar>) throws(SystemError) -> stat {
        var status = stat()
        try SystemError.check("fstatat") { fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) }
        return status
    }

    /// Waits for the lock of the file or directory. It goes with the last descriptor of this opening: that of a child too,
    /// which this process has started and which has not become its program yet.
    package func lock() throws(SystemError) { try SystemError.check("flock") { flock(number, LOCK_EX) } }

    /// Takes the lock of the file or directory, `LOCK_EX` or `LOCK_SH`.
    /// - Parameter patience: how long another process is waited for, whose child may keep it for a moment.
    /// - Returns: `false` if another process still has it.
    package func lock(_ kind: Int32 = LOCK_EX, within patience: Duration) throws(SystemError) -> Bool {
        let deadline = ContinuousClock.now + patience
        while flock(number, kind | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw SystemError("flock", code: errno) }
            if ContinuousClock.now >= deadline { return false }
            usleep(10_000)
        }
        return true
    }

    /// fdatasync(2): makes the file's bytes and what is needed to find them durable.
    package func syncData() throws(SystemError) { try SystemError.check("fdatasync") { fdatasync(number) } }

    /// fsync(2): makes a directory's entries durable.
    package func sync() throws(SystemError) { try SystemError.check("fsync") { fsync(number) } }

    /// A directory's names, but `.` and `..`.
    package func names() throws(SystemError) -> [String] {
        try rawNames().map { name in name.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) } }
    }

    /// The same with what fstatat(2) tells of each. What is gone meanwhile is not among them.
    package func entries() throws(SystemError) -> [(name: String, status: stat)] {
        try names().compactMap { name in (try? status(of: name)).map { (name, $0) } }
    }

    /// A directory's names, but `.` and `..`, as they are: each ends with 0 and need not be UTF-8.
    func rawNames() throws(SystemError) -> [[CChar]] {
        // A description of its own: reading moves a position in the directory.
        let copy = try SystemError.check("openat") { openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        guard let stream = fdopendir(copy) else {
            let code = errno
            close(copy)
            throw SystemError("fdopendir", code: code)
        }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError("readdir", code: errno) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            let dot = CChar(bitPattern: UInt8(ascii: "."))
            if name != [dot, 0], name != [dot, dot, 0] { names.append(name) }
        }
    }
}

extension stat {
    package var isFile: Bool { st_mode & S_IFMT == S_IFREG }
    package var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
    /// Bytes of the disk.
    package var occupied: Int { Int(st_blocks) * 512 }

    /// Whether both are of one file.
    package func isSame(as other: stat) -> Bool { (st_ino, st_dev) == (other.st_ino, other.st_dev) }
}

// MARK: - Removal

extension Descriptor {
    /// Directories that are open at once while a tree is removed: a tool may have made one that is deeper than there are
    /// descriptors, or room on the stack.
    private static let openLimit = 32

    /// Removes a file, or a directory with all that is in it; a link, not what it points to.
    /// - Returns: the bytes of the disk that became free.
    /// - Throws: ENOENT if there is none of this name.
    package func removeTree(_ name: String) throws(SystemError) -> Int {
        let name = Array(name.utf8CString)
        let status = try status(of: name)
        guard status.isDirectory else { return try remove(name, status) }
        let tree = try directory(name)
        var bytes = 0
        while true {
            bytes += try tree.removeEntries(tree: tree, depth: 1)
            do throws(SystemError) {
                return try bytes + remove(name, status)
            } catch  where error.code == ENOTEMPTY || error.code == EEXIST {
                // What was too deep has come up.
            }
        }
    }

    private func removeEntries(tree: borrowing Descriptor, depth: Int) throws(SystemError) -> Int {
        var bytes = 0
        for name in try rawNames() {
            do throws(SystemError) {
                bytes += try removeEntry(name, tree: tree, depth: depth)
            } catch  where error.code == ENOENT {
                // Another process removes the same tree.
            }
        }
        return bytes
    }

    private func removeEntry(_ name: [CChar], tree: borrowing Descriptor, depth: Int) throws(SystemError) -> Int {
        let status = try status(of: name)
        var bytes = 0
        if status.isDirectory {
            let (from, to) = (number, tree.number)
            if depth == Self.openLimit {
                try SystemError.check("renameat") { renameat(from, name, to, "deep-\(status.st_ino)") }
                return 0
            }
            let inner = try directory(name)
            bytes += try inner.removeEntries(tree: tree, depth: depth + 1)
        }
        return try bytes + remove(name, status)
    }

    private func directory(_ name: [CChar]) throws(SystemError) -> Descriptor {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        return Descriptor(owning: try SystemError.check("openat") { openat(number, name, flags, 0) })
    }

    /// Removes a name; of a directory nothing is left.
    private func remove(_ name: [CChar], _ status: stat) throws(SystemError) -> Int {
        try SystemError.check("unlinkat") { unlinkat(number, name, status.isDirectory ? AT_REMOVEDIR : 0) }
        // Another name keeps its bytes.
        return !status.isDirectory && status.st_nlink > 1 ? 0 : status.occupied
    }
}

// MARK: - Bytes at offsets

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
