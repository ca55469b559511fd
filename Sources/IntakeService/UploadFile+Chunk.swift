import Catalogue
import ChunkStore
import Logging
import System
import Uploads

/// upload_file, storing a chunk: claim, lock, write, sync, record.
extension IntakeService {
    /// So many bytes may wait for the digest before a request has to.
    private static let digestLag = 16 * 1024 * 1024

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
        _ request: UploadRequest, _ content: Content, in upload: ActiveUpload, _ settings: IntakeSettings
    ) throws(Failure) -> Storing {
        let chunk = request.chunk
        if upload.record.key.size == nil, content.length > upload.bodyLimit {
            // The limit has grown, and parked chunks are too near: with the next request the upload is taken up anew.
            uploads.remove(upload)
            throw .notStored(cause: "the body limit has changed")
        }
        let layout = try learn(request, in: upload, settings)
        guard let target = try open(upload) else { return .endedElsewhere }
        if case .file(let file, _) = target { try unpark(upload, file) }

        switch upload.claim(chunk) {
        case .over(let outcome): return .over(outcome)
        case .hold: return .stored
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        let recorded: Recorded
        switch target {
        case .original(let file):
            recorded = try compare(request, content, with: file, in: upload, layout)
        case .file(let file, let digest):
            recorded = try write(request, content, to: file, in: upload, layout)
            digest.wait(lag: Self.digestLag)
            digest.dropCache()
        }
        switch recorded {
        case .before: return .stored
        case .never: return .endedElsewhere
        case .now(let stored, let count):
            while !upload.stored(stored), case .file(let file, _) = target {
                try moveToPlace(upload, file, claimed: chunk)
            }
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
        _ request: UploadRequest, _ content: Content, to file: StoredFile, in upload: ActiveUpload,
        _ layout: ChunkLayout
    ) throws(Failure) -> Recorded {
        let chunk = request.chunk
        let range = upload.range(of: chunk, length: content.length)
        // Against another process that completes this file; the claim is against threads of this one.
        try storing(file.lock(range, within: Self.lockPatience))
        defer { file.unlock(range) }
        guard try storing(store.isCurrent(file, upload: upload.record.id)) else { return .never }
        if upload.has(chunk: chunk) {
            if try storing(file.matches(content, at: range.lowerBound)) { return .before }
            upload.replace(chunk)
            try recording(catalogue.forget(chunk: chunk, upload: upload.record.id))
        }
        if layout.size == nil { try storing(store.checkRoom(for: content.length)) }
        try storing(file.write(content, at: range.lowerBound))
        try moveToPlace(upload, file, claimed: chunk)
        if durability == .power { try sync(upload, file) } else { file.startSync(of: range) }
        return try record(request, in: upload, layout)
    }

    /// Compares the claimed chunk with the original that the owner has, and records whether it differs.
    private func compare(
        _ request: UploadRequest, _ content: Content, with original: StoredFile, in upload: ActiveUpload,
        _ layout: ChunkLayout
    ) throws(Failure) -> Recorded {
        let offset = upload.offset(of: request.chunk)
        let matches = try storing(original.matches(content, at: offset))
        return try record(request, in: upload, layout, differs: !matches)
    }

    /// Seconds that a chunk waits for another process to leave its place in the file alone.
    static var lockPatience: Double { 5 }

    private func record(
        _ request: UploadRequest, in upload: ActiveUpload, _ layout: ChunkLayout, differs: Bool = false
    ) throws(Failure) -> Recorded {
        let chunk = StoredChunk(
            number: request.chunk, length: request.file.length, crc32c: request.file.crc32c, differs: differs)
        let record = ChunkRecord(upload: upload.record.id, chunk: chunk, layout: layout, time: uploadTime)
        return try recording(records.submit(record)).map { .now(chunk, count: $0) } ?? .never
    }

    /// Makes what was written survive power loss, together with what others write to the same file.
    private func sync(_ upload: ActiveUpload, _ file: StoredFile) throws(Failure) {
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
            if let path = record.originalPath, let original = try? store.openPublished(path),
                (try? original.length()) == record.key.size
            {
                return (.original(original), chunks)
            }
            let (file, isNew) = try storing(store.openUpload(record.id, size: record.key.size))
            guard isNew else { return (.file(file, PrefixDigest(file)), try verified(chunks, of: upload, in: file)) }
            // There was none: because it is a video by now, for example.
            guard try recording(catalogue.states(ofUploads: [record.id]))[record.id] == .open else {
                store.removeUpload(record.id)
                return nil
            }
            // The bytes of these chunks were with the original, or are lost.
            for chunk in chunks { try recording(catalogue.forget(chunk: chunk.number, upload: record.id)) }
            return (.file(file, PrefixDigest(file)), [])
        }
    }

    private func learn(
        _ request: UploadRequest, in upload: ActiveUpload, _ settings: IntakeSettings
    ) throws(Failure) -> ChunkLayout {
        do throws(ChunkLayout.Contradiction) {
            return try upload.learn(chunk: request.chunk, length: request.file.length)
        } catch {
            switch error {
            case .chunk: throw .malformed("chunk", .belowChunks)
            case .size: throw .malformed("size", .atMost(bytes: settings.sizeLimit))
            case .length: throw .length
            }
        }
    }

    /// Moves a parked last chunk to its place if this request, for another chunk, has told it.
    private func unpark(_ upload: ActiveUpload, _ file: StoredFile) throws(Failure) {
        guard let chunk = upload.parkedChunk, case .compare = upload.claim(chunk) else { return }
        defer { upload.release(chunk) }
        try moveToPlace(upload, file, claimed: chunk)
    }

    /// Moves the claimed chunk to its place if it is the parked one and the place is known.
    private func moveToPlace(_ upload: ActiveUpload, _ file: StoredFile, claimed chunk: Int) throws(Failure) {
        guard let place = upload.placeOfParked(chunk) else { return }
        let parked = upload.parkingPlace(ofChunk: chunk)
        try storing(file.move(parked..<parked + place.count, to: place.lowerBound))
        upload.unparked()
    }
}
