import Glibc

/// A file that is only there to be given back: room in which something can be deleted when the disk is full.
///
/// Deleting needs room too: a transaction is written to a log before it frees anything. The file gets shorter piece by piece,
/// and its old length again when there is room. Thread-safe; several processes may use one directory's.
package struct Ballast: Sendable {
    package static let fileName = "ballast"
    /// Bytes, at least and at most; in between 2 % of the file system.
    private static let sizes = 2 << 20...16 << 20
    /// Bytes that are given back at once: more than a deletion writes.
    private static let piece = 2 << 20
    private let directory: String
    private var path: String { "\(directory)/\(Self.fileName)" }

    /// - Parameter directory: where it is, on the file system that it is for.
    package init(directory: String) { self.directory = directory }

    /// Bytes that could be given back.
    package var length: Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Frees some of it. Returns `false` if nothing was left.
    package func giveBack() -> Bool {
        let file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return false }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0 else { return false }
        guard ftruncate(file, max(0, status.st_size - off_t(Self.piece))) == 0 else { return false }
        // Blocks may be free only when the journal of the file system says so.
        fsync(file)
        return true
    }

    /// Makes it as long as it should be, if it fits.
    /// - Parameter room: bytes that may be taken.
    package func restore(room: Int) {
        var (space, above) = (statvfs(), stat())
        guard statvfs(directory, &space) == 0, stat(directory, &above) == 0 else { return }
        let total = Int(clamping: UInt64(space.f_blocks).multipliedReportingOverflow(by: UInt64(space.f_frsize)).0)
        let size = min(max(total / 50, Self.sizes.lowerBound), Self.sizes.upperBound)
        let missing = size - length
        guard missing > 0, room >= missing else { return }
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        // What root makes, the service has to be able to shorten.
        if geteuid() == 0 { fchown(file, above.st_uid, above.st_gid) }
        posix_fallocate(file, 0, off_t(size))
    }
}
