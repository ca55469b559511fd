import Glibc
import System

extension FileChunkStore {
    /// How much of the file system stays free.
    package enum Reserve: Equatable, Sendable {
        /// The larger of 1 GiB and 5 % of the file system.
        case automatic
        /// So many bytes.
        case bytes(Int)
    }

    package func checkRoom(for bytes: Int) throws(SystemError) {
        let room = try room()
        guard room.data >= bytes, room.body ?? 0 >= 0 else { throw SystemError("reserve", code: ENOSPC) }
    }

    package func room() throws(SystemError) -> Room {
        let data = try Self.space(of: directory)
        let kept =
            switch reserve {
            case .bytes(let bytes): bytes
            case .automatic: max(1 << 30, data.total / 20)
            }
        guard let bodyFileSystem else { return Room(data: data.free - kept, body: nil) }
        // Only the bodies of requests under way are there, and it may be small, in memory for example: no more than 5 %.
        let body = try Self.space(of: bodyFileSystem.descriptor)
        return Room(data: data.free - kept, body: body.free - min(kept, body.total / 20))
    }

    /// Bytes of the file system that a directory is on.
    private static func space(of directory: borrowing Descriptor) throws(SystemError) -> (free: Int, total: Int) {
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
