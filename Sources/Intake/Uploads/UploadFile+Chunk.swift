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
        let sender = ActiveUpload.Sender(guid: request.guid, address: call.exchange.address)
        let range = try place(request, in: upload, call.settings)
        guard let bytes = try open(upload) else { return .endedElsewhere }

        switch upload.claim(chunk) {
        case .over(let outcome): return .over(outcome)
        case .hold: return .stored
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        switch try write(request, content, from: sender, to: bytes, range, in: upload) {
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
        /// By this request; `count` chunks are recorded now.
        case now(StoredChunk, count: Int)
        /// By an earlier request, with the same bytes.
        case before
        /// Its upload is no longer open.
        case never
    }

    /// Writes the claimed chunk's bytes to their place, then its record.
    private func write(
        _ request: UploadRequest, _ content: Content, from sender: ActiveUpload.Sender, to bytes: any UploadBytes,
        _ range: Range<Int>, in upload: ActiveUpload
    ) throws(Failure) -> Recorded {
        let chunk = request.chunk
        // Against another process that completes this file; the claim is against threads of this one.
        guard let turn = try storing(bytes.turn(at: range)) else { return .never }
        if let stored = upload.stored(chunk: chunk) {
            let holds = try storing(bytes.holds(content, at: range.lowerBound))
            let isSame = holds && stored.length == range.count
            if isSame, stored.crc32c != nil || turn.isPublished { return .before }
            guard !turn.isPublished else { throw .notStored(cause: "the file is about to be a video's") }
            if !isSame { noteReplaced(chunk, of: upload, by: sender) }
            upload.replace(chunk)
            try recording(catalogue.doubt(chunk: chunk, upload: upload.record.id))
        } else {
            // Of a file whose size is not known, and of content that the owner has already, nothing was promised.
            if upload.record.isKnown || upload.record.key.size == nil { try makeRoom(for: range.count, in: upload) }
            try storing(store.checkRoom(for: range.count, withBodies: false))
        }
        // Until they are recorded these bytes are both taken and promised.
        unrecorded.add(range.count, ordering: .relaxed)
        defer { unrecorded.subtract(range.count, ordering: .relaxed) }
        try changing(upload) { () throws(StoreError) in try bytes.put(content, at: range) }
        return try record(request, in: upload)
    }

    /// Within one owner pages trust each other; what one does to another's upload is to be seen.
    private func noteReplaced(_ chunk: Int, of upload: ActiveUpload, by sender: ActiveUpload.Sender) {
        let before = upload.sender(ofChunk: chunk)
        if let before, before.guid == sender.guid { return }
        guard let count = log.replacements.take() else { return }
        log.logger.notice(
            "a chunk came again with other bytes, from another page",
            metadata: [
                "upload": "\(upload.record.id)", "chunk": "\(chunk)", "from": "\(sender)",
                "before": "\(before?.description ?? "unknown")", "times": "\(count)",
            ])
    }

    private func record(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> Recorded {
        let chunk = StoredChunk(number: request.chunk, length: request.file.length, crc32c: request.file.crc32c)
        let record = ChunkRecord(
            upload: upload.record.id, guid: request.guid, overlaps: guidRequests.overlap(GuidKey(request)),
            chunk: chunk, time: uploadTime)
        do throws(Failure) {
            return try recording(records.submit(record)).map { .now(chunk, count: $0) } ?? .never
        } catch {
            throw error.whereChunksAre
        }
    }

    /// Runs a call that changes an upload's bytes. One that fails to sync them puts them in doubt.
    func changing<Result>(_ upload: ActiveUpload, _ call: () throws(StoreError) -> Result) throws(Failure) -> Result {
        do throws(StoreError) {
            return try call()
        } catch {
            if error.isSyncFailure { doubt(upload) }
            throw failure(error)
        }
    }

    /// After a failed sync it is unknown what is on the medium, and another sync could succeed falsely: the upload's
    /// chunks must be compared with their checksums, and written again, before they count.
    func doubt(_ upload: ActiveUpload) {
        do throws(CatalogueError) {
            try catalogue.distrust(upload: upload.record.id)
        } catch {
            log.logger.critical("cannot note that an upload is in doubt", metadata: ["cause": "\(error)"])
        }
        uploads.remove(upload)
    }

    /// Opens an upload's bytes and resumes what is there of it; `nil` if the upload is over.
    func open(_ upload: ActiveUpload) throws(Failure) -> (any UploadBytes)? {
        let (record, catalogue, store) = (upload.record, catalogue, store)
        return try upload.bytes { () throws(Failure) in
            let chunks = try recording(catalogue.chunks(ofUpload: record.id))
            var known: [String] = []
            if record.isKnown, let size = record.key.size {
                known = try recording(catalogue.knownFiles(owner: record.key.owner, md5: record.key.md5, size: size))
            }
            let opened = try storing(store.open(record, chunks: chunks, comparedWith: known))
            guard opened.isNew else { return (opened.bytes, try trusted(chunks, lost: opened.lost, of: record)) }
            // There was none: because it is a video by now, for example.
            guard try recording(catalogue.states(ofUploads: [record.id]))[record.id] == .open else {
                store.removeUpload(record.id)
                return nil
            }
            for chunk in opened.lost { try recording(catalogue.forget(chunk: chunk.number, upload: record.id)) }
            return (opened.bytes, [])
        }
    }

    /// The chunks of an upload that can be relied upon, of those that are recorded; those that are lost are forgotten.
    private func trusted(
        _ chunks: [StoredChunk], lost: [StoredChunk], of upload: Upload
    ) throws(Failure) -> [StoredChunk] {
        guard upload.bootID != store.incarnation else { return chunks }
        if !lost.isEmpty {
            log.logger.warning(
                "chunks are lost and must come again",
                metadata: ["upload": "\(upload.id)", "lost": "\(lost.count)", "kept": "\(chunks.count - lost.count)"])
        }
        guard try recording(catalogue.trust(upload, bootID: store.incarnation, lost: lost)) else {
            return try recording(catalogue.chunks(ofUpload: upload.id))
        }
        let lost = Set(lost)
        return chunks.filter { !lost.contains($0) }
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
