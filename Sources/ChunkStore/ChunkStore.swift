/// Keeps the bytes: unfinished uploads, and the published videos.
///
/// Thread-safe. The names of unfinished uploads are numbers; those of published videos are relative paths that the
/// caller builds from checked parts. `FileChunkStore` keeps both as files; object storage can take its place.
package protocol ChunkStore: Sendable {
    /// Makes room for an upload, or opens what is there of it.
    ///
    /// - Parameter size: the whole file's bytes, `nil` if not known yet. All of them are reserved at once, so that a
    ///   full disk is known at the first chunk.
    /// - Returns: the file, and whether nothing was there of it.
    /// - Throws: `StoreError`; nothing is left behind then.
    func openUpload(_ id: Int64, size: Int?) throws(StoreError) -> (file: StoredFile, isNew: Bool)

    /// Opens a published video for reading.
    func openPublished(_ path: String) throws(StoreError) -> StoredFile

    /// Gives an upload's bytes a second, final name; both names survive power loss when this returns.
    ///
    /// Repeating it is harmless. The first of `paths` that is free, or already is this upload, is taken.
    /// - Returns: the path taken.
    func publish(_ id: Int64, _ file: StoredFile, as paths: [String]) throws(StoreError) -> String

    /// Takes back a publication whose record could not be committed.
    func withdraw(_ path: String)

    /// Forgets an unfinished upload, or the first name of a published one. Harmless if there is none.
    func removeUpload(_ id: Int64)

    /// An anonymous file for a body that does not come as a file; gone when closed.
    func makeSpool() throws(StoreError) -> StoredFile

    /// Where the upload lies, for programs that read it.
    func path(ofUpload id: Int64) -> String
}

/// A range of bytes of an open file.
package struct FileRange: Sendable {
    /// The file that has the bytes.
    package let file: StoredFile
    /// The offset of the first byte.
    package let offset: Int
    /// The number of bytes.
    package let length: Int

    package init(_ file: StoredFile, offset: Int, length: Int) {
        self.file = file
        self.offset = offset
        self.length = length
    }
}
