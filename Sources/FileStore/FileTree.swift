import ChunkStore
import Glibc
import System

/// Everything below a directory, as a listing shows it: what a backup is made of.
package struct FileTree: Sendable {
    /// A file: its bytes, and which bytes they were when it was listed.
    package struct File: Equatable, Sendable {
        /// Relative to the directory.
        package let path: String
        /// Bytes.
        package let size: Int
        /// The same for all names of one file.
        package let inode: UInt64
        /// When its bytes changed last, in nanoseconds since 1970.
        package let modificationTime: Int64
    }

    /// By path.
    package private(set) var files: [String: File] = [:]
    /// The paths of all directories.
    package private(set) var directories: Set<String> = []
    /// What is neither a file nor a directory, or has a name that is not UTF-8, or one that is
    /// canonically equivalent to another's.
    package private(set) var others: [String] = []

    /// Lists what is below `path` in `root`; what goes meanwhile may be missed. Symbolic links are not followed.
    package init(_ path: String, in root: borrowing Descriptor) throws(SystemError) {
        do throws(SystemError) {
            try list(path, try Descriptor(beneath: root, path, O_RDONLY | O_DIRECTORY))
        } catch  where error.code == ENOENT {}
    }

    private mutating func list(_ path: String, _ directory: borrowing Descriptor) throws(SystemError) {
        directories.insert(path)
        for name in try directory.names() {
            let inner = "\(path)/\(name)"
            var status = stat()
            guard fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                // A name that is not UTF-8 is not the one that was read.
                if name.contains("\u{FFFD}") { others.append(inner) }
                continue
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                do throws(SystemError) {
                    try list(inner, try Descriptor(at: directory, name, O_RDONLY | O_DIRECTORY))
                } catch  where error.code == ENOENT {}
            case S_IFREG:
                // Of two names that are canonically equivalent Swift's text can tell only one.
                if files[inner] == nil { files[inner] = File(path: inner, status) } else { others.append(inner) }
            default:
                others.append(inner)
            }
        }
    }
}

extension FileTree.File {
    init(path: String, _ status: stat) {
        self.init(
            path: path, size: Int(status.st_size), inode: UInt64(status.st_ino),
            modificationTime: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    }
}
