import Glibc

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

    /// One sentence for whoever started the program.
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
