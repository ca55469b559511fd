import FileStore
import Model
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Glibc
import System

/// What `backup` has done.
package struct BackupReport: Sendable {
    package var files = 0
    /// Of the files.
    package var bytes = 0
    /// Files that are not as their records say: they are in the backup as they are.
    package var findings: [String] = []
    /// What is below `upload/` and cannot be in a backup.
    package var leftOut: [String] = []
}

/// Copies a catalogue, and the files below `upload/`, to another directory while they are in use.
///
/// All of it belongs together: the catalogue as it was at one moment, and every file that its videos need. What has come
/// later is left to the next backup. Unfinished uploads and `set-aside/` are not part of it.
package struct Backup {
    private let catalogue: Catalogue
    private let store: FileChunkStore
    private let dataDirectory: String
    private let list: BackupList
    private let progress: (_ read: Int, _ all: Int) -> Void
    private var report = BackupReport()
    /// What was brought, and which bytes it was then.
    private var done: [String: (file: FileTree.File, verified: FileTransfer.Verified)] = [:]

    /// Videos that go while they are copied make another round necessary; each has little to do.
    private static let roundsLimit = 20

    /// - Parameters:
    ///   - version: of the program.
    ///   - now: seconds since 1970.
    ///   - progress: is told how many bytes were read, of how many.
    package init(
        _ catalogue: Catalogue, _ store: FileChunkStore, dataDirectory: String, contents: BackupList.Contents,
        version: String, now: Int64, progress: @escaping (_ read: Int, _ all: Int) -> Void = { _, _ in }
    ) {
        (self.catalogue, self.store, self.dataDirectory, self.progress) = (catalogue, store, dataDirectory, progress)
        list = BackupList(created: now, version: version, contents: contents)
    }

    /// Makes the backup in a directory, which must not be there. Until all is in it, it is called `.unfinished`; another
    /// run goes on with that.
    /// - Parameter previous: another backup; what has not changed since, gets a second name instead of a copy.
    package consuming func run(to directory: String, previous: String?) throws -> BackupReport {
        let directory = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        let unfinished = directory + ".unfinished"
        let lock = try makeDirectory(directory, unfinished)
        var old: Descriptor?
        if let previous {
            guard access("\(previous)/\(BackupList.name)", R_OK) == 0 else {
                throw BackupError("\(previous) is no backup: it has no \(BackupList.name)")
            }
            old = try Descriptor(directory: previous)
        }
        let counter = Counter(progress)
        let transfer = FileTransfer(
            from: try Descriptor(directory: dataDirectory), to: try Descriptor(directory: unfinished), previous: old
        ) { counter.add($0) }
        var files: [String: FileTransfer.Verified] = [:]
        for round in 1... {
            report = BackupReport()
            let copy = try CatalogueCopy(of: catalogue, at: "\(unfinished)/\(BackupList.catalogue)")
            if list.contents == .catalogue { break }
            if let settled = try bring(try copy.originals(), try copy.results(), transfer, counter) {
                files = settled
                break
            }
            guard round < Self.roundsLimit else {
                throw BackupError("files change all the time; run it again when less is deleted or transcoded")
            }
        }
        try removeOthers(than: files, in: unfinished, transfer)
        report.files = files.count
        report.bytes = files.values.reduce(0) { $0 + $1.size }
        files[BackupList.catalogue] = try transfer.readTarget(BackupList.catalogue)
        try finish(files, lock, unfinished, directory, transfer)
        return report
    }

    /// - Returns: the locked directory.
    private func makeDirectory(_ directory: String, _ unfinished: String) throws -> Descriptor {
        guard access(directory, F_OK) != 0 else {
            throw BackupError(
                access("\(directory)/\(BackupList.name)", F_OK) == 0
                    ? "\(directory) is a backup already: name another directory, and this one with --previous, so that what "
                        + "has not changed takes no room twice"
                    : "\(directory) is there already: name a directory that is to be made")
        }
        guard mkdir(unfinished, 0o700) == 0 || errno == EEXIST else {
            throw BackupError("\(unfinished): \(String(cString: strerror(errno)))")
        }
        let (ours, theirs) = (Self.realPath(dataDirectory), Self.realPath(unfinished))
        guard theirs != ours, !theirs.hasPrefix(ours + "/") else {
            rmdir(unfinished)
            throw BackupError("\(directory) is in the data directory, and would be lost with it: name one elsewhere")
        }
        let lock = try Descriptor(directory: unfinished)
        // One that was under way may have ended while its lock was waited for, and has renamed the directory.
        var status = stat()
        guard try lock.lock(within: .seconds(1)),
            try stat(unfinished, &status) == 0 && status.st_ino == lock.status().st_ino
        else {
            throw BackupError("another backup to \(directory) is under way")
        }
        return lock
    }

    private static func realPath(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private func removeOthers(
        than files: [String: FileTransfer.Verified], in directory: String, _ transfer: FileTransfer
    ) throws {
        // An earlier run, or round, has brought what has gone since.
        for path in try FileTree("upload", in: try Descriptor(directory: directory)).files.keys
        where files[path] == nil { try transfer.remove(path) }
    }

    private func finish(
        _ files: [String: FileTransfer.Verified], _ lock: borrowing Descriptor, _ unfinished: String,
        _ directory: String, _ transfer: FileTransfer
    ) throws {
        var list = list
        list.files = files
        let file = StoredFile(try Descriptor(at: lock, BackupList.name, O_RDWR | O_CREAT | O_TRUNC, mode: 0o600))
        try Array(list.text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
        try file.descriptor.sync()
        try transfer.sync()
        try lock.sync()
        guard rename(unfinished, directory) == 0 else {
            throw BackupError("cannot rename \(unfinished) to \(directory): \(String(cString: strerror(errno)))")
        }
        let parent = directory.lastIndex(of: "/").map { String(directory[...$0]) } ?? "."
        try Descriptor(directory: parent).sync()
    }

    /// How many bytes were read.
    final class Counter {
        var all = 0
        private var read = 0
        private let progress: (_ read: Int, _ all: Int) -> Void

        init(_ progress: @escaping (_ read: Int, _ all: Int) -> Void) { self.progress = progress }

        func add(_ bytes: Int) {
            read += bytes
            progress(read, max(read, all))
        }
    }
}

// MARK: - Files

extension Backup {
    /// Brings the files that belong to the copy of the catalogue.
    /// - Returns: all of them; `nil` if some have gone or were replaced meanwhile, so that the copy has to be made anew.
    private mutating func bring(
        _ originals: [CatalogueCopy.Original], _ results: [String: String], _ transfer: FileTransfer, _ counter: Counter
    ) throws -> [String: FileTransfer.Verified]? {
        let tree = try FileTree("upload", in: try Descriptor(directory: dataDirectory))
        let records = Dictionary(originals.map { ($0.path, $0) }) { first, _ in first }
        var isSettled = true
        for original in originals where tree.files[original.path] == nil {
            if try catalogue.hasVideo(atPath: original.path) {
                report.findings.append("\(original.path): a video's file is not there")
            } else {
                isSettled = false
            }
        }
        for (path, directory) in results.sorted(by: { $0.key < $1.key }) where !tree.directories.contains(directory) {
            if let media = try catalogue.media(ofFile: path),
                media.directory ?? StorageLayout.results(ofOriginal: path) == directory
            {
                report.findings.append("\(directory): what was made of a video is not there")
            } else {
                isSettled = false
            }
        }
        report.leftOut = tree.others
        let (unfinished, directories) = (try store.incomingInodes(), Set(results.values))
        let wanted = try tree.files.values.filter { try isWanted($0, records, directories, unfinished) }
            .sorted { $0.path < $1.path }
        counter.all = wanted.reduce(0) { $0 + $1.size }
        var files: [String: FileTransfer.Verified] = [:]
        for file in wanted {
            let record = records[file.path].map { FileTransfer.Verified(size: $0.size, md5: $0.md5) }
            let verified: FileTransfer.Verified
            do throws(SystemError) {
                guard let brought = try bring(file, known: record, transfer) else {
                    isSettled = false
                    continue
                }
                verified = brought
            } catch {
                guard let failure = readFailure(file.path, transfer) else { throw error }
                report.findings.append("\(file.path): \(failure): it is not in the backup")
                continue
            }
            files[file.path] = verified
            if let record, verified != record {
                report.findings.append(
                    "\(file.path): \(verified.size) bytes with md5 \(verified.md5), its record says \(record.size) and "
                        + record.md5)
            }
        }
        return isSettled ? files : nil
    }

    private mutating func bring(
        _ file: FileTree.File, known: FileTransfer.Verified?, _ transfer: FileTransfer
    ) throws(SystemError) -> FileTransfer.Verified? {
        if let done = done[file.path], done.file == file { return done.verified }
        do throws(SystemError) {
            guard let verified = try transfer.bring(file.path, known: known) else { return nil }
            done[file.path] = (file, verified)
            return verified
        } catch  where error.code == ESTALE {
            return nil
        }
    }

    /// Why a file cannot be read, `nil` if it can: the disk has lost some of it, which must not cost the others their
    /// backup.
    private func readFailure(_ path: String, _ transfer: FileTransfer) -> SystemError? {
        do throws(SystemError) {
            _ = try transfer.readSource(path)
            return nil
        } catch {
            return error.code == EIO ? error : nil
        }
    }

    /// Whether a file belongs to the copy of the catalogue: it is a video's, or made of one and named, or none of the
    /// service's business.
    private func isWanted(
        _ file: FileTree.File, _ records: [String: CatalogueCopy.Original], _ results: Set<String>,
        _ unfinished: Set<UInt64>
    ) throws -> Bool {
        if records[file.path] != nil { return true }
        switch StorageLayout.place(of: file.path) {
        case .original:
            // It may become a video's right now, or have become one since.
            return try !unfinished.contains(file.inode) && !catalogue.hasVideo(atPath: file.path)
        case .results(let directory): return results.contains(directory)
        case .other: return true
        }
    }
}
