import Glibc

/// An open file descriptor which is closed when the value ends.
struct Descriptor: ~Copyable, Sendable {
    /// For system calls only: never kept longer than this value.
    let raw: Int32

    init(_ raw: Int32) {
        self.raw = raw
    }

    deinit {
        // EINTR too means that Linux has let go of the descriptor: a second try could close another thread's.
        _ = close(raw)
    }
}
