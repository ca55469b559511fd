import ChunkStore
import Foundation
import Glibc
import LoadingCache
import Model
import System

/// The store as files in one directory of one file system.
///
///     DIRECTORY/incoming/<upload id>.part              an unfinished upload
///     DIRECTORY/upload/mp4/YYYY/MM/original/<name>     a published video
///     DIRECTORY/upload/mp4/YYYY/MM/transcoded/<name>/  what was made of it
///     DIRECTORY/set-aside/<name>                       files that belong to no upload
///     DIRECTORY/trash/<name>                           what no record points to any more
///
/// A chunk goes straight to its offset, and publishing is a second name for the same bytes: nothing is merged or copied.
/// The first name goes when the record is committed, so a crash at any point leaves a state that can be told apart.
package final class FileChunkStore: ChunkStore {
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
        memory: PrefixDigest.memoryLimit + PrefixComparison.memoryLimit + followedLimit * FollowedPrefix.weight)

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

    /// The upload whose file has this name.
    private static func upload(named name: String) -> Int64? {
        guard name.hasSuffix(".part"), let id = Int64(name.dropLast(5)), self.name(ofUpload: id) == name else {
            return nil
        }
        return id
    }
}

// MARK: - Unfinished uploads

extension FileChunkStore {
    package func open(
        _ upload: Upload, chunks: [StoredChunk], comparedWith known: [String]
    ) throws(SystemError) -> OpenedUpload {
        let (file, isNew) = try makeUpload(upload.id)
        var kept = followed.getIfPresent(upload.id)
        followed.invalidate(upload.id)
        // Nothing is known of bytes that are in doubt.
        if isNew || isInDoubt(upload) || kept?.holds(for: file, chunks: chunks) == false { kept = nil }
        let bytes = FileUpload(
            upload, file, in: self, known: self.known(known, size: upload.key.size ?? 0), followed: kept)
        return OpenedUpload(
            bytes: bytes, lost: isNew ? chunks : isInDoubt(upload) ? lost(chunks, of: upload, in: file) : [],
            isNew: isNew)
    }

    private func isInDoubt(_ upload: Upload) -> Bool { upload.bootID != incarnation }

    /// The files of published videos that are there with this size.
    func known(_ paths: [String], size: Int) -> [FileUpload.KnownFile] {
        paths.compactMap { path in
            guard let file = try? openPublished(path), (try? file.length()) == size else { return nil }
            return FileUpload.KnownFile(path: path, file: file)
        }
    }

    package func lost(
        _ chunks: [StoredChunk], of upload: Upload, progress: (Int) -> Void
    ) throws(SystemError) -> [StoredChunk]? {
        do throws(SystemError) {
            let file = try openUpload(upload.id)
            return chunks.filter { chunk in
                defer { progress(chunk.length) }
                return !has(chunk, of: upload, in: file)
            }
        } catch  where error.isMissing {
            return nil
        }
    }

    private func lost(_ chunks: [StoredChunk], of upload: Upload, in file: StoredFile) -> [StoredChunk] {
        // They are written again where a sync may have lost them without the kernel knowing.
        let rewrites = upload.bootID.isEmpty
        return chunks.filter { !has($0, of: upload, in: file) || rewrites && !rewrite($0, of: upload, in: file) }
    }

    /// Whether a chunk's bytes are there. Bytes that cannot be read are not.
    private func has(_ chunk: StoredChunk, of upload: Upload, in file: StoredFile) -> Bool {
        guard let checksum = chunk.crc32c,
            let range = try? upload.layout.range(ofChunk: chunk.number, length: chunk.length)
        else { return false }
        return (try? file.crc32c(of: range)) == checksum
    }

    private func rewrite(_ chunk: StoredChunk, of upload: Upload, in file: StoredFile) -> Bool {
        guard let range = try? upload.layout.range(ofChunk: chunk.number, length: chunk.length) else { return false }
        return (try? file.rewrite(range)) != nil
    }

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

    private func status(ofUpload id: Int64) throws(SystemError) -> stat? {
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

    package func isUpload(_ id: Int64, publishedAs path: String) -> Bool {
        guard let ours = try? status(ofUpload: id), let published = status(of: path) else { return false }
        return (ours.st_ino, ours.st_dev) == (published.st_ino, published.st_dev)
    }

    package func removeUpload(_ id: Int64) {
        let file = try? openUpload(id)
        unlinkat(incoming.number, Self.name(ofUpload: id), 0)
        // Requests, digests and other processes may have it open. A file without a name never gets one again: its bytes are
        // of no use.
        if let file, file.hasNoName { try? file.truncate(to: 0) }
        followed.invalidate(id)
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

    package func incomingFiles() throws(SystemError) -> [IncomingFile] {
        var files: [IncomingFile] = []
        for name in try incoming.names() {
            var status = stat()
            // One that is gone meanwhile is no file any more.
            guard fstatat(incoming.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            files.append(
                IncomingFile(
                    name: name, upload: Self.upload(named: name), length: Int(status.st_size),
                    occupied: status.st_nlink > 1 ? 0 : Int(status.st_blocks) * 512,
                    changeTime: Int64(status.st_ctim.tv_sec)))
        }
        return files
    }

    package func setAside(_ file: IncomingFile) throws(SystemError) -> String? {
        try deleting { () throws(SystemError) in try moveAside(file) }
    }

    private func moveAside(_ file: IncomingFile) throws(SystemError) -> String? {
        try Self.makeDirectory(directory, Self.setAsideDirectory, mode: 0o750)
        let target = try Descriptor(at: directory, Self.setAsideDirectory, O_RDONLY | O_DIRECTORY)
        for attempt in 0... {
            let name = attempt == 0 ? file.name : "\(file.name).\(attempt)"
            do throws(SystemError) {
                // Not a rename, which would replace what was set aside before.
                _ = try SystemError.check("linkat") { linkat(incoming.number, file.name, target.number, name, 0) }
            } catch  where error.code == EEXIST {
                continue
            } catch  where error.code == ENOENT {
                return nil
            }
            unlinkat(incoming.number, file.name, 0)
            return "\(Self.setAsideDirectory)/\(name)"
        }
        preconditionFailure("there is always another number")
    }
}

// MARK: - Published videos

extension FileChunkStore {
    package func publishedLength(_ path: String) -> Int? {
        guard let status = status(of: path), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// What has a published name, itself where it is a link; `nil` if nothing has.
    private func status(of path: String) -> stat? {
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
        _ path: String, limit: Int, _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) -> Int {
        let file = try openPublished(path)
        let length = try file.length()
        try file.forEachPiece(of: 0..<min(length, limit), body)
        return length
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

    package func makeDirectories(above path: String) throws(SystemError) { _ = try makeParents(of: path) }

    package func forEachPublished(_ body: (PublishedFile) -> Void) throws(SystemError) {
        let unfinished = try incomingInodes()
        try visit(["upload", "mp4", Self.year, Self.month, "original"], in: "") { path, status in
            guard status.st_mode & S_IFMT == S_IFREG else { return }
            body(
                PublishedFile(
                    path: path, length: Int(status.st_size), changeTime: Int64(status.st_ctim.tv_sec),
                    isUnfinished: unfinished.contains(UInt64(status.st_ino))))
        }
    }

    package func forEachTranscoded(_ body: (_ path: String, _ changeTime: Int64) -> Void) throws(SystemError) {
        try visit(["upload", "mp4", Self.year, Self.month, "transcoded"], in: "") { path, status in
            if status.st_mode & S_IFMT == S_IFDIR { body(path, Int64(status.st_ctim.tv_sec)) }
        }
    }

    private static let year = "[0-9][0-9][0-9][0-9]"
    private static let month = "[0-9][0-9]"

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
