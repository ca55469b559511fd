import Catalogue
import ChunkStore
import Glibc

/// What `restore` has done.
package struct RestoreReport: Sendable {
    package let list: BackupList
    /// Of the files.
    package let bytes: Int
    package let continuation: CatalogueCopy.Continuation
}

/// Makes a data directory of a backup, so that everything goes on from there: with other numbers than those that may have
/// been given out since.
///
/// Nothing is changed before every byte of the backup was compared with its list. The catalogue comes last, so that after
/// a crash there is none, and another run goes on.
package struct Restore {
    private let directory: String
    private let dataDirectory: String
    private let counter: Backup.Counter

    /// - Parameter progress: is told how many bytes were read, of how many.
    package init(
        from directory: String, to dataDirectory: String,
        progress: @escaping (_ read: Int, _ all: Int) -> Void = { _, _ in }
    ) {
        self.directory = directory
        self.dataDirectory = dataDirectory
        counter = Backup.Counter(progress)
    }

    /// - Parameters:
    ///   - number: above which numbers of videos go on; `nil` for 100,000 above the last one of the backup.
    ///   - now: seconds since 1970.
    package func run(aboveVideo number: Int64?, now: Int64) throws -> RestoreReport {
        let list = try readList()
        let owner = try checkDataDirectory()
        let counter = counter
        let transfer = FileTransfer(
            from: try openBackup(), to: try Descriptor(directory: dataDirectory), owner: owner
        ) { counter.add($0) }
        let missing = try compare(list, transfer)
        try checkRoom(for: missing.values.reduce(0) { $0 + $1.size })
        for (path, file) in missing.sorted(by: { $0.key < $1.key }) {
            guard try transfer.bring(path, known: file) == file else {
                throw BackupError(
                    "\(path) has changed while it was brought back; nothing else was changed, run it again")
            }
        }
        let continuation = try bringCatalogue(list, transfer, aboveVideo: number, now: now)
        let bytes = list.files.values.reduce(0) { $0 + $1.size }
        return RestoreReport(list: list, bytes: bytes, continuation: continuation)
    }

    private func readList() throws -> BackupList {
        let path = "\(directory)/\(BackupList.name)"
        guard access(path, F_OK) == 0 else {
            throw BackupError(
                directory.hasSuffix(".unfinished")
                    ? "\(directory) is a backup that was interrupted; `video-intake backup` goes on with it"
                    : "\(directory) is no backup: it has no \(BackupList.name)")
        }
        do throws(BackupError) {
            return try BackupList(text: try text(of: path))
        } catch {
            throw BackupError("\(path): \(error)")
        }
    }

    private func text(of path: String) throws(BackupError) -> String {
        do throws(StoreError) {
            let file = StoredFile(try Descriptor(at: try Descriptor(directory: directory), BackupList.name, O_RDONLY))
            var bytes: [UInt8] = []
            try file.forEachPiece(of: 0..<file.length()) { bytes += $0 }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            throw BackupError("\(error)")
        }
    }

    /// The backup, which nobody goes on with meanwhile.
    private func openBackup() throws -> Descriptor {
        let backup = try Descriptor(directory: directory)
        guard flock(backup.number, LOCK_SH | LOCK_NB) == 0 else { throw BackupError("\(directory) is being written") }
        return backup
    }

    /// - Returns: whose the files are to be, if this process may give them away.
    private func checkDataDirectory() throws -> FileTransfer.Owner? {
        var status = stat()
        guard stat(dataDirectory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw BackupError("\(dataDirectory) is no directory: is the disk mounted? Make it, as the user of `serve`")
        }
        for name in ["", "-wal", "-shm", "-journal"].map({ BackupList.catalogue + $0 })
        where access("\(dataDirectory)/\(name)", F_OK) == 0 {
            throw BackupError(
                "\(dataDirectory) has a catalogue, \(name): stop `serve` and `worker`, and move it away with those whose "
                    + "names begin like it")
        }
        if geteuid() == 0 { return FileTransfer.Owner(user: status.st_uid, group: status.st_gid) }
        guard status.st_uid == geteuid() else {
            throw BackupError("\(dataDirectory) is another user's: run this as root, or as that user")
        }
        return nil
    }

    /// Compares every file with the list, and what is in the data directory already.
    ///
    /// - Returns: the files that the data directory does not have.
    private func compare(_ list: BackupList, _ transfer: FileTransfer) throws -> [String: FileTransfer.Verified] {
        counter.all = 2 * list.files.values.reduce(0) { $0 + $1.size }
        var (missing, findings) = ([String: FileTransfer.Verified](), [String]())
        for (path, file) in list.files.sorted(by: { $0.key < $1.key }) {
            if path != BackupList.catalogue, let found = try transfer.readTarget(path) {
                if found != file { findings.append("\(path): the data directory has another file; move it away") }
                continue
            }
            let found = try transfer.readSource(path)
            if found == file {
                if path != BackupList.catalogue { missing[path] = file }
            } else {
                findings.append("\(path): \(Self.text(found)) in the backup, the list says \(Self.text(file))")
            }
        }
        if findings.isEmpty, list.contents == .catalogue {
            for original in try CatalogueCopy(path: "\(directory)/\(BackupList.catalogue)").originals() {
                let (found, file) = (
                    try transfer.readTarget(original.path),
                    FileTransfer.Verified(size: original.size, md5: original.md5)
                )
                if found == file { continue }
                findings.append(
                    "\(original.path): \(Self.text(found)) in the data directory, its record says \(Self.text(file))")
            }
        }
        guard findings.isEmpty else {
            throw BackupError(lines: findings + ["\(findings.count) files differ: nothing was changed"])
        }
        return missing
    }

    private static func text(_ file: FileTransfer.Verified?) -> String {
        file.map { "\($0.size) bytes with md5 \($0.md5)" } ?? "no file"
    }

    private func checkRoom(for bytes: Int) throws {
        var (ours, theirs, room) = (stat(), stat(), statvfs())
        guard stat(dataDirectory, &ours) == 0, stat(directory, &theirs) == 0, ours.st_dev != theirs.st_dev,
            statvfs(dataDirectory, &room) == 0, case let free = Int(room.f_bavail) * Int(room.f_frsize), free < bytes
        else { return }
        throw BackupError(
            "\(dataDirectory) has room for \(ReplyFormat.humanReadable(free)), \(ReplyFormat.humanReadable(bytes)) are "
                + "needed")
    }

    private func bringCatalogue(
        _ list: BackupList, _ transfer: FileTransfer, aboveVideo number: Int64?, now: Int64
    ) throws -> CatalogueCopy.Continuation {
        let (new, path) = (BackupList.catalogue + ".restored", "\(dataDirectory)/\(BackupList.catalogue)")
        let newPath = "\(dataDirectory)/\(new)"
        unlink(newPath)
        defer { unlink(newPath) }
        guard try transfer.copy(BackupList.catalogue, as: new) == list.files[BackupList.catalogue] else {
            throw BackupError("\(BackupList.catalogue) has changed in the backup; run it again")
        }
        let continuation = try CatalogueCopy(path: newPath).goOn(aboveVideo: number, now: now)
        try transfer.sync()
        // Not a rename, which would replace one that was made meanwhile.
        guard link(newPath, path) == 0 else {
            throw BackupError("\(path): \(String(cString: strerror(errno)))")
        }
        unlink(newPath)
        try Descriptor(directory: dataDirectory).sync()
        return continuation
    }
}
