import Glibc

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
