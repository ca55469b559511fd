import FileStore
import Model
import SQLiteCatalogue
import ChunkStore
import Glibc
import System

/// What `restore` has done.
package struct RestoreReport: Sendable {
    package let list: BackupList
    /// How many there are in the data directory now, the catalogue not counted, and their bytes.
    package let files: Int
    package let bytes: Int
    package let continuation: CatalogueCopy.Continuation
    /// Files that differ from the list, or are not there: they were left out, as was asked for. A line for each.
    package let leftOut: [String]
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
    ///   - leavesOutDamaged: whether files that are not as the list says are left out, in place of no restore at all. Their
    ///     videos stay without a file: `check` names them, and the same video, uploaded again, brings its file back.
    ///   - now: seconds since 1970.
    package func run(aboveVideo number: Int64?, leavesOutDamaged: Bool = false, now: Int64) throws -> RestoreReport {
        let list = try readList()
        let owner = try checkDataDirectory()
        let counter = counter
        let transfer = FileTransfer(
            from: try openBackup(), to: try Descriptor(directory: dataDirectory), owner: owner
        ) { counter.add($0) }
        let comparison = try compare(list, transfer)
        try comparison.judge(leavesOutDamaged: leavesOutDamaged)
        let missing = comparison.missing
        try checkRoom(for: missing.values.reduce(0) { $0 + $1.size })
        for (path, file) in missing.sorted(by: { $0.key < $1.key }) {
            guard try transfer.bring(path, known: file) == file else {
                throw BackupError(
                    "\(path) has changed while it was brought back; nothing else was changed, run it again")
            }
        }
        let continuation = try bringCatalogue(list, transfer, aboveVideo: number, now: now)
        let files = list.files.filter { $0.key != BackupList.catalogue && !comparison.damagedPaths.contains($0.key) }
        return RestoreReport(
            list: list, files: files.count, bytes: files.values.reduce(0) { $0 + $1.size }, continuation: continuation,
            leftOut: comparison.damaged)
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
            return try BackupList(text: try listText())
        } catch {
            throw BackupError("\(path): \(error)")
        }
    }

    private func listText() throws(BackupError) -> String {
        do throws(SystemError) {
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
        guard try backup.lock(LOCK_SH, within: .seconds(1)) else { throw BackupError("\(directory) is being written") }
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

    /// What a backup and a data directory have, compared with the list.
    private struct Comparison {
        /// Files that the data directory does not have, and the backup has.
        var missing: [String: FileTransfer.Verified] = [:]
        /// A line for each file that is nowhere as it should be.
        var damaged: [String] = []
        var damagedPaths: Set<String> = []
        /// A line for each reason why there can be no restore.
        var obstacles: [String] = []

        func judge(leavesOutDamaged: Bool) throws(BackupError) {
            guard !obstacles.isEmpty || !damaged.isEmpty && !leavesOutDamaged else { return }
            let way = obstacles.isEmpty ? "; --leave-out-damaged restores what is good" : ""
            throw BackupError(
                lines: damaged + obstacles
                    + ["\(damaged.count + obstacles.count) files differ: nothing was changed\(way)"])
        }
    }

    /// Compares every file with the list, and what is in the data directory already.
    private func compare(_ list: BackupList, _ transfer: FileTransfer) throws -> Comparison {
        counter.all = 2 * list.files.values.reduce(0) { $0 + $1.size }
        var result = Comparison()
        for (path, file) in list.files.sorted(by: { $0.key < $1.key }) where path != BackupList.catalogue {
            if let found = try transfer.readTarget(path) {
                if found != file {
                    result.obstacles.append("\(path): the data directory has another file; move it away")
                }
                continue
            }
            let found = try readSource(path, transfer)
            if found == file {
                result.missing[path] = file
            } else {
                result.damagedPaths.insert(path)
                result.damaged.append("\(path): \(Self.words(found)) in the backup, the list says \(Self.words(file))")
            }
        }
        let catalogue = try readSource(BackupList.catalogue, transfer)
        guard let file = list.files[BackupList.catalogue], catalogue == file else {
            result.obstacles.append(
                "\(BackupList.catalogue): \(Self.words(catalogue)), which is not what the list says")
            return result
        }
        if list.contents == .catalogue { try compareRecords(transfer, &result) }
        return result
    }

    /// What the disk does not give back is not there.
    private func readSource(_ path: String, _ transfer: FileTransfer) throws(SystemError) -> FileTransfer.Verified? {
        do throws(SystemError) {
            return try transfer.readSource(path)
        } catch  where error.code == EIO {
            return nil
        }
    }

    /// Compares what is in the data directory with the records of a backup of the catalogue alone.
    private func compareRecords(_ transfer: FileTransfer, _ result: inout Comparison) throws {
        for original in try CatalogueCopy(path: "\(directory)/\(BackupList.catalogue)").originals() {
            let found = try transfer.readTarget(original.path)
            let file = FileTransfer.Verified(size: original.size, md5: original.md5)
            if found == file { continue }
            result.damaged.append(
                "\(original.path): \(Self.words(found)) in the data directory, its record says \(Self.words(file))")
        }
    }

    private static func words(_ file: FileTransfer.Verified?) -> String {
        file.map { "\($0.size) bytes with md5 \($0.md5)" } ?? "no file"
    }

    private func checkRoom(for bytes: Int) throws {
        var (ours, theirs, room) = (stat(), stat(), statvfs())
        guard stat(dataDirectory, &ours) == 0, stat(directory, &theirs) == 0, ours.st_dev != theirs.st_dev,
            statvfs(dataDirectory, &room) == 0, case let free = Int(room.f_bavail) * Int(room.f_frsize), free < bytes
        else { return }
        throw BackupError(
            "\(dataDirectory) has room for \(sizeText(free)), \(sizeText(bytes)) are "
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
        guard link(newPath, path) == 0 else { throw BackupError("\(path): \(String(cString: strerror(errno)))") }
        unlink(newPath)
        try Descriptor(directory: dataDirectory).sync()
        return continuation
    }
}
