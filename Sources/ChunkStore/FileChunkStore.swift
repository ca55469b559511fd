import CPlatform
import Glibc

/// The store as files in one directory of one file system.
///
///     DIRECTORY/incoming/<upload id>.part              an unfinished upload, preallocated
///     DIRECTORY/upload/mp4/YYYY/MM/original/<name>     a published video
///
/// A chunk goes straight to its offset, and publishing is a second name for the same bytes: nothing is merged or copied.
/// The first name goes when the record is committed, so a crash at any point leaves a state that can be told apart.
package final class FileChunkStore: ChunkStore {
    /// How much of the file system stays free.
    package enum Reserve: Equatable, Sendable {
        /// The larger of 1 GiB and 5 % of the file system.
        case automatic
        /// So many bytes.
        case bytes(Int)
    }

    private let directory: Descriptor
    private let incoming: Descriptor
    private let incomingPath: String
    private let reserve: Reserve

    /// Opens the store in `directory`, which must exist, and creates what is missing in it.
    package init(directory path: String, reserve: Reserve) throws(StoreError) {
        directory = try Descriptor(directory: path)
        try Self.makeDirectory(directory, "incoming", mode: 0o750)
        incoming = try Descriptor(at: directory, "incoming", O_RDONLY | O_DIRECTORY)
        incomingPath = path + "/incoming"
        self.reserve = reserve
    }

    package func openUpload(_ id: Int64, size: Int?) throws(StoreError) -> (file: StoredFile, isNew: Bool) {
        let name = Self.name(ofUpload: id)
        do throws(StoreError) {
            return (StoredFile(try Descriptor(at: incoming, name, O_RDWR)), false)
        } catch  where error.code == ENOENT {}
        try checkReserve(for: size ?? 0)
        let file = StoredFile(try Descriptor(at: incoming, name, O_RDWR | O_CREAT, mode: 0o644))
        do throws(StoreError) {
            if let size { try preallocate(file, size) }
        } catch {
            unlinkat(incoming.number, name, 0)
            throw error
        }
        return (file, true)
    }

    package func openPublished(_ path: String) throws(StoreError) -> StoredFile {
        StoredFile(try Descriptor(beneath: directory, path, O_RDONLY))
    }

    package func publish(_ id: Int64, _ file: StoredFile, as paths: [String]) throws(StoreError) -> String {
        try file.descriptor.syncData()
        let name = Self.name(ofUpload: id)
        let inode = try file.descriptor.status().st_ino
        for path in paths {
            let parent = try makeParents(of: path)
            let last = String(path.split(separator: "/").last!)
            do throws(StoreError) {
                _ = try StoreError.check("linkat") { linkat(incoming.number, name, parent.number, last, 0) }
            } catch  where error.code == EEXIST {
                let taken = try Descriptor(at: parent, last, O_RDONLY)
                if try taken.status().st_ino != inode { continue }
            }
            try parent.sync()
            return path
        }
        throw StoreError("linkat", code: EEXIST)
    }

    package func withdraw(_ path: String) {
        unlinkat(directory.number, path, 0)
    }

    package func removeUpload(_ id: Int64) {
        unlinkat(incoming.number, Self.name(ofUpload: id), 0)
    }

    package func makeSpool() throws(StoreError) -> StoredFile {
        do throws(StoreError) {
            return StoredFile(try Descriptor(at: incoming, ".", O_RDWR | vi_O_TMPFILE, mode: 0o600))
        } catch  where error.code != EOPNOTSUPP && error.code != EISDIR {
            throw error
        } catch {
            // A file system without O_TMPFILE: a name that goes at once.
            let name = "spool.\(getpid()).\(UInt64.random(in: 0 ... .max))"
            let file = StoredFile(try Descriptor(at: incoming, name, O_RDWR | O_CREAT | O_EXCL, mode: 0o600))
            unlinkat(incoming.number, name, 0)
            return file
        }
    }

    package func path(ofUpload id: Int64) -> String {
        incomingPath + "/" + Self.name(ofUpload: id)
    }

    private static func name(ofUpload id: Int64) -> String { "\(id).part" }

    private func preallocate(_ file: StoredFile, _ size: Int) throws(StoreError) {
        do throws(StoreError) {
            _ = try StoreError.check("fallocate") { fallocate(file.descriptor.number, 0, 0, off_t(size)) }
        } catch  where error.code == EOPNOTSUPP {
            // Without preallocation a full disk shows later, at the chunk that does not fit.
            try file.truncate(to: size)
        }
    }

    private func checkReserve(for size: Int) throws(StoreError) {
        var status = statvfs()
        _ = try StoreError.check("fstatvfs") { fstatvfs(incoming.number, &status) }
        let (block, total) = (UInt64(status.f_frsize), UInt64(status.f_blocks))
        let kept: UInt64 =
            switch reserve {
            case .bytes(let bytes): UInt64(max(0, bytes))
            case .automatic: max(1 << 30, total * block / 20)
            }
        guard UInt64(status.f_bavail) * block >= kept + UInt64(size) else {
            throw StoreError("reserve", code: ENOSPC)
        }
    }

    /// Creates the directories above `path` and makes each new one survive power loss.
    private func makeParents(of path: String) throws(StoreError) -> Descriptor {
        var parent = try Descriptor(at: directory, ".", O_RDONLY | O_DIRECTORY)
        for part in path.split(separator: "/").dropLast() {
            if try Self.makeDirectory(parent, String(part), mode: 0o755) { try parent.sync() }
            parent = try Descriptor(at: parent, String(part), O_RDONLY | O_DIRECTORY)
        }
        return parent
    }

    /// Returns whether the directory is new.
    @discardableResult
    private static func makeDirectory(
        _ parent: borrowing Descriptor, _ name: String, mode: mode_t
    ) throws(StoreError) -> Bool {
        let number = parent.number
        do throws(StoreError) {
            _ = try StoreError.check("mkdirat") { mkdirat(number, name, mode) }
            return true
        } catch  where error.code == EEXIST {
            return false
        }
    }
}
