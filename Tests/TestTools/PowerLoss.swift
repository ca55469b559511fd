import Foundation
import Glibc

/// A data directory as a disk would have it if the power went off, replayed from a record of its changes.
///
/// What the model takes as durable, and no more:
/// - a file's bytes and its size with its fsync(2) or fdatasync(2), up to that moment;
/// - a name with the fsync or fdatasync of its directory. A file's own fsync does not make its name durable
///   (https://man7.org/linux/man-pages/man2/fsync.2.html), though on ext4 it does.
///
/// The one relaxation: fdatasync of a directory counts. Debian's SQLite has no other call, for the directory of a new
/// log too. "All file system information needed to retrieve the data" is what POSIX wants of it, and a directory's data
/// are its entries (https://pubs.opengroup.org/onlinepubs/9699919799/functions/fdatasync.html).
///
/// Memory that is mapped and written to is not in the record: of the data directory only SQLite's `-shm`, which it does
/// not trust after a boot.
package struct PowerLoss {
    /// What of the unsynced changes has reached the disk.
    package enum Variant: Sendable, CustomStringConvertible {
        /// Nothing.
        case syncedOnly
        /// Everything.
        case everything
        /// All names and sizes, with zeros for the bytes that were not synced: a journal that keeps only metadata.
        case namesOnly
        /// Some 4 KiB pages of files, and the first few changes of names.
        case some(seed: UInt64)

        package var description: String {
            switch self {
            case .syncedOnly: "synced only"
            case .everything: "everything"
            case .namesOnly: "names only"
            case .some(let seed): "some, seed \(seed)"
            }
        }
    }

    private enum Node {
        case file(DiskFile)
        case directory(DiskDirectory)
    }

    /// The entries of a directory.
    private final class DiskDirectory {
        var present: [String: Node] = [:]
        var durable: [String: Node] = [:]
    }

    /// A change of names that is not durable: what each name stands for then, `nil` for nothing. All or none of it
    /// reaches the disk.
    private struct NameChange {
        var entries: [(directory: DiskDirectory, name: String, node: Node?)]
    }

    private let root: DiskDirectory
    /// By number. A number may become another file's when its file is gone.
    private var nodes: [UInt64: Node] = [:]
    /// In the order in which they were made.
    private var unsynced: [NameChange] = []

    /// The directory before the first change.
    ///
    /// - Parameters:
    ///   - directory: the real one, as it is now. Directories in it that no change made were there before.
    ///   - changes: all changes, none of which is applied yet.
    package init(_ directory: URL, before changes: [RecordedChange]) throws {
        root = DiskDirectory()
        nodes[try Self.inode(directory.path)] = .directory(root)
        let made: Set<UInt64> = Set(
            changes.compactMap { if case .makeDirectory(let inode, _) = $0.operation { inode } else { nil } })
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            let path = "\(directory.path)/\(name)"
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
                continue
            }
            let inode = try Self.inode(path)
            guard !made.contains(inode) else { continue }
            // Whoever made it may not have synced it.
            let node = Node.directory(DiskDirectory())
            nodes[inode] = node
            change([(root, name, node)])
        }
    }

    private static func inode(_ path: String) throws -> UInt64 {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw HTTPConnection.Fault.system(call: "lstat \(path)", code: errno) }
        return UInt64(status.st_ino)
    }
}

// MARK: - Changes

extension PowerLoss {
    /// Makes a change.
    package mutating func apply(_ change: RecordedChange) {
        switch change.operation {
        case .write(let inode, let offset, let bytes):
            if case .file(let file)? = nodes[inode] { file.write(bytes, at: offset) }
        case .resize(let inode, let size):
            if case .file(let file)? = nodes[inode] { file.resize(to: size) }
        case .sync(let inode):
            switch nodes[inode] {
            case .file(let file): file.sync()
            case .directory(let directory): sync(directory)
            case nil: break
            }
        case .createAnonymous(let inode):
            nodes[inode] = .file(DiskFile())
        case .create(let inode, let entry):
            add(.file(DiskFile()), inode, entry)
        case .makeDirectory(let inode, let entry):
            add(.directory(DiskDirectory()), inode, entry)
        case .link(let inode, let entry):
            if let node = nodes[inode] { add(node, inode, entry) }
        case .unlink(let entry):
            if let parent = directory(entry) { self.change([(parent, entry.name, nil)]) }
        case .rename(let old, let new):
            guard let source = directory(old), let target = directory(new) else { return }
            let node = source.present[old.name]
            self.change([(source, old.name, nil), (target, new.name, node)])
        }
    }

    private func directory(_ entry: RecordedChange.Entry) -> DiskDirectory? {
        if case .directory(let directory)? = nodes[entry.directory] { directory } else { nil }
    }

    private mutating func add(_ node: Node, _ inode: UInt64, _ entry: RecordedChange.Entry) {
        nodes[inode] = node
        if let parent = directory(entry) { change([(parent, entry.name, node)]) }
    }

    private mutating func change(_ entries: [(directory: DiskDirectory, name: String, node: Node?)]) {
        for entry in entries { entry.directory.present[entry.name] = entry.node }
        unsynced.append(NameChange(entries: entries))
    }

    private mutating func sync(_ directory: DiskDirectory) {
        let isSynced = { (change: NameChange) in change.entries.contains { $0.directory === directory } }
        for entry in unsynced.filter(isSynced).flatMap(\.entries) { entry.directory.durable[entry.name] = entry.node }
        unsynced.removeAll(where: isSynced)
    }
}

// MARK: - Images

extension PowerLoss {
    /// Writes what the disk has into an empty directory.
    package func write(_ variant: Variant, to target: URL) throws {
        var chance: SeededGenerator? = if case .some(let seed) = variant { SeededGenerator(seed) } else { nil }
        // What the entries of directories are that differ from what is durable.
        var changed: [ObjectIdentifier: [String: Node]] = [:]
        if chance != nil {
            let count = Int.random(in: 0...unsynced.count, using: &chance!)
            for entry in unsynced.prefix(count).flatMap(\.entries) {
                changed[ObjectIdentifier(entry.directory), default: entry.directory.durable][entry.name] = entry.node
            }
        }
        let hasAllNames =
            switch variant {
            case .everything, .namesOnly: true
            case .syncedOnly, .some: false
            }
        var written: [ObjectIdentifier: String] = [:]

        func write(_ directory: DiskDirectory, to path: String) throws {
            let entries =
                hasAllNames ? directory.present : changed[ObjectIdentifier(directory)] ?? directory.durable
            // In an order that the seed alone decides.
            for (name, node) in entries.sorted(by: { $0.key < $1.key }) {
                let path = "\(path)/\(name)"
                switch node {
                case .directory(let directory):
                    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
                    try write(directory, to: path)
                case .file(let file):
                    if let first = written[ObjectIdentifier(file)] {
                        try FileManager.default.linkItem(atPath: first, toPath: path)
                        continue
                    }
                    written[ObjectIdentifier(file)] = path
                    let bytes =
                        switch variant {
                        case .syncedOnly: file.durable
                        case .everything: file.present
                        case .namesOnly: file.durableBytesOfPresentSize
                        case .some: file.someBytes(using: &chance!)
                        }
                    try Data(bytes).write(to: URL(fileURLWithPath: path))
                }
            }
        }
        try write(root, to: target.path)
    }
}
