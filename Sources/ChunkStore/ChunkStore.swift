import System

/// Keeps the bytes: unfinished uploads, and the published videos.
///
/// Thread-safe. The names of unfinished uploads are numbers; those of published videos are relative paths that the
/// caller builds from checked parts. `FileChunkStore` keeps both as files; object storage can take its place.
package protocol ChunkStore: Sendable {
    /// Makes an upload's file, or opens what is there of it. It takes room as its chunks come.
    ///
    /// - Returns: the file, and whether nothing was there of it.
    /// - Throws: `SystemError`; nothing is left behind then.
    func makeUpload(_ id: Int64) throws(SystemError) -> (file: StoredFile, isNew: Bool)

    /// Opens what is there of an upload.
    ///
    /// - Throws: `SystemError` with `ENOENT` if there is nothing.
    func openUpload(_ id: Int64) throws(SystemError) -> StoredFile

    /// Whether the file still is the upload's: neither published nor removed, by this process or another one.
    func isCurrent(_ file: StoredFile, upload id: Int64) throws(SystemError) -> Bool

    /// Bytes that may still come before the reserve is touched.
    func room() throws(SystemError) -> Room

    /// The same once more, quickly, without another look at the bodies: not more than there was.
    func room(since earlier: Room) throws(SystemError) -> Room

    /// Checks that the reserve is free beside this many more bytes.
    ///
    /// - Parameter withBodies: whether it has to be free on the bodies' file system too, if that is another one.
    /// - Throws: `SystemError` with `isDiskFull` if not.
    func checkRoom(for bytes: Int, withBodies: Bool) throws(SystemError)

    /// Takes room that removals give back when the disk is full. To be called from time to time.
    func restoreBallast()

    /// Bytes of a published video, without opening it; `nil` if there is no such file.
    func publishedLength(_ path: String) -> Int?

    /// Whether there is something with this name: a video, or the directory of what was made of one.
    func hasPublished(_ path: String) -> Bool

    /// Opens a published video for reading.
    func openPublished(_ path: String) throws(SystemError) -> StoredFile

    /// Gives an upload's bytes a second, final name; both the bytes and the name survive power loss when this returns.
    ///
    /// Repeating it is harmless.
    /// - Returns: `false` if other content has that name.
    func publish(_ id: Int64, _ file: StoredFile, as path: String) throws(SystemError) -> Bool

    /// Whether this very file has a published name, and not another one with the same bytes.
    func isPublished(_ file: StoredFile, as path: String) -> Bool

    /// Makes the directories above a published name; theirs survive power loss when this returns.
    func makeDirectories(above path: String) throws(SystemError)

    /// Passes every published file, as a listing shows it. Those that come or go meanwhile may be missed.
    func forEachPublished(_ body: (PublishedFile) -> Void) throws(SystemError)

    /// Passes the path of every directory of what was made of a published file, and when it changed last, in seconds since
    /// 1970: `upload/mp4/YYYY/MM/transcoded/<name>`.
    func forEachTranscoded(_ body: (_ path: String, _ changeTime: Int64) -> Void) throws(SystemError)

    /// Takes back a publication whose record could not be committed.
    func withdraw(_ path: String)

    /// Removes a published file, or a directory of them with all that is in it. Harmless if there is none.
    ///
    /// - Returns: bytes of the disk that are free now.
    /// - Throws: `SystemError`, with `EINVAL` for what is not below `upload/`; some of a directory may be gone then.
    func removePublished(_ path: String) throws(SystemError) -> Int

    /// Takes a published file or directory out of its place; quick, whatever it is.
    ///
    /// - Parameter name: what it is called in the trash; something is added if that is taken.
    /// - Returns: what it is called there, `nil` if there is none.
    /// - Throws: `SystemError`, with `EINVAL` for what is not below `upload/`.
    func moveToTrash(_ path: String, as name: String) throws(SystemError) -> String?

    /// What is in the trash: no reference to it is left anywhere.
    func trash() throws(SystemError) -> [String]

    /// Removes something from the trash. Harmless if it is gone.
    ///
    /// - Parameter path: whence it came, if that is known: its absence there survives power loss when this returns.
    /// - Returns: bytes of the disk that are free now.
    func removeTrash(_ name: String, movedFrom path: String?) throws(SystemError) -> Int

    /// Forgets an unfinished upload, or the first name of a published one. Harmless if there is none. The bytes of an upload are
    /// off the disk when this returns, whatever has its file open.
    func removeUpload(_ id: Int64)

    /// What is kept of unfinished uploads.
    func incomingFiles() throws(SystemError) -> [IncomingFile]

    /// Puts a file that belongs to no upload out of the way, where an operator finds it.
    ///
    /// - Returns: its new place, relative to the store; `nil` if another process has taken it away meanwhile.
    func setAside(_ file: IncomingFile) throws(SystemError) -> String?

    /// An anonymous file for a body that does not come as a file; gone when closed.
    func makeSpool() throws(SystemError) -> StoredFile

    /// Where the upload lies, for programs that read it.
    func path(ofUpload id: Int64) -> String

    /// Where a published video lies, for programs that read it.
    func path(ofPublished path: String) -> String
}

extension ChunkStore {
    /// The same with the bodies' file system.
    package func checkRoom(for bytes: Int) throws(SystemError) { try checkRoom(for: bytes, withBodies: true) }
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
    let free: Int

    package init(data: Int, body: Int?, inBodies: Int = 0, free: Int = 0) {
        self.data = data
        self.body = body
        self.inBodies = inBodies
        self.free = free
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
    /// The same for all names of one file.
    package let inode: UInt64
}

/// A published file, as a listing shows it.
package struct PublishedFile: Sendable {
    /// Relative to the store.
    package let path: String
    /// Bytes.
    package let length: Int
    /// When the file or its names changed last, in seconds since 1970.
    package let changeTime: Int64
    /// The same for all names of one file.
    package let inode: UInt64
}
