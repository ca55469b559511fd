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
        try SystemError.check("fstatvfs") { fstatvfs(directory.number, &status) }
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
        guard let path, let other = try SystemError.ifThere(try Descriptor(directory: path)) else { return nil }
        return try other.status().st_dev == directory.status().st_dev ? nil : StoredFile(other)
    }

    /// Runs what removes something, also on a full disk: with room from the ballast.
    package func deleting<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        while true {
            do throws(SystemError) {
                return try body()
            } catch  where error.code == ENOSPC && ballast.giveBack() {}
        }
    }

    package func restoreBallast() {
        if let room = try? room() { ballast.restore(room: room.data) }
    }

    package func checkRoom(for bytes: Int, withBodies: Bool) throws(StoreError) {
        let found = try calling { () throws(SystemError) in try room(upTo: bytes) }
        guard found.data >= bytes, !withBodies || found.body ?? 0 >= 0 else {
            throw StoreError(.diskFull, "the reserve of free space is reached")
        }
    }

    package func room() throws(StoreError) -> Room { try calling { () throws(SystemError) in try room(upTo: .max) } }

    /// - Parameter enough: bytes. Where there are as many for sure, bodies are not counted, and less is told than there is.
    private func room(upTo enough: Int) throws(SystemError) -> Room {
        let data = try Self.space(of: directory)
        let kept = reserve.bytes(of: data.total)
        guard let bodyFileSystem else {
            // Room that bodies have now is room that they no longer need. So however many a client sends, and however slowly,
            // the room for everything else stays the same.
            let limit = reserve == .automatic ? min(bodiesLimit, data.total / 20) : 0
            let room = data.free - kept - limit
            guard room < enough else { return Room(data: room, body: nil, inBodies: 0, free: data.free) }
            let bodies = bytesInBodies
            let kept = min(limit, bodies)
            return Room(data: room + kept, body: nil, inBodies: bodies - kept, free: data.free)
        }
        // Only the bodies of requests under way are there, and it may be small, in memory for example: no more than 5 %. Bodies
        // themselves are no reason to refuse an upload: where they leave no room, nginx says 409 to the next ones.
        let body = try Self.space(of: bodyFileSystem.descriptor)
        let room = body.free - min(kept, body.total / 20)
        return Room(data: data.free - kept, body: room < 0 ? room + bytesInBodies : room, inBodies: 0, free: data.free)
    }

    package func room(since earlier: Room) throws(StoreError) -> Room {
        // What has become free meanwhile may be a body's, whose room was counted already.
        let free = try calling { () throws(SystemError) in try min(earlier.free, Self.space(of: directory).free) }
        return Room(
            data: earlier.data - (earlier.free - free), body: earlier.body, inBodies: earlier.inBodies, free: free)
    }

    /// Bytes that the bodies of requests under way take.
    private var bytesInBodies: Int {
        guard let bodyDirectory, let found = try? Descriptor(directory: bodyDirectory).entries() else { return 0 }
        // nginx's names are numbers.
        let bodies = found.filter { body in body.name.utf8.allSatisfy { (48...57).contains($0) } }
        return bodies.reduce(0) { $0 + $1.status.occupied }
    }
}

// MARK: - Unfinished uploads

extension FileChunkStore {
    package func makeUpload(_ id: Int64) throws(SystemError) -> (file: StoredFile, isNew: Bool) {
        if let file = try SystemError.ifThere(try openUpload(id)) { return (file, false) }
        let name = Self.name(ofUpload: id)
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
        try SystemError.ifThere(try incoming.status(of: Self.name(ofUpload: id)))
    }

    /// The inodes of files among the unfinished uploads.
    package func incomingInodes() throws(SystemError) -> Set<UInt64> {
        Set(try incoming.entries().map { UInt64($0.status.st_ino) })
    }
}

// MARK: - Directories

extension FileChunkStore {
    /// Creates the directories above `path` and makes each durable.
    func makeParents(of path: String) throws(SystemError) -> Descriptor {
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

    static func makeDirectory(_ parent: borrowing Descriptor, _ name: String, mode: mode_t) throws(SystemError) {
        do throws(SystemError) {
            try SystemError.check("mkdirat") { mkdirat(parent.number, name, mode) }
            // What root makes, when an operator looks after the store, the service has to be able to write.
            guard geteuid() == 0, case let owner = try parent.status(), owner.st_uid != 0 else { return }
            try SystemError.check("fchownat") {
                fchownat(parent.number, name, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW)
            }
        } catch  where error.code == EEXIST {}
    }

    /// Gives something a name, with a number behind it where that is taken, as these errors say.
    /// - Returns: the name; `nil` if what was to get it is gone.
    static func firstFree(
        _ name: String, unless taken: Set<Int32>, _ operation: String, _ call: (String) -> Int32
    ) throws(SystemError) -> String? {
        for attempt in 0... {
            let name = attempt == 0 ? name : "\(name).\(attempt)"
            do throws(SystemError) {
                return try SystemError.ifThere(try SystemError.check(operation) { call(name) }).map { _ in name }
            } catch  where taken.contains(error.code) {}
        }
        preconditionFailure("there is always another number")
    }
}
