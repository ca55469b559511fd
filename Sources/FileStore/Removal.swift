import ChunkStore
import Glibc
import Model
import System

extension FileChunkStore {
    static let trashDirectory = "trash"

    package func removePublished(_ path: String) throws(StoreError) -> Int {
        try calling { () throws(SystemError) in try remove(path) }
    }

    func remove(_ path: String) throws(SystemError) -> Int {
        do throws(SystemError) {
            let (parent, name) = try parent(ofPublished: path)
            return try deleting { () throws(SystemError) in
                let bytes = try parent.descriptor.removeTree(name)
                try parent.descriptor.sync()
                removeParent(ofResults: path)
                return bytes
            }
        } catch  where error.code == ENOENT {
            return 0
        }
    }

    package func moveToTrash(_ path: String, as name: String) throws(StoreError) -> String? {
        try calling { () throws(SystemError) in
            try Self.makeDirectory(directory, Self.trashDirectory, mode: 0o750)
            let trash = try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY)
            do throws(SystemError) {
                let (parent, last) = try parent(ofPublished: path)
                let from = parent.descriptor.number
                for attempt in 0... {
                    let target = attempt == 0 ? name : "\(name).\(attempt)"
                    do throws(SystemError) {
                        _ = try SystemError.check("renameat") { renameat(from, last, trash.number, target) }
                    } catch  where [EEXIST, ENOTEMPTY, EISDIR, ENOTDIR].contains(error.code) {
                        // What is there is a leftover of the same, which is being removed.
                        continue
                    }
                    return target
                }
                preconditionFailure("there is always another number")
            } catch  where error.code == ENOENT {
                return nil
            }
        }
    }

    package func trash() throws(StoreError) -> [String] {
        try calling { () throws(SystemError) in
            do throws(SystemError) {
                return try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY).names()
            } catch  where error.code == ENOENT {
                return []
            }
        }
    }

    package func removeTrash(_ name: String, movedFrom path: String?) throws(StoreError) -> Int {
        try calling { () throws(SystemError) in
            do throws(SystemError) {
                if let path {
                    try parent(ofPublished: path).parent.descriptor.sync()
                    removeParent(ofResults: path)
                }
            } catch  where error.code == ENOENT {}
            do throws(SystemError) {
                return try Descriptor(at: directory, Self.trashDirectory, O_RDONLY | O_DIRECTORY).removeTree(name)
            } catch  where error.code == ENOENT {
                return 0
            }
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

    /// The directory that a published file or directory is in, which is opened, and its last name.
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
