import Model
import System

/// Keeps the bytes: unfinished uploads, and the published videos.
///
/// Thread-safe. Paths are relative to the store, and built from checked parts by the caller. `FileChunkStore` keeps both as
/// files; object storage can take its place.
package protocol ChunkStore: UploadStore, RoomStore, VideoStore, GarbageStore {}

/// The bytes of unfinished uploads.
package protocol UploadStore: Sendable {
    /// Chunks that were acknowledged in another incarnation are in doubt: the boot of the machine, for files.
    var incarnation: String { get }

    /// Opens an upload's bytes, or begins with none.
    /// - Parameters:
    ///   - chunks: those that are recorded. What is in doubt of them is compared with its checksum.
    ///   - known: videos of the same content, with which its bytes are compared as they come.
    /// - Throws: nothing is left behind then.
    func open(_ upload: Upload, chunks: [StoredChunk], comparedWith known: [String]) throws(StoreError) -> OpenedUpload

    /// Those of the chunks whose bytes are not there as they came; `nil` if there is nothing of the upload.
    /// - Parameter progress: is told how many bytes were read of each.
    func lost(_ chunks: [StoredChunk], of upload: Upload, progress: (Int) -> Void) throws(StoreError) -> [StoredChunk]?

    /// Whether a published name is that of an upload's very bytes.
    func isUpload(_ id: Int64, publishedAs path: String) -> Bool

    /// Forgets an unfinished upload, or the first name of a published one. Harmless if there is none. The bytes of an upload
    /// are off the disk when this returns, whatever has them open.
    func removeUpload(_ id: Int64)

    /// What is kept of unfinished uploads.
    func incomingFiles() throws(StoreError) -> [IncomingFile]

    /// Puts a file that belongs to no upload out of the way, where an operator finds it.
    /// - Returns: its new place; `nil` if another process has taken it away meanwhile.
    func setAside(_ file: IncomingFile) throws(StoreError) -> String?
}

/// What `UploadStore.open` found. `lost`: the recorded chunks whose bytes are not there; all of them if the upload `isNew`,
/// because nothing was there of it.
package typealias OpenedUpload = (bytes: any UploadBytes, lost: [StoredChunk], isNew: Bool)

/// How much more may come.
package protocol RoomStore: Sendable {
    /// Bytes that may still come before the reserve is touched.
    func room() throws(StoreError) -> Room

    /// The same once more, quickly, without another look at the bodies: not more than there was.
    func room(since earlier: Room) throws(StoreError) -> Room

    /// Checks that the reserve is free beside this many more bytes.
    /// - Parameter withBodies: whether it has to be free on the bodies' file system too, if that is another one.
    /// - Throws: `diskFull` if not.
    func checkRoom(for bytes: Int, withBodies: Bool) throws(StoreError)

    /// Takes room that removals give back when the disk is full. To be called from time to time.
    func restoreBallast()
}

extension RoomStore {
    /// The same with the bodies' file system.
    package func checkRoom(for bytes: Int) throws(StoreError) { try checkRoom(for: bytes, withBodies: true) }
}

/// The published videos, and what was made of them.
package protocol VideoStore: Sendable {
    /// Bytes of a published video, without opening it; `nil` if there is no such file.
    func publishedLength(_ path: String) -> Int?

    /// Whether there is something with this name: a video, or the directory of what was made of one.
    func hasPublished(_ path: String) -> Bool

    /// Passes the bytes of a published video piece by piece, in order.
    /// - Parameter limit: how many at most.
    /// - Returns: bytes of the video, passed or not.
    func readPublished(_ path: String, limit: Int, _ body: (UnsafeRawBufferPointer) -> Void) throws(StoreError) -> Int

    /// A published video, or where a directory is published, for programs.
    func localFile(ofPublished path: String) -> LocalFile

    /// Publishes a directory that a program has made: all of it in one step, durably. What is in it is durable already.
    /// - Throws: also if there is anything with this name.
    func publish(_ directory: LocalFile, as path: String) throws(StoreError)

    /// What is in a published directory; nothing if there is none.
    func publishedNames(in directory: String) throws(StoreError) -> [String]

    /// Takes back a publication whose record could not be committed.
    func withdraw(_ path: String)

    /// Removes a published file, or a directory of them with all that is in it. Harmless if there is none. With the last claim's
    /// results the directory above them goes.
    /// - Returns: bytes of the disk that are free now.
    /// - Throws: `foreign` for what is not below `upload/`; some of a directory may be gone then.
    func removePublished(_ path: String) throws(StoreError) -> Int

    /// Passes every published file, as a listing shows it. Those that come or go meanwhile may be missed.
    func forEachPublished(_ body: (PublishedFile) -> Void) throws(StoreError)

    /// Passes the path of every directory of what was made of a published file, those of claims in it too, and when it changed
    /// last, in seconds since 1970.
    func forEachTranscoded(_ body: (_ path: String, _ changeTime: Int64) -> Void) throws(StoreError)
}

extension VideoStore {
    /// The first bytes of a published video.
    package func head(ofPublished path: String) throws(StoreError) -> FileHead {
        var head: [UInt8] = []
        _ = try readPublished(path, limit: FileHead.length) { head += $0 }
        return FileHead(head)
    }
}

/// What is about to be removed.
package protocol GarbageStore: Sendable {
    /// Takes a published file or directory out of its place; quick, whatever it is.
    /// - Parameter name: what it is called in the trash; something is added if that is taken.
    /// - Returns: what it is called there, `nil` if there is none.
    /// - Throws: `foreign` for what is not below `upload/`.
    func moveToTrash(_ path: String, as name: String) throws(StoreError) -> String?

    /// What is in the trash: no reference to it is left anywhere.
    func trash() throws(StoreError) -> [String]

    /// Removes something from the trash. Harmless if it is gone.
    /// - Parameter path: whence it came, if that is known: its absence there is durable when this returns.
    /// - Returns: bytes of the disk that are free now.
    func removeTrash(_ name: String, movedFrom path: String?) throws(StoreError) -> Int
}

/// Bytes that a file system has above its reserve; less than none where that is touched.
package struct Room: Equatable, Sendable {
    /// Where the videos are.
    package let data: Int
    /// Where request bodies are; `nil` where that is the same file system.
    package let body: Int?
    /// Bytes where the videos are that bodies of requests under way take of `data`.
    package let inBodies: Int
    /// Bytes of the videos' file system that were free.
    package let free: Int

    package init(data: Int, body: Int?, inBodies: Int = 0, free: Int = 0) {
        (self.data, self.body, self.inBodies, self.free) = (data, body, inBodies, free)
    }
}

/// What an acknowledged chunk survives. A finished video survives power loss in any case.
package enum Durability: String, CaseIterable, Sendable {
    /// The death of every process here.
    case process
    /// Power loss.
    case power
}

/// A file among the unfinished uploads, as a listing shows it.
package struct IncomingFile: Sendable {
    package let name: String
    /// The upload whose name this is, `nil` if it is the name of none.
    package let upload: Int64?
    /// Bytes.
    package let length: Int
    /// Bytes of the disk that it takes and that would be free without it: none if it has another name.
    package let occupied: Int
    /// When the file or its names changed last, in seconds since 1970.
    package let changeTime: Int64

    package init(name: String, upload: Int64?, length: Int, occupied: Int, changeTime: Int64) {
        (self.name, self.upload, self.length) = (name, upload, length)
        (self.occupied, self.changeTime) = (occupied, changeTime)
    }
}

/// A published file, as a listing shows it.
package struct PublishedFile: Sendable {
    package let path: String
    /// Bytes.
    package let length: Int
    /// When the file or its names changed last, in seconds since 1970.
    package let changeTime: Int64
    /// It is an unfinished upload's too: about to be recorded, or to go with its upload.
    package let isUnfinished: Bool

    package init(path: String, length: Int, changeTime: Int64, isUnfinished: Bool) {
        (self.path, self.length, self.changeTime, self.isUnfinished) = (path, length, changeTime, isUnfinished)
    }
}

/// One upload's bytes, as this process works on them, and what follows them: the digest, and the comparison with videos of the
/// same content.
///
/// Thread-safe. Two threads of a process never store the same chunk at once: `ActiveUpload` sees to that. `turn` keeps
/// other processes away.
package protocol UploadBytes: AnyObject, Sendable {
    /// Waits for the turn to change these bytes, or all of them to complete the upload. While the turn is held no other process
    /// stores there or completes the upload.
    /// - Returns: `nil` if the upload has ended: its bytes are a video's, or removed.
    /// - Throws: also if another process does not give its turn up within seconds.
    func turn(at range: Range<Int>?) throws(StoreError) -> Turn?

    /// Whether the bytes at `offset` are these.
    func holds(_ content: Content, at offset: Int) throws(StoreError) -> Bool

    /// Stores bytes; they survive what the store promises for a chunk when this returns. Call it with the turn.
    /// - Throws: after a failed sync (`isSyncFailure`) it is unknown which of the upload's bytes are on the medium.
    func put(_ content: Content, at range: Range<Int>) throws(StoreError)

    /// The first `count` bytes are there and recorded: digest and comparison follow.
    /// - Parameter restarts: whether bytes that they may have read have changed.
    func advance(to count: Int, restarts: Bool)

    /// Calls `body`, from any thread, once no more than `lag` bytes are still to be followed, or the time is up.
    /// - Returns: `false` if that is so already; `body` is not called then.
    func whenBehind(atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void) -> Bool

    /// Waits for the digest of a whole upload. Call it with the turn to complete it.
    /// - Parameter isSizeAnnounced: if not, bytes behind `size` may be there, and are cut off.
    func verify(size: Int, isSizeAnnounced: Bool) throws(StoreError) -> VerifiedBytes

    /// Those of these videos, all of `size` bytes, that have the same bytes as a whole upload; read what has not been compared
    /// yet. A video that is not there has not.
    func same(among paths: [String], size: Int) -> Set<String>

    /// Makes the bytes durable.
    /// - Throws: as `put`.
    func sync() throws(StoreError)

    /// Gives the bytes a second, final name; both are durable when this returns. Idempotent.
    /// - Returns: `false` if other content has that name.
    func publish(as path: String) throws(StoreError) -> Bool

    /// Whether a published name is that of these very bytes, or of the video that `same` found there.
    func isPublished(as path: String) -> Bool

    /// Gives the resources back. The digest goes on from where it is when the upload is opened again.
    /// - Parameter chunks: those that are recorded.
    func close(_ chunks: [StoredChunk])

    /// Gives back what is removed and takes room as long as it is open.
    /// - Returns: whether the upload's own bytes are among it.
    func closeRemoved() -> Bool
}

/// The turn to change an upload's bytes; given up when the value goes out of scope.
package struct Turn: ~Copyable, Sendable {
    /// Whether the bytes have a published name already: their record may have been committed though that seemed to fail.
    package let isPublished: Bool
    private let end: @Sendable () -> Void

    package init(isPublished: Bool, end: @escaping @Sendable () -> Void) {
        self.isPublished = isPublished
        self.end = end
    }

    deinit { end() }
}

/// A whole upload, verified as far as the store can: `md5` is 32 lower-case hexadecimal digits, `file` for programs.
package typealias VerifiedBytes = (md5: String, head: FileHead, file: LocalFile)

/// A file of this machine with bytes of the store, for programs that read it.
package struct LocalFile: Sendable {
    package let path: String

    package init(path: String) { self.path = path }
}

/// Why the store could not do what it was asked to.
package struct StoreError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// There is no room, and trying again soon will not help.
        case diskFull
        /// As much is open as may be; closing an upload's bytes helps.
        case tooManyOpen
        /// The path is none of the store's, and trying again will not help.
        case foreign
        /// Anything else; trying again may help.
        case failed
    }

    package let reason: Reason
    package let description: String
    /// Bytes that were written may not have reached the medium, and another attempt could succeed falsely.
    package let isSyncFailure: Bool

    package init(_ reason: Reason, _ description: String, isSyncFailure: Bool = false) {
        (self.reason, self.description, self.isSyncFailure) = (reason, description, isSyncFailure)
    }

    /// What a call of the system failed with: of a file of the store, or of a body on its way there.
    package init(_ error: SystemError) {
        let reason: Reason =
            error.isDiskFull
            ? .diskFull : error.isLackOfDescriptors ? .tooManyOpen : error.isForeign ? .foreign : .failed
        self.init(reason, error.description, isSyncFailure: error.isSyncFailure)
    }
}

/// Runs calls of the system. What fails of them fails as the store's, without an errno.
package func calling<Result: ~Copyable>(_ calls: () throws(SystemError) -> Result) throws(StoreError) -> Result {
    do throws(SystemError) {
        return try calls()
    } catch {
        throw StoreError(error)
    }
}
