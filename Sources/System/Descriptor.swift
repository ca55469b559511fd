import CSystem
import Glibc

/// An open file descriptor, closed when the value goes out of scope.
package struct Descriptor: ~Copyable, Sendable {
    /// The number, valid as long as this value lives.
    package let number: Int32

    /// Takes over an open descriptor.
    package init(owning number: Int32) {
        self.number = number
    }

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
        _ = try SystemError.check("fstat") { fstat(number, &status) }
        return status
    }

    /// Waits for the lock of the file or directory. It goes with the last descriptor of this opening: that of a child too,
    /// which this process has started and which has not become its program yet.
    package func lock() throws(SystemError) {
        _ = try SystemError.check("flock") { flock(number, LOCK_EX) }
    }

    /// Takes the lock of the file or directory, `LOCK_EX` or `LOCK_SH`.
    ///
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
    package func syncData() throws(SystemError) {
        _ = try SystemError.check("fdatasync") { fdatasync(number) }
    }

    /// fsync(2): makes a directory's entries durable.
    package func sync() throws(SystemError) {
        _ = try SystemError.check("fsync") { fsync(number) }
    }

    /// A directory's names, but `.` and `..`.
    package func names() throws(SystemError) -> [String] {
        try rawNames().map { name in
            name.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) }
        }
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
