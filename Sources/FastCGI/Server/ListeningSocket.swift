import CFastCGI
import CSystem
import Glibc
import System

/// A unix stream socket that waits for connections, closed when the value ends.
///
/// Only unix sockets: their mode says who may connect. FastCGI over TCP has nothing of the kind.
package struct ListeningSocket: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// Set for a socket made here, whose file goes with it. Nil for an inherited one, which others may go on using.
    let file: SocketFile?

    private init(descriptor: consuming Descriptor, file: SocketFile?) {
        self.descriptor = descriptor
        self.file = file
    }

    deinit { file?.remove() }

    /// Makes a socket at `path`, mode 0660 whatever the umask, and listens on it.
    ///
    /// A socket that nobody listens on is replaced; anything else at `path` is an error and left alone. Processes that
    /// start at the same time take turns by a lock (flock) on the directory, so one of them gets `inUse`.
    ///
    /// - Parameter backlog: connections that may wait to be accepted; the kernel's net.core.somaxconn limits it.
    package static func bind(path: String, backlog: Int32 = 4096) throws(ListeningSocketError) -> ListeningSocket {
        guard 1...vi_unix_path_limit ~= path.utf8.count, !path.utf8.contains(0) else { throw .unusablePath(path) }
        let directory = try lockDirectory(of: path)
        try removeStale(path)

        let descriptor = try newSocket(path)
        // bind(2) creates the file with the mode of the socket's own inode less the umask, so it is never more open
        // than 0660; the chmod then gives back what the umask took. net/unix/af_unix.c, unix_bind_bsd().
        try check("fchmod", path, fchmod(descriptor.number, 0o660))
        try check("bind", path, vi_unix_bind(descriptor.number, path))
        guard let file = SocketFile(path: path) else { throw .system(call: "bind", path: path, code: ENOENT) }
        let socket = ListeningSocket(descriptor: descriptor, file: file)
        try check("chmod", path, chmod(path, 0o660))
        try check("listen", path, listen(socket.descriptor.number, backlog))
        _ = directory  // locked until here
        return socket
    }

    /// Takes over the listening unix socket that the process was started with: descriptor 3 if systemd's LISTEN_PID
    /// and LISTEN_FDS=1 say so, else descriptor 0 (FastCGI's own rule, spawn-fcgi, `StandardInput=socket`). Nil if
    /// there is none. Call it once, before other threads open descriptors.
    ///
    /// https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    /// https://fastcgi-archives.github.io/FastCGI_Specification.html#S2.2
    package static func inherited() -> ListeningSocket? {
        if variable("LISTEN_PID") == String(getpid()), variable("LISTEN_FDS") == "1",
            let socket = ListeningSocket(moving: 3)
        {
            _ = close(3)
            return socket
        }
        guard let socket = ListeningSocket(moving: FCGI_LISTENSOCK_FILENO) else { return nil }
        // Child processes get this descriptor as their standard input.
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        if null >= 0 {
            _ = dup2(null, FCGI_LISTENSOCK_FILENO)
            _ = close(null)
        }
        return socket
    }

    /// A new descriptor, closed on exec, for the listening unix socket `number`. Nil if that is something else.
    init?(moving number: Int32) {
        var domain: Int32 = 0
        var listens: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0, domain == AF_UNIX,
            getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0
        else { return nil }
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }
        // Another process can clear O_NONBLOCK between a look at it and accept(2), which then waits at most this long.
        let descriptor = Descriptor(owning: copy)
        descriptor.limitWaiting(receive: 1)
        self.init(descriptor: descriptor, file: nil)
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static func newSocket(_ path: String) throws(ListeningSocketError) -> Descriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = socket(AF_UNIX, type, 0)
        try check("socket", path, number)
        return Descriptor(owning: number)
    }

    /// Without the lock a process could take the socket that another has bound but not yet listens on for a stale one.
    private static func lockDirectory(of path: String) throws(ListeningSocketError) -> Descriptor {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        do throws(SystemError) {
            let descriptor = try Descriptor(directory: directory)
            if try descriptor.lock(within: .seconds(2)) { return descriptor }
        } catch {
            throw .system(call: error.operation, path: directory, code: error.code)
        }
        throw .inUse(path: path)
    }

    private static func removeStale(_ path: String) throws(ListeningSocketError) {
        var status = stat()
        if lstat(path, &status) != 0 {
            if errno == ENOENT { return }
            throw .system(call: "stat", path: path, code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        let probe = try newSocket(path)
        // EAGAIN: somebody listens and the backlog is full.
        if vi_unix_connect(probe.number, path) == 0 || errno == EAGAIN { throw .inUse(path: path) }
        guard errno == ECONNREFUSED else { throw .system(call: "connect", path: path, code: errno) }
        try check("unlink", path, unlink(path))
    }

    private static func check(_ call: String, _ path: String, _ result: Int32) throws(ListeningSocketError) {
        if result < 0 { throw .system(call: call, path: path, code: errno) }
    }
}

/// The file that a unix socket is bound to, known by device and inode.
struct SocketFile: Sendable {
    let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Takes the socket that is at `path` now. Nil if none is.
    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    /// Deletes the file unless another one has taken its place. Does no harm when repeated.
    func remove() {
        guard let now = SocketFile(path: path), now.device == device, now.inode == inode else { return }
        _ = unlink(path)
    }
}

/// Why no listening socket could be made.
package enum ListeningSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The path is empty, has a NUL in it or is longer than 107 bytes.
    case unusablePath(String)
    /// Another process listens on the path or is just starting to.
    case inUse(path: String)
    /// Something other than a socket is there. It was left alone.
    case notASocket(path: String)
    /// A system call failed with this `errno`.
    case system(call: String, path: String, code: Int32)

    /// One sentence for the person who started the program.
    package var description: String {
        switch self {
        case .unusablePath(let path):
            "the socket's path must have 1 to 107 bytes: \"\(path)\" has \(path.utf8.count)"
        case .inUse(let path): "\(path) is in use by another process"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .system(let call, let path, let code): "\(path): \(call): \(String(cString: strerror(code)))"
        }
    }
}
