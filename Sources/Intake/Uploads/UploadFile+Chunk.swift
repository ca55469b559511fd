import Catalogue
import ChunkStore
import Logging
import System
import Model

/// upload_file, storing a chunk: claim, lock, write, sync, record.
extension IntakeService {
    /// What became of a request's chunk.
    enum Storing {
        /// Its bytes and its record are where the durability setting wants them, by this request or an earlier one.
        case stored
        /// The upload has ended meanwhile, like this.
        case over(ActiveUpload.Outcome)
        /// The upload has ended in another process, or expired.
        case endedElsewhere
    }

    func store(
        _ request: UploadRequest, _ content: Content, in upload: ActiveUpload, _ call: Call
    ) throws(Failure) -> Storing {
        let chunk = request.chunk
        let sender = ActiveUpload.Sender(guid: request.guid, address: call.address)
        let range = try place(request, in: upload, call.settings)
        guard let target = try open(upload) else { return .endedElsewhere }

        switch upload.claim(chunk) {
        case .over(let outcome): return .over(outcome)
        case .hold: return .stored
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        let recorded = try write(request, content, from: sender, to: target.file, range, in: upload)
        target.digest.dropCache(before: target.comparison?.prefix.compared ?? .max)
        switch recorded {
        case .before:
            // Where there is no room for that, a refused page begins anew one reply later.
            if chunk == 0 { try? catalogue.noteFirstChunk(guid: request.guid, upload: upload.record.id) }
            return .stored
        case .never: return .endedElsewhere
        case .now(let stored, let count):
            upload.stored(stored, by: sender)
            isKept = true
            // Another process stores chunks of this upload too.
            if count > upload.recordedHere {
                upload.merge(try recording(catalogue.chunks(ofUpload: upload.record.id)))
            }
            return .stored
        }
    }

    /// Whether a chunk is recorded.
    private enum Recorded {
        /// By this request; the upload now has so many.
        case now(StoredChunk, count: Int)
        /// By an earlier request, with the same bytes.
        case before
        /// Its upload is no longer open.
        case never
    }

    /// Writes the claimed chunk's bytes to their place, then its record.
    private func write(
        _ request: UploadRequest, _ content: Content, from sender: ActiveUpload.Sender, to file: StoredFile,
        _ range: Range<Int>, in upload: ActiveUpload
    ) throws(Failure) -> Recorded {
        let chunk = request.chunk
        // Against another process that completes this file; the claim is against threads of this one.
        try storing(file.lock(range, within: Self.lockPatience))
        defer { file.unlock(range) }
        guard try storing(store.isCurrent(file, upload: upload.record.id)) else { return .never }
        if let stored = upload.stored(chunk: chunk) {
            if stored.length == range.count, try storing(file.matches(content, at: range.lowerBound)) { return .before }
            // They may be a video's already: its record may have been committed though that seemed to fail.
            guard try storing(file.names()) == 1 else { throw .notStored(cause: "the file is about to be a video's") }
            noteReplaced(chunk, of: upload, by: sender)
            upload.replace(chunk)
            try recording(catalogue.forget(chunk: chunk, upload: upload.record.id))
        } else {
            try makeRoom(for: range.count, in: upload)
            try storing(store.checkRoom(for: range.count, withBodies: false))
        }
        // Until they are recorded these bytes are both taken and promised.
        unrecorded.add(range.count, ordering: .relaxed)
        defer { unrecorded.subtract(range.count, ordering: .relaxed) }
        try storing(file.allocate(range))
        try storing(file.write(content, at: range.lowerBound))
        if durability == .power { try sync(upload, file) } else { file.startSync(of: range) }
        return try record(request, in: upload)
    }

    /// Within one owner pages trust each other; what one does to another's upload is to be seen.
    private func noteReplaced(_ chunk: Int, of upload: ActiveUpload, by sender: ActiveUpload.Sender) {
        let before = upload.sender(ofChunk: chunk)
        if let before, before.guid == sender.guid { return }
        guard let count = replacements.take() else { return }
        logger.notice(
            "a chunk came again with other bytes, from another page",
            metadata: [
                "upload": "\(upload.record.id)", "chunk": "\(chunk)", "from": "\(sender)",
                "before": "\(before?.description ?? "unknown")", "times": "\(count)",
            ])
    }

    /// Seconds that a chunk waits for another process to leave its place in the file alone.
    static var lockPatience: Double { 5 }

    private func record(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> Recorded {
        let chunk = StoredChunk(
            number: request.chunk, length: request.file.length, crc32c: request.file.crc32c)
        let record = ChunkRecord(
            upload: upload.record.id, guid: request.guid, overlaps: guidRequests.overlap(GuidKey(request)),
            chunk: chunk, time: uploadTime)
        do throws(Failure) {
            return try recording(records.submit(record)).map { .now(chunk, count: $0) } ?? .never
        } catch {
            throw error.whereChunksAre
        }
    }

    /// Makes what was written survive power loss, together with what others write to the same file.
    func sync(_ upload: ActiveUpload, _ file: StoredFile) throws(Failure) {
        do throws(SystemError) {
            try upload.syncs.submit(file)
        } catch {
            doubt(upload)
            throw failure(error)
        }
    }

    /// After a failed sync nobody knows what is on the medium, and another sync could succeed falsely: the upload's
    /// chunks must be compared with their checksums, and written again, before they count.
    func doubt(_ upload: ActiveUpload) {
        do throws(CatalogueError) {
            try catalogue.distrust(upload: upload.record.id)
        } catch {
            logger.critical("cannot note that an upload is in doubt", metadata: ["cause": "\(error)"])
        }
        uploads.remove(upload)
    }

    /// Opens what the upload's chunks go to, and takes up what is there of it; `nil` if the upload is over.
    func open(_ upload: ActiveUpload) throws(Failure) -> ActiveUpload.Target? {
        let (record, catalogue, store) = (upload.record, catalogue, store)
        return try upload.target { () throws(Failure) in
            let chunks = try recording(catalogue.chunks(ofUpload: record.id))
            let (file, isNew) = try storing(store.makeUpload(record.id))
            var followed = uploads.takeFollowed(record.id)
            // Nothing is known of bytes that are in doubt.
            if isNew || record.bootID != bootID { followed = nil }
            if followed?.holds(for: file, chunks: chunks) == false { followed = nil }
            let target = ActiveUpload.Target(
                file: file, digest: PrefixDigest(file, client: record.client, from: followed?.digest),
                comparison: try comparison(file, record, followed))
            guard isNew else { return (target, try verified(chunks, of: upload, in: file)) }
            // There was none: because it is a video by now, for example.
            guard try recording(catalogue.states(ofUploads: [record.id]))[record.id] == .open else {
                store.removeUpload(record.id)
                return nil
            }
            // The bytes of these chunks are lost.
            for chunk in chunks { try recording(catalogue.forget(chunk: chunk.number, upload: record.id)) }
            return (target, [])
        }
    }

    /// With the videos that the owner has of the same content, if there are any.
    private func comparison(
        _ file: StoredFile, _ record: Upload, _ followed: FollowedPrefix?
    ) throws(Failure) -> ActiveUpload.Comparison? {
        guard record.isKnown, let size = record.key.size else { return nil }
        let known = try recording(catalogue.knownFiles(owner: record.key.owner, md5: record.key.md5, size: size))
        let opened = openedKnown(known, size: size)
        if opened.isEmpty { return nil }
        let files = opened.map(\.file)
        return ActiveUpload.Comparison(
            files: opened,
            prefix: PrefixComparison(
                file, with: files, client: record.client, from: followed?.comparison(with: files)))
    }

    /// Those files that are there with their size.
    func openedKnown(_ paths: [String], size: Int) -> [(path: String, file: StoredFile)] {
        paths.compactMap { path in
            guard let file = try? store.openPublished(path), (try? file.length()) == size else { return nil }
            return (path, file)
        }
    }

    /// Where a request's chunk belongs.
    private func place(
        _ request: UploadRequest, in upload: ActiveUpload, _ settings: IntakeSettings
    ) throws(Failure) -> Range<Int> {
        do throws(ChunkLayout.Contradiction) {
            return try upload.layout.range(
                ofChunk: request.chunk, length: request.file.length, sizeLimit: settings.sizeLimit)
        } catch {
            // Of several chunks: the only one is as long as its file.
            throw .length
        }
    }
}
