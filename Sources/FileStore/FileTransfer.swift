import ChunkStore
import Glibc
import System

/// Brings files from one directory to the same places in another one, by a second name for the same bytes where both are
/// on one file system, else as a copy; each is read back.
///
/// For one thread. What was brought is durable after `sync`.
package final class FileTransfer {
    /// Whose the files are to be.
    package struct Owner: Equatable, Sendable {
        package let user: uid_t
        package let group: gid_t

        package init(user: uid_t, group: gid_t) { (self.user, self.group) = (user, group) }
    }

    /// A file that was read to its end.
    package struct Verified: Equatable, Sendable {
        /// Bytes.
        package let size: Int
        package let md5: String

        package init(size: Int, md5: String) { (self.size, self.md5) = (size, md5) }
    }

    private let source: Descriptor
    private let target: Descriptor
    private let owner: Owner?
    private let previous: Descriptor?
    private let progress: (_ bytes: Int) -> Void
    /// Directories of the target whose names have changed, `""` for the target itself.
    private var changed: Set<String> = []

    /// Where a copy is made. Its own name it gets when it is whole.
    private static let unfinished = "unfinished.copy"

    /// - Parameters:
    ///   - owner: who gets what is made; `nil` leaves it to this process. A file of somebody else is copied then: giving a
    ///     second name away would give the first one away too.
    ///   - previous: has files that the target would otherwise get copies of, on its file system.
    ///   - progress: is told how many more bytes were read.
    package init(
        from source: consuming Descriptor, to target: consuming Descriptor, owner: Owner? = nil,
        previous: consuming Descriptor? = nil, progress: @escaping (_ bytes: Int) -> Void = { _ in }
    ) {
        self.source = source
        self.target = target
        self.owner = owner
        self.previous = previous
        self.progress = progress
    }

    /// Size and md5 of a file in the source, `nil` if there is no such file.
    package func readSource(_ path: String) throws(SystemError) -> Verified? { try read(path, in: source) }

    /// Size and md5 of a file in the target, `nil` if there is no such file.
    package func readTarget(_ path: String) throws(SystemError) -> Verified? { try read(path, in: target) }

    /// Brings a file to its place, or finds it there.
    /// - Parameter known: what its bytes are known to be. A file that is there and has these is not compared with the
    ///   source.
    /// - Returns: what is in its place now, as it was read from there; `nil` if there is no such file.
    /// - Throws: also if what was read back is not what was written.
    package func bring(_ path: String, known: Verified?) throws(SystemError) -> Verified? {
        guard let file = try Self.open(path, in: source) else { return nil }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let parent = try makeParents(of: path)
        if let there = try? parent.status(of: name) {
            let ours = try file.descriptor.status()
            if there.isSame(as: ours) { return try read(file) }
            if there.isFile, there.st_size == ours.st_size, let found = try readTarget(path) {
                if found == known { return found }
                if try found == read(file) { return found }
            }
        }
        note(changed: path)
        if try link(path, of: source, file, in: parent, as: name) { return try read(file) }
        if let found = try linkPrevious(path, file, known, in: parent, as: name) { return found }
        return try copy(file, to: parent, as: name, path)
    }

    /// Copies a file of the source to a new name in the target, without a directory.
    /// - Returns: `nil` if there is no such file.
    package func copy(_ path: String, as name: String) throws(SystemError) -> Verified? {
        guard let file = try Self.open(path, in: source) else { return nil }
        changed.insert("")
        return try copy(file, to: try directory(""), as: name, path)
    }

    /// Makes the names of all that was brought durable.
    package func sync() throws(SystemError) {
        // One that was interrupted may have left it.
        unlinkat(target.number, Self.unfinished, 0)
        for path in changed.sorted() { try directory(path).sync() }
        changed = []
    }

    /// Removes a file of the target, and the directories above it that are empty then. Harmless if there is none.
    package func remove(_ path: String) throws(SystemError) {
        var parts = path.split(separator: "/").map(String.init)
        var flags: Int32 = 0
        while let name = parts.popLast() {
            let above = parts.joined(separator: "/")
            do throws(SystemError) {
                let parent = try directory(above)
                try SystemError.check("unlinkat") { unlinkat(parent.number, name, flags) }
            } catch  where [ENOENT, ENOTEMPTY, EEXIST].contains(error.code) {
                return
            }
            // A directory that is gone has nothing to sync; that its name is gone is synced above it.
            changed.remove(above.isEmpty ? name : "\(above)/\(name)")
            changed.insert(above)
            flags = AT_REMOVEDIR
        }
    }

    private static func open(_ path: String, in directory: borrowing Descriptor) throws(SystemError) -> StoredFile? {
        let found = try SystemError.ifThere(StoredFile(try Descriptor(beneath: directory, path, O_RDONLY | O_NONBLOCK)))
        guard let found else { return nil }
        guard try found.descriptor.status().isFile else { throw SystemError("open", code: EINVAL) }
        return found
    }

    private func read(_ path: String, in directory: borrowing Descriptor) throws(SystemError) -> Verified? {
        guard let file = try Self.open(path, in: directory) else { return nil }
        return try read(file)
    }

    private func read(_ file: StoredFile) throws(SystemError) -> Verified {
        let size = try file.length()
        var digest = MD5Digest()
        try file.forEachPiece(of: 0..<size) { piece throws(SystemError) in
            digest.update(piece)
            progress(piece.count)
        }
        return Verified(size: size, md5: digest.finish())
    }

    /// Gives the same file of the previous directory, if it has it, a second name.
    private func linkPrevious(
        _ path: String, _ file: StoredFile, _ known: Verified?, in parent: borrowing Descriptor, as name: String
    ) throws(SystemError) -> Verified? {
        guard previous != nil, let old = try Self.open(path, in: previous!), try old.length() == file.length() else {
            return nil
        }
        let found = try read(old)
        if found != known, try found != read(file) { return nil }
        return try link(path, of: previous!, old, in: parent, as: name) ? found : nil
    }

    /// Gives the file a second name. Returns `false` if it cannot have one here.
    private func link(
        _ path: String, of source: borrowing Descriptor, _ file: StoredFile, in parent: borrowing Descriptor,
        as name: String
    ) throws(SystemError) -> Bool {
        let status = try file.descriptor.status()
        if owner != nil && owner != Owner(user: status.st_uid, group: status.st_gid) { return false }
        unlinkat(parent.number, name, 0)
        do throws(SystemError) {
            try SystemError.check("linkat") { linkat(source.number, path, parent.number, name, 0) }
        } catch  where [EXDEV, EPERM, EOPNOTSUPP, EMLINK, EACCES].contains(error.code) {
            return false
        }
        guard let linked = try? parent.status(of: name), linked.st_ino == status.st_ino else {
            // Another file has taken the name meanwhile.
            unlinkat(parent.number, name, 0)
            throw SystemError("linkat \(path)", code: ESTALE)
        }
        try file.descriptor.syncData()
        return true
    }

    /// Copies the file under another name and gives it its own when it has been read back.
    private func copy(
        _ file: StoredFile, to parent: borrowing Descriptor, as name: String, _ path: String
    ) throws(SystemError) -> Verified {
        let new = Self.unfinished
        unlinkat(target.number, new, 0)
        do throws(SystemError) {
            let copy = StoredFile(try Descriptor(at: target, new, O_RDWR | O_CREAT | O_EXCL, mode: 0o600))
            let size = try file.length()
            var (digest, offset) = (MD5Digest(), 0)
            try file.forEachPiece(of: 0..<size) { piece throws(SystemError) in
                digest.update(piece)
                try copy.write(piece, at: offset)
                offset += piece.count
                progress(piece.count)
            }
            let written = Verified(size: size, md5: digest.finish())
            try setAttributes(of: copy, like: try file.descriptor.status())
            try copy.descriptor.sync()
            // Or only the memory would be read back.
            copy.dropCache(of: 0..<size)
            let found = try read(copy)
            guard found == written else {
                throw SystemError("\(path): what was read back is not what was written", code: EIO)
            }
            try SystemError.check("renameat") { renameat(target.number, new, parent.number, name) }
            return found
        } catch {
            unlinkat(target.number, new, 0)
            throw error
        }
    }

    private func setAttributes(of copy: StoredFile, like status: stat) throws(SystemError) {
        let number = copy.descriptor.number
        try give(number)
        try SystemError.check("fchmod") { fchmod(number, status.st_mode & 0o777) }
        // Browsers ask by it whether a file has changed.
        let times = [status.st_atim, status.st_mtim]
        try SystemError.check("futimens") { futimens(number, times) }
    }

    private func give(_ number: Int32) throws(SystemError) {
        guard let owner else { return }
        try SystemError.check("fchown") { fchown(number, owner.user, owner.group) }
    }

    private func directory(_ path: String) throws(SystemError) -> Descriptor {
        try Descriptor(beneath: target, path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY)
    }

    private func note(changed path: String) {
        changed.insert(path.split(separator: "/").dropLast().joined(separator: "/"))
    }

    private func makeParents(of path: String) throws(SystemError) -> Descriptor {
        var parent = try directory("")
        var above = ""
        for part in path.split(separator: "/").dropLast() {
            let name = String(part)
            let isNew = mkdirat(parent.number, name, 0o755) == 0
            guard isNew || errno == EEXIST else { throw SystemError("mkdirat", code: errno) }
            if isNew { changed.insert(above) }
            parent = try Descriptor(at: parent, name, O_RDONLY | O_DIRECTORY)
            if isNew { try give(parent.number) }
            above = above.isEmpty ? name : "\(above)/\(name)"
        }
        return parent
    }
}

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
        try SystemError.ifThere(try list(path, try Descriptor(beneath: root, path, O_RDONLY | O_DIRECTORY)))
    }

    private mutating func list(_ path: String, _ directory: borrowing Descriptor) throws(SystemError) {
        directories.insert(path)
        for name in try directory.names() {
            let inner = "\(path)/\(name)"
            guard let status = try? directory.status(of: name) else {
                // A name that is not UTF-8 is not the one that was read.
                if name.contains("\u{FFFD}") { others.append(inner) }
                continue
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                try SystemError.ifThere(try list(inner, try Descriptor(at: directory, name, O_RDONLY | O_DIRECTORY)))
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
