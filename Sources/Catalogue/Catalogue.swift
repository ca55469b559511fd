import Uploads

/// What is known of videos, classes and uploads, committed before a reply promises it.
///
/// Thread-safe; every decision that concerns more than one request is a conditional update, so that several processes
/// may share one catalogue. `SQLiteCatalogue` keeps it in one SQLite file; PostgreSQL can take its place.
/// Times are seconds since 1970.
package protocol Catalogue: Sendable {
    /// The owner's first video with this content, `nil` if there is none.
    ///
    /// - Parameter size: bytes; `nil` where only the digest is known.
    func video(owner: String, md5: String, size: Int?) throws(CatalogueError) -> Video?

    /// The owner's video with this number, `nil` if there is none.
    func video(id: Int64, owner: String) throws(CatalogueError) -> Video?

    /// Whether a record points to this file.
    func hasVideo(atPath path: String) throws(CatalogueError) -> Bool

    /// Makes a record that points to the same file, once for each guid; it survives power loss.
    ///
    /// - Returns: the new record, or the one that this guid already has.
    func copy(_ video: Video, name: String, classID: Int64?, guid: String?, now: Int64) throws(CatalogueError) -> Video

    /// The upload that a request belongs to: the finished one of its guid, the unfinished one of its key, or a new one.
    ///
    /// The draft's guid becomes an alias of the upload. An upload without a chunk since `expiry` counts as gone.
    /// - Parameters:
    ///   - draft: what a new upload's video will be called.
    ///   - bootID: the boot of the machine in which a new upload's chunks will be good.
    /// - Throws: `CatalogueError` with `.tooManyUploads` if a new one would be over the limits.
    func beginUpload(
        _ key: UploadKey, draft: VideoDraft, bootID: String, limits: UploadLimits, now: Int64, expiry: Int64
    ) throws(CatalogueError) -> UploadStart

    /// The unfinished upload with this key, and the chunks that it has at the same moment.
    func unfinishedUpload(
        _ key: UploadKey, expiry: Int64
    ) throws(CatalogueError) -> (upload: Upload, chunks: [StoredChunk])?

    /// All uploads that are open, by number.
    func openUploads() throws(CatalogueError) -> [Upload]

    /// Which of these uploads the catalogue has, and in which state.
    func states(ofUploads ids: [Int64]) throws(CatalogueError) -> [Int64: Upload.State]

    /// The video that a sealed upload has become.
    func video(ofUpload id: Int64) throws(CatalogueError) -> Video?

    /// The chunks that an upload has.
    func chunks(ofUpload id: Int64) throws(CatalogueError) -> [StoredChunk]

    /// Records chunks whose bytes are stored, each in place of an earlier one, in one transaction.
    ///
    /// - Parameter durably: whether the commit must survive power loss.
    /// - Returns: for each how many different chunks its upload now has, `nil` if that is no longer open.
    func record(_ chunks: [ChunkRecord], durably: Bool) throws(CatalogueError) -> [Int?]

    /// Forgets a chunk whose bytes are about to be replaced.
    func forget(chunk: Int, upload id: Int64) throws(CatalogueError)

    /// Says what an open upload's video will be called, before its file gets that name.
    func setDraft(_ draft: VideoDraft, upload id: Int64) throws(CatalogueError)

    /// Says that an upload's chunks are in doubt: they must be compared with their checksums before they count.
    func distrust(upload id: Int64) throws(CatalogueError)

    /// Says that the chunks of an upload which were in doubt are good but for those that are lost, which are forgotten.
    ///
    /// - Parameter bootID: the boot of the machine in which they are good.
    /// - Returns: whether it was so: `false` if another process has found out already, and nothing is changed.
    func trust(_ upload: Upload, bootID: String, lost: [StoredChunk]) throws(CatalogueError) -> Bool

    /// Marks an upload as one that will never be a video; its chunks are forgotten.
    func reject(upload id: Int64, reason: String, now: Int64) throws(CatalogueError)

    /// Opens a rejected upload again.
    func reopen(upload id: Int64, now: Int64) throws(CatalogueError)

    /// Forgets an unfinished upload that has no chunk. Returns whether it was so.
    func discardEmpty(upload id: Int64) throws(CatalogueError) -> Bool

    /// Forgets an unfinished upload and its chunks.
    func discard(upload id: Int64) throws(CatalogueError)

    /// Commits a finished upload: its record and its end, in one transaction that survives power loss.
    ///
    /// If the owner has a video with the same content, the record points to that one's file instead of the draft's.
    /// - Parameters:
    ///   - size: bytes.
    ///   - duration: seconds; `nil` if it is found out later, with `setDuration`.
    /// - Returns: the record; that of an earlier call if the upload was sealed already; `nil` if it is gone.
    func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, now: Int64
    ) throws(CatalogueError) -> Video?

    /// The files of the videos whose duration nobody has asked for yet, the oldest first.
    func unprobedPaths() throws(CatalogueError) -> [String]

    /// Says how long the videos that point to a file are, if nobody has yet.
    ///
    /// - Parameter duration: seconds; 0 if it cannot be told.
    /// - Returns: the videos that this has changed.
    func setDuration(_ duration: Double, path: String) throws(CatalogueError) -> [Video]

    /// Forgets uploads whose last chunk came before `expiry`.
    ///
    /// - Parameter isDryRun: only finds them.
    func expireUploads(before expiry: Int64, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads

    /// All videos, one after the other, by number.
    func forEachVideo(_ body: (Video) -> Void) throws(CatalogueError)

    /// Looks for damage in the database itself.
    ///
    /// - Returns: one line for each finding.
    func damage() throws(CatalogueError) -> [String]

    /// All classes, by number.
    func classes() throws(CatalogueError) -> [VideoClass]
    /// Returns the new class's number. Throws if the game has a class of this name.
    func addClass(name: String, game: String) throws(CatalogueError) -> Int64
    /// Returns whether there was such a class. Its videos stay, without a class.
    func removeClass(_ id: Int64) throws(CatalogueError) -> Bool
}

/// A change of the catalogue that failed; nothing of it was kept.
package struct CatalogueError: Error, CustomStringConvertible {
    package enum Reason: Sendable {
        /// No room for the database.
        case diskFull
        /// There are as many unfinished uploads as there may be.
        case tooManyUploads
        /// The file is of a later version of this program, or no catalogue at all.
        case incompatible
        /// Anything else; trying again may help.
        case failed
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}
