import ChunkStore
import Glibc
import Model
import System

extension FileChunkStore {
    package func publishedLength(_ path: String) -> Int? {
        status(of: path).flatMap { $0.isFile ? Int($0.st_size) : nil }
    }

    /// What has a published name, itself where it is a link; `nil` if nothing has.
    func status(of path: String) -> stat? { try? directory.status(of: path) }

    package func hasPublished(_ path: String) -> Bool { status(of: path) != nil }

    package func openPublished(_ path: String) throws(SystemError) -> StoredFile {
        // Opening a pipe would wait for its writer.
        let file = StoredFile(try Descriptor(beneath: directory, path, O_RDONLY | O_NONBLOCK))
        guard try file.descriptor.status().isFile else { throw SystemError("open \(path)", code: EINVAL) }
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
            try SystemError.check("linkat") {
                linkat(incoming.number, Self.name(ofUpload: id), parent.number, last, 0)
            }
        } catch  where error.code == EEXIST {
            // Whatever it is that has the name, a link or a pipe too.
            let taken = try parent.status(of: last)
            if try taken.st_ino != file.descriptor.status().st_ino { return false }
        }
        try parent.sync()
        return true
    }

    func isPublished(_ file: StoredFile, as path: String) -> Bool {
        guard let named = status(of: path), let status = try? file.descriptor.status() else { return false }
        return status.isSame(as: named)
    }

    package func publish(_ made: LocalFile, as path: String) throws(StoreError) {
        try calling { () throws(SystemError) in
            let parts = path.split(separator: "/").map(String.init)
            let grandparent = try makeParents(of: parts.dropLast().joined(separator: "/"))
            // Not remembered: it goes with its video, and may come again.
            let name = parts[parts.count - 2]
            try Self.makeDirectory(grandparent, name, mode: 0o755)
            let parent = try Descriptor(at: grandparent, name, O_RDONLY | O_DIRECTORY)
            try SystemError.check("renameat") { renameat(AT_FDCWD, made.path, parent.number, parts.last!) }
            try parent.sync()
            try grandparent.sync()
        }
    }

    package func publishedNames(in path: String) throws(StoreError) -> [String] {
        try calling { () throws(SystemError) in
            try SystemError.ifThere(try Descriptor(beneath: directory, path, O_RDONLY | O_DIRECTORY).names()) ?? []
        }
    }

    package func forEachPublished(_ body: (PublishedFile) -> Void) throws(StoreError) {
        try calling { () throws(SystemError) in
            let unfinished = try incomingInodes()
            try visit(StorageLayout.originals, in: "") { path, status in
                guard status.isFile else { return }
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
                    if status.isDirectory { body(path, Int64(status.st_ctim.tv_sec)) }
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
            if let status = try? opened.status(of: name) { body(path, status) }
        }
    }

    package func withdraw(_ path: String) { unlinkat(directory.number, path, 0) }
}

// MARK: - Removal

extension FileChunkStore {
    static let trashDirectory = "trash"

    package func removePublished(_ path: String) throws(StoreError) -> Int {
        try calling { () throws(SystemError) in try remove(path) }
    }

    func remove(_ path: String) throws(SystemError) -> Int {
        guard let (parent, name) = try SystemError.ifThere(try parent(ofPublished: path)) else { return 0 }
        return try deleting { () throws(SystemError) in
            guard let bytes = try SystemError.ifThere(try parent.descriptor.removeTree(name)) else { return 0 }
            try parent.descriptor.sync()
            removeParent(ofResults: path)
            return bytes
        }
    }

    package func moveToTrash(_ path: String, as name: String) throws(StoreError) -> String? {
        try calling { () throws(SystemError) in
            try Self.makeDirectory(directory, Self.trashDirectory, mode: 0o750)
            let trash = try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY)
            guard let (parent, last) = try SystemError.ifThere(try parent(ofPublished: path)) else { return nil }
            // What is there is a leftover of the same, which is being removed.
            return try Self.firstFree(name, unless: [EEXIST, ENOTEMPTY, EISDIR, ENOTDIR], "renameat") {
                renameat(parent.descriptor.number, last, trash.number, $0)
            }
        }
    }

    package func trash() throws(StoreError) -> [String] {
        try calling { () throws(SystemError) in
            let trash = try SystemError.ifThere(
                try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY).names())
            return trash ?? []
        }
    }

    package func removeTrash(_ name: String, movedFrom path: String?) throws(StoreError) -> Int {
        try calling { () throws(SystemError) in
            if let path, let (parent, _) = try SystemError.ifThere(try parent(ofPublished: path)) {
                try parent.descriptor.sync()
                removeParent(ofResults: path)
            }
            let freed = try SystemError.ifThere(
                try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY).removeTree(name))
            return freed ?? 0
        }
    }

    /// Removes the directory that a claim's was in, if nothing is left in it: of a video that was deleted while its worker
    /// published.
    private func removeParent(ofResults path: String) {
        guard let directory = StorageLayout.claim(ofResults: path)?.above,
            let (parent, name) = try? parent(ofPublished: directory)
        else { return }
        unlinkat(parent.descriptor.number, name, AT_REMOVEDIR)
    }

    /// The opened directory that a published file or directory is in, and its last name.
    private func parent(ofPublished path: String) throws(SystemError) -> (parent: StoredFile, name: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1, parts[0] == "upload", !parts.contains(where: ["", ".", ".."].contains) else {
            throw SystemError("remove \(path), which is not below upload/,", code: EINVAL)
        }
        let upload = try Descriptor(at: directory, "upload", O_RDONLY | O_DIRECTORY)
        let above = parts.dropFirst().dropLast().joined(separator: "/")
        let parent = try Descriptor(beneath: upload, above.isEmpty ? "." : above, O_RDONLY | O_DIRECTORY)
        return (StoredFile(parent), parts.last!)
    }
}
