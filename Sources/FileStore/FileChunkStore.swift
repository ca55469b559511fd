import ChunkStore
import Foundation
import Glibc
import LoadingCache
import Model
import System

/// The store as files in one directory of one file system.
///
///     DIRECTORY/incoming/<upload id>.part              an unfinished upload
///     DIRECTORY/upload/                                what is published, as `StorageLayout` has it
///     DIRECTORY/set-aside/<name>                       files that belong to no upload
///     DIRECTORY/trash/<name>                           what no record points to any more
///
/// A chunk goes straight to its offset, and publishing is a second name for the same bytes: nothing is merged or copied.
/// The first name goes when the record is committed, so a crash at any point leaves a state that can be told apart.
package final class FileChunkStore: Sendable {
    let directory: Descriptor
    let incoming: Descriptor
    let directoryPath: String
    let reserve: Reserve
    let ballast: Ballast
    let durability: Durability
    package let incarnation: String
    /// How far the digests of uploads have come whose files are closed, by upload.
    let followed: Cache<Int64, FollowedPrefix>
    /// Directories whose names are durable, as far as this process knows.
    private let syncedDirectories: Locked<Set<String>> = Locked([])

    /// How many of those are kept: more than there are unfinished uploads by default.
    private static let followedLimit = 8192

    /// What it takes at most besides the files of uploads: what digests and comparisons read into, and what is kept of closed
    /// ones.
    package static let footprint = Footprint(
        memory: DigestQueue.memoryLimit + ComparisonQueue.memoryLimit + followedLimit * FollowedPrefix.weight)

    static let setAsideDirectory = "set-aside"

    /// Where request bodies are, if that is another file system: it has a reserve of its own.
    let bodyFileSystem: StoredFile?
    let bodyDirectory: String?
    let bodiesLimit: Int

    /// Opens the store in `directory`, which must exist, and creates what is missing in it.
    ///
    /// - Parameters:
    ///   - bodyDirectory: where request bodies are, if they come as files.
    ///   - bodiesLimit: bytes that the bodies of all requests under way may have together.
    ///   - bootID: tells one boot of the machine from another: what was written in another one may not have reached the disk.
    package init(
        directory path: String, bodyDirectory: String? = nil, bodiesLimit: Int = 0, reserve: Reserve,
        durability: Durability = .process, bootID: String = MachineClock.system.bootID
    ) throws(SystemError) {
        directory = try Descriptor(directory: path)
        self.bodyDirectory = bodyDirectory
        self.bodiesLimit = bodiesLimit
        bodyFileSystem = try Self.otherFileSystem(bodyDirectory, than: directory)
        try Self.makeDirectory(directory, "incoming", mode: 0o750)
        try directory.sync()
        incoming = try Descriptor(at: directory, "incoming", O_RDONLY | O_DIRECTORY)
        directoryPath = path
        ballast = Ballast(directory: path)
        self.reserve = reserve
        self.durability = durability
        incarnation = bootID
        do {
            followed = Cache(try CacheConfiguration(bound: .maximumSize(Self.followedLimit)))
        } catch {
            preconditionFailure("a constant configuration: \(error)")
        }
    }

    func path(ofUpload id: Int64) -> String { "\(directoryPath)/incoming/\(Self.name(ofUpload: id))" }

    package func localFile(ofPublished path: String) -> LocalFile { LocalFile(path: "\(directoryPath)/\(path)") }

    static func name(ofUpload id: Int64) -> String { "\(id).part" }
}

// MARK: - Reserve

extension FileChunkStore {
    /// How much of the file system stays free.
    package enum Reserve: Equatable, Sendable {
        /// The larger of 1 GiB and 5 % of the file system, and what bodies of requests under way may still take of it.
        case automatic
        /// A number of bytes.
        case bytes(Int)

        func bytes(of total: Int) -> Int {
            switch self {
            case .bytes(let bytes): bytes
            case .automatic: max(1 << 30, total / 20)
            }
        }

        /// Whether so much is free on the file system that a directory is on; also where that cannot be found out.
        package func isFree(at path: String) -> Bool {
            do throws(SystemError) {
                let space = try FileChunkStore.space(of: Descriptor(directory: path))
                return space.free >= bytes(of: space.total)
            } catch {
                return true
            }
        }
    }

    /// Bytes of the file system that a directory is on.
    static func space(of directory: borrowing Descriptor) throws(SystemError) -> (free: Int, total: Int) {
        var status = statvfs()
        let number = directory.number
        _ = try SystemError.check("fstatvfs") { fstatvfs(number, &status) }
        func bytes(_ blocks: fsblkcnt_t) -> Int {
            let (bytes, overflow) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize))
            return overflow ? .max : Int(clamping: bytes)
        }
        return (bytes(status.f_bavail), bytes(status.f_blocks))
    }

    /// The directory at `path`, if it is there and on another file system than `directory`.
    static func otherFileSystem(
        _ path: String?, than directory: borrowing Descriptor
    ) throws(SystemError) -> StoredFile? {
        guard let path else { return nil }
        do throws(SystemError) {
            let other = try Descriptor(directory: path)
            if try other.status().st_dev == directory.status().st_dev { return nil }
            return StoredFile(other)
        } catch  where error.code == ENOENT {
            return nil
        }
    }
}

// MARK: - Unfinished uploads

extension FileChunkStore {
    package func makeUpload(_ id: Int64) throws(SystemError) -> (file: StoredFile, isNew: Bool) {
        let name = Self.name(ofUpload: id)
        do throws(SystemError) {
            return (try openUpload(id), false)
        } catch  where error.code == ENOENT {}
        let file: StoredFile
        do throws(SystemError) {
            file = StoredFile(try Descriptor(at: incoming, name, O_RDWR | O_CREAT | O_EXCL, mode: 0o644))
        } catch  where error.code == EEXIST {
            // Another process was faster.
            return (try openUpload(id), false)
        }
        do throws(SystemError) {
            if durability == .power { try incoming.sync() }
        } catch {
            unlinkat(incoming.number, name, 0)
            throw error
        }
        return (file, true)
    }

    package func openUpload(_ id: Int64) throws(SystemError) -> StoredFile {
        StoredFile(try Descriptor(at: incoming, Self.name(ofUpload: id), O_RDWR))
    }

    /// How many names a file has that still is the upload's; `nil` if it is published or removed, by this process or another
    /// one.
    func names(of file: StoredFile, ifUpload id: Int64) throws(SystemError) -> Int? {
        guard let named = try status(ofUpload: id) else { return nil }
        let status = try file.descriptor.status()
        return status.st_ino == named.st_ino ? Int(status.st_nlink) : nil
    }

    func status(ofUpload id: Int64) throws(SystemError) -> stat? {
        var named = stat()
        do throws(SystemError) {
            _ = try SystemError.check("fstatat") {
                fstatat(incoming.number, Self.name(ofUpload: id), &named, AT_SYMLINK_NOFOLLOW)
            }
        } catch  where error.isMissing {
            return nil
        }
        return named
    }

    /// The inodes of files among the unfinished uploads.
    package func incomingInodes() throws(SystemError) -> Set<UInt64> {
        Set(
            try incoming.names().compactMap { name in
                var status = stat()
                let isThere = fstatat(incoming.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0
                return isThere ? UInt64(status.st_ino) : nil
            })
    }
}

// MARK: - Published videos

extension FileChunkStore {
    package func publishedLength(_ path: String) -> Int? {
        guard let status = status(of: path), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// What has a published name, itself where it is a link; `nil` if nothing has.
    func status(of path: String) -> stat? {
        var status = stat()
        return fstatat(directory.number, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    package func hasPublished(_ path: String) -> Bool { status(of: path) != nil }

    package func openPublished(_ path: String) throws(SystemError) -> StoredFile {
        // Opening a pipe would wait for its writer.
        let file = StoredFile(try Descriptor(beneath: directory, path, O_RDONLY | O_NONBLOCK))
        guard try file.descriptor.status().st_mode & S_IFMT == S_IFREG else {
            throw SystemError("open \(path)", code: EINVAL)
        }
        return file
    }

    package func readPublished(
        _ path: String, limit: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) -> Int {
        try calling { () throws(SystemError) in
            let file = try openPublished(path)
            let length = try file.length()
            try file.forEachPiece(of: 0..<min(length, limit), body)
            return length
        }
    }

    func publish(_ id: Int64, _ file: StoredFile, as path: String) throws(SystemError) -> Bool {
        try file.descriptor.syncData()
        let parent = try makeParents(of: path)
        let last = String(path.split(separator: "/").last!)
        do throws(SystemError) {
            _ = try SystemError.check("linkat") {
                linkat(incoming.number, Self.name(ofUpload: id), parent.number, last, 0)
            }
        } catch  where error.code == EEXIST {
            // Whatever it is that has the name, a link or a pipe too.
            var taken = stat()
            _ = try SystemError.check("fstatat") { fstatat(parent.number, last, &taken, AT_SYMLINK_NOFOLLOW) }
            if try taken.st_ino != file.descriptor.status().st_ino { return false }
        }
        try parent.sync()
        return true
    }

    func isPublished(_ file: StoredFile, as path: String) -> Bool {
        guard let named = status(of: path), let status = try? file.descriptor.status() else { return false }
        return (status.st_ino, status.st_dev) == (named.st_ino, named.st_dev)
    }

    package func publish(_ made: LocalFile, as path: String) throws(StoreError) {
        try calling { () throws(SystemError) in
            let parts = path.split(separator: "/").map(String.init)
            let grandparent = try makeParents(of: parts.dropLast().joined(separator: "/"))
            // Not remembered: it goes with its video, and may come again.
            let name = parts[parts.count - 2]
            try Self.makeDirectory(grandparent, name, mode: 0o755)
            let parent = try Descriptor(at: grandparent, name, O_RDONLY | O_DIRECTORY)
            let number = parent.number
            _ = try SystemError.check("renameat") { renameat(AT_FDCWD, made.path, number, parts[parts.count - 1]) }
            try parent.sync()
            try grandparent.sync()
        }
    }

    package func publishedNames(in path: String) throws(StoreError) -> [String] {
        try calling { () throws(SystemError) in
            do throws(SystemError) {
                return try Descriptor(beneath: directory, path, O_RDONLY | O_DIRECTORY).names()
            } catch  where error.isMissing {
                return []
            }
        }
    }

    package func forEachPublished(_ body: (PublishedFile) -> Void) throws(StoreError) {
        try calling { () throws(SystemError) in
            let unfinished = try incomingInodes()
            try visit(StorageLayout.originals, in: "") { path, status in
                guard status.st_mode & S_IFMT == S_IFREG else { return }
                body(
                    PublishedFile(
                        path: path, length: Int(status.st_size), changeTime: Int64(status.st_ctim.tv_sec),
                        isUnfinished: unfinished.contains(UInt64(status.st_ino))))
            }
        }
    }

    package func forEachTranscoded(_ body: (_ path: String, _ changeTime: Int64) -> Void) throws(StoreError) {
        try calling { () throws(SystemError) in
            for directory in [StorageLayout.transcoded, StorageLayout.transcoded + ["*"]] {
                try visit(directory, in: "") { path, status in
                    if status.st_mode & S_IFMT == S_IFDIR { body(path, Int64(status.st_ctim.tv_sec)) }
                }
            }
        }
    }

    /// Visits what is in the directories below `directory` that match `patterns`, one pattern a level.
    private func visit(
        _ patterns: ArraySlice<String>, in directory: String, _ body: (_ path: String, _ status: stat) -> Void
    ) throws(SystemError) {
        let opened: Descriptor
        do throws(SystemError) {
            opened = try Descriptor(
                beneath: self.directory, directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY)
        } catch  where error.code == ENOENT || error.code == ENOTDIR || error.code == ELOOP {
            return
        }
        for name in try opened.names() {
            let path = directory.isEmpty ? name : "\(directory)/\(name)"
            if let pattern = patterns.first {
                if fnmatch(pattern, name, 0) == 0 { try visit(patterns.dropFirst(), in: path, body) }
                continue
            }
            var status = stat()
            if fstatat(opened.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { body(path, status) }
        }
    }

    package func withdraw(_ path: String) {
        unlinkat(directory.number, path, 0)
    }

    /// Creates the directories above `path` and makes each durable.
    private func makeParents(of path: String) throws(SystemError) -> Descriptor {
        var parent = try Descriptor(at: directory, ".", O_RDONLY | O_DIRECTORY)
        var ancestor = ""
        for part in path.split(separator: "/").dropLast() {
            ancestor += "/\(part)"
            try Self.makeDirectory(parent, String(part), mode: 0o755)
            // Also one that was there: its maker may have died before it did this.
            if !syncedDirectories.withLock({ $0.contains(ancestor) }) {
                try parent.sync()
                _ = syncedDirectories.withLock { $0.insert(ancestor) }
            }
            parent = try Descriptor(at: parent, String(part), O_RDONLY | O_DIRECTORY)
        }
        return parent
    }

    static func makeDirectory(
        _ parent: borrowing Descriptor, _ name: String, mode: mode_t
    ) throws(SystemError) {
        let number = parent.number
        do throws(SystemError) {
            _ = try SystemError.check("mkdirat") { mkdirat(number, name, mode) }
            // What root makes, when an operator looks after the store, the service has to be able to write.
            guard geteuid() == 0, case let owner = try parent.status(), owner.st_uid != 0 else { return }
            _ = try SystemError.check("fchownat") {
                fchownat(number, name, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW)
            }
        } catch  where error.code == EEXIST {}
    }
}
