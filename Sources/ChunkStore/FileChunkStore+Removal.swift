import Glibc
import System

extension FileChunkStore {
    package func removePublished(_ path: String) throws(SystemError) -> Int {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1, parts[0] == "upload", !parts.contains(where: ["", ".", ".."].contains) else {
            throw SystemError("remove \(path), which is not below upload/,", code: EINVAL)
        }
        do throws(SystemError) {
            let upload = try Descriptor(at: directory, "upload", O_RDONLY | O_DIRECTORY)
            let above = parts.dropFirst().dropLast().joined(separator: "/")
            let parent = try Descriptor(beneath: upload, above.isEmpty ? "." : above, O_RDONLY | O_DIRECTORY)
            return try deleting { () throws(SystemError) in
                let bytes = try Self.remove(parts.last!, in: parent)
                try parent.sync()
                return bytes
            }
        } catch  where error.code == ENOENT {
            return 0
        }
    }

    /// Removes a file, or a directory with all that is in it; a link, not what it points to.
    private static func remove(_ name: String, in parent: borrowing Descriptor) throws(SystemError) -> Int {
        let number = parent.number
        var status = stat()
        _ = try SystemError.check("fstatat") { fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) }
        // Another name keeps its bytes.
        var bytes = status.st_mode & S_IFMT != S_IFDIR && status.st_nlink > 1 ? 0 : Int(status.st_blocks) * 512
        if status.st_mode & S_IFMT == S_IFDIR {
            let inner = try Descriptor(at: parent, name, O_RDONLY | O_DIRECTORY)
            for name in try inner.names() { bytes += try remove(name, in: inner) }
        }
        let flags = status.st_mode & S_IFMT == S_IFDIR ? AT_REMOVEDIR : 0
        _ = try SystemError.check("unlinkat") { unlinkat(number, name, flags) }
        return bytes
    }
}
