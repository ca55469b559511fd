import Model

/// One upload's bytes, as this process works on them, and what follows them: the digest, and the comparison with videos of the
/// same content.
///
/// Thread-safe. Two threads of a process never store the same chunk at once: `ActiveUpload` sees to that. `turn` keeps
/// other processes away.
package protocol UploadBytes: AnyObject, Sendable {
    /// Waits for the turn to change these bytes, or all of them to complete the upload. While the turn is held no other process
    /// stores there or completes the upload.
    ///
    /// - Returns: `nil` if the upload has ended: its bytes are a video's, or removed.
    /// - Throws: also if another process does not give its turn up within seconds.
    func turn(at range: Range<Int>?) throws(StoreError) -> Turn?

    /// Whether the bytes at `offset` are these.
    func holds(_ content: Content, at offset: Int) throws(StoreError) -> Bool

    /// Stores bytes; they survive what the store promises for a chunk when this returns. Call it with the turn.
    ///
    /// - Throws: after a failed sync (`isSyncFailure`) it is unknown which of the upload's bytes are on the medium.
    func put(_ content: Content, at range: Range<Int>) throws(StoreError)

    /// The first `count` bytes are there and recorded: digest and comparison follow.
    ///
    /// - Parameter restarts: whether bytes that they may have read have changed.
    func advance(to count: Int, restarts: Bool)

    /// Calls `body`, from any thread, once no more than `lag` bytes are still to be followed, or the time is up.
    ///
    /// - Returns: `false` if that is so already; `body` is not called then.
    func whenBehind(atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void) -> Bool

    /// Waits for the digest of a whole upload. Call it with the turn to complete it.
    ///
    /// - Parameter isSizeAnnounced: if not, bytes behind `size` may be there, and are cut off.
    func verify(size: Int, isSizeAnnounced: Bool) throws(StoreError) -> VerifiedBytes

    /// Those of these videos, all of `size` bytes, that have the same bytes as a whole upload; read what has not been compared
    /// yet. A video that is not there has not.
    func same(among paths: [String], size: Int) -> Set<String>

    /// Makes the bytes durable.
    ///
    /// - Throws: as `put`.
    func sync() throws(StoreError)

    /// Gives the bytes a second, final name; both are durable when this returns. Idempotent.
    ///
    /// - Returns: `false` if other content has that name.
    func publish(as path: String) throws(StoreError) -> Bool

    /// Whether a published name is that of these very bytes, or of the video that `same` found there.
    func isPublished(as path: String) -> Bool

    /// Gives the resources back. The digest goes on from where it is when the upload is opened again.
    ///
    /// - Parameter chunks: those that are recorded.
    func close(_ chunks: [StoredChunk])

    /// Gives back what is removed and takes room as long as it is open.
    ///
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

    deinit {
        end()
    }
}

/// A whole upload, verified as far as the store can.
package struct VerifiedBytes: Sendable {
    /// 32 lower-case hexadecimal digits.
    package let md5: String
    package let head: FileHead
    /// For programs that read it.
    package let file: LocalFile

    package init(md5: String, head: FileHead, file: LocalFile) {
        self.md5 = md5
        self.head = head
        self.file = file
    }
}

/// A file of this machine with bytes of the store, for programs that read it.
package struct LocalFile: Sendable {
    package let path: String

    package init(path: String) {
        self.path = path
    }
}
