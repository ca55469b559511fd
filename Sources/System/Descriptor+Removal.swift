import Glibc

extension Descriptor {
    /// Directories that are open at once while a tree is removed: a tool may have made one that is deeper than there are
    /// descriptors, or room on the stack.
    private static let openLimit = 32

    /// Removes a file, or a directory with all that is in it; a link, not what it points to.
    ///
    /// - Returns: the bytes of the disk that became free.
    /// - Throws: ENOENT if there is none of this name.
    package borrowing func removeTree(_ name: String) throws(SystemError) -> Int {
        let name = Array(name.utf8CString)
        let status = try status(of: name)
        guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(name, status) }
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

    private borrowing func removeEntries(tree: borrowing Descriptor, depth: Int) throws(SystemError) -> Int {
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

    private borrowing func removeEntry(
        _ name: [CChar], tree: borrowing Descriptor, depth: Int
    ) throws(SystemError) -> Int {
        let status = try status(of: name)
        var bytes = 0
        if status.st_mode & S_IFMT == S_IFDIR {
            let (from, to) = (number, tree.number)
            if depth == Self.openLimit {
                _ = try SystemError.check("renameat") { renameat(from, name, to, "deep-\(status.st_ino)") }
                return 0
            }
            let inner = try directory(name)
            bytes += try inner.removeEntries(tree: tree, depth: depth + 1)
        }
        return try bytes + remove(name, status)
    }

    private borrowing func status(of name: [CChar]) throws(SystemError) -> stat {
        var status = stat()
        let number = number
        _ = try SystemError.check("fstatat") { fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) }
        return status
    }

    private borrowing func directory(_ name: [CChar]) throws(SystemError) -> Descriptor {
        let number = number
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        return Descriptor(owning: try SystemError.check("openat") { openat(number, name, flags, 0) })
    }

    /// Removes a name; of a directory nothing is left.
    private borrowing func remove(_ name: [CChar], _ status: stat) throws(SystemError) -> Int {
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let number = number
        _ = try SystemError.check("unlinkat") { unlinkat(number, name, isDirectory ? AT_REMOVEDIR : 0) }
        // Another name keeps its bytes.
        return !isDirectory && status.st_nlink > 1 ? 0 : Int(status.st_blocks) * 512
    }
}
