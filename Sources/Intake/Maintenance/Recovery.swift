import Catalogue
import ChunkStore
import Logging
import System
import Model

/// What a crash or a reboot leaves, and how it is taken up again.
extension IntakeService {
    /// Puts the store and the catalogue in step; call it before the first request. Its time does not grow with the sizes
    /// of the uploads.
    ///
    /// - Returns: the uploads that `takeUp` should look at; requests for them need not wait for it.
    package func recover() throws(CatalogueError) -> [Upload] {
        let files: [IncomingFile]
        do throws(SystemError) {
            files = try store.incomingFiles()
        } catch {
            throw CatalogueError(.failed, "cannot list the unfinished uploads: \(error)")
        }
        let stored = Set(files.compactMap(\.upload))
        let uploads = try catalogue.openUploads()
        for upload in uploads where upload.received > 0 && !stored.contains(upload.id) {
            logger.error(
                "an unfinished upload's file is lost: it starts afresh",
                metadata: ["file": "incoming/\(upload.id).part"])
            _ = try catalogue.trust(upload, bootID: store.incarnation, lost: try catalogue.chunks(ofUpload: upload.id))
        }
        let left = uploads.filter { stored.contains($0.id) }
        let doubtful = left.count { $0.bootID != store.incarnation }
        if !left.isEmpty {
            logger.notice(
                "recovered unfinished uploads", metadata: ["uploads": "\(left.count)", "to_be_compared": "\(doubtful)"])
        }
        return left.filter { $0.bootID != store.incarnation || $0.isWhole }
    }

    /// Compares with their checksums the chunks that are in doubt, and completes what is whole: one upload after the
    /// other, while requests are served.
    package func takeUp(_ records: [Upload]) {
        for record in records { takeUp(record) { $0() } }
    }

    /// The same for one upload.
    ///
    /// - Parameter completing: runs the completion, now or later, if the upload is whole.
    func takeUp(_ record: Upload, completing: (@escaping @Sendable () -> Void) -> Void) {
        let use = uploads.begin(record, guid: record.draft.guid)
        let upload = use.upload
        do throws(Failure) {
            // A request may have completed it meanwhile.
            if try open(upload) != nil, !record.draft.path.isEmpty, upload.takeCompletion() {
                return completing {
                    switch self.complete(upload, record.draft) {
                    case .complete:
                        self.logger.notice(
                            "completed an upload that was whole", metadata: ["upload": "\(record.id)"])
                    case .failed(let failure): self.noteNotTakenUp(upload, failure)
                    }
                    use.end()
                    self.uploads.close(upload)
                }
            }
        } catch {
            noteNotTakenUp(upload, error)
        }
        use.end()
        uploads.close(upload)
    }

    private func noteNotTakenUp(_ upload: ActiveUpload, _ failure: Failure) {
        logger.error(
            "cannot take up an upload",
            metadata: ["upload": "\(upload.record.id)", "cause": "\(failure.cause ?? failure.reason.rawValue)"])
    }

    /// The chunks of an upload that can be relied upon, of those that are recorded; those that are lost are forgotten.
    func trusted(
        _ chunks: [StoredChunk], lost: [StoredChunk], of upload: Upload
    ) throws(Failure) -> [StoredChunk] {
        guard upload.bootID != store.incarnation else { return chunks }
        if !lost.isEmpty {
            logger.warning(
                "chunks are lost and must come again",
                metadata: [
                    "upload": "\(upload.id)", "lost": "\(lost.count)", "kept": "\(chunks.count - lost.count)",
                ])
        }
        guard try recording(catalogue.trust(upload, bootID: store.incarnation, lost: lost)) else {
            return try recording(catalogue.chunks(ofUpload: upload.id))
        }
        return chunks.filter { !lost.contains($0) }
    }
}
