import Catalogue
import ChunkStore
import Dispatch
import Uploads

/// upload_file: parse, check, store, decide, reply. (protocol.md, section 3)
extension IntakeService {
    func uploadFile(_ call: Call) throws(Failure) {
        let form = try FormReader(store: store, settings: settings).read(call.exchange)
        let request = try UploadRequest(form, owner: call.owner, settings: settings)
        let isVideo = try beginsLikeVideo(request)

        // An upload that ends in another process meanwhile is looked up again.
        for _ in 0..<3 {
            switch try begin(request, isVideo: isVideo) {
            case .sealed(let video):
                return call.answer(format.complete(request, video))
            case .unfinished(let upload):
                if try take(request, in: upload, call, isVideo: isVideo) { return }
            }
        }
        throw .notStored(cause: "the upload ended in another process")
    }

    /// Stores the request's chunk and sees to its answer. Returns `false` if the upload has ended in another process.
    private func take(
        _ request: UploadRequest, in upload: ActiveUpload, _ call: Call, isVideo: Bool?
    ) throws(Failure) -> Bool {
        do throws(Failure) {
            if isVideo == false { try refuse(upload) }
            switch try store(request, in: upload) {
            case .stored:
                proceed(upload, call, request)
            case .over(let outcome):
                answer(call, request, outcome)
                upload.end()
            case .endedElsewhere:
                settle(upload)
                upload.end()
                return false
            }
            return true
        } catch {
            completeForOthers(upload)
            upload.end()
            discardIfEmpty(upload)
            throw error
        }
    }

    /// Whether a first chunk begins like a video; `nil` if it cannot tell.
    private func beginsLikeVideo(_ request: UploadRequest) throws(Failure) -> Bool? {
        guard request.chunk == 0 else { return nil }
        let head = try storing(request.file.bytes.signature())
        if Container.of(head, allowed: settings.extensions) != nil { return true }
        // The first chunk of several may be shorter than what decides; the completion looks again.
        return head.count < Container.signatureLength && request.chunks > 1 ? nil : false
    }
}

// MARK: - Which upload

extension IntakeService {
    private enum Beginning {
        case unfinished(ActiveUpload)
        case sealed(Video)
    }

    /// Finds or makes the upload that a request belongs to.
    private func begin(_ request: UploadRequest, isVideo: Bool?) throws(Failure) -> Beginning {
        // Nothing will follow a whole file that is no video, so it needs no state.
        if request.chunks <= 1, isVideo == false { throw refusedContainer }
        if let upload = uploads.begin(request.key, guid: request.guid, now: now) { return .unfinished(upload) }
        let start = try recording(
            catalogue.beginUpload(
                request.key, draft: draft(request), bootID: bootID, limits: settings.uploadLimits, now: now,
                expiry: expiry))
        switch start {
        case .sealed(let video):
            return .sealed(video)
        case .unfinished(let record, let expired):
            remove(expired)
            if record.state == .rejected {
                guard isVideo == true else { throw refusedContainer }
                try recording(catalogue.reopen(upload: record.id, now: now))
            }
            return .unfinished(uploads.begin(record, guid: request.guid, sizeLimit: settings.sizeLimit, now: now))
        }
    }

    var refusedContainer: Failure { .refused(.container(allowed: settings.extensions)) }

    /// A first chunk that is no video ends its upload, unless the upload has a better one already.
    private func refuse(_ upload: ActiveUpload) throws(Failure) {
        guard !upload.has(chunk: 0) else { throw refusedContainer }
        try recording(catalogue.reject(upload: upload.record.id, reason: "container", now: now))
        end(upload, .failed(refusedContainer))
        throw refusedContainer
    }
}

// MARK: - Storing a chunk

extension IntakeService {
    /// So many bytes may wait for the digest before a request has to.
    private static let digestLag = 32 * 1024 * 1024

    /// What became of a request's chunk.
    private enum Storing {
        /// Its bytes and its record are where the durability setting wants them, by this request or an earlier one.
        case stored
        /// The upload has ended meanwhile, like this.
        case over(ActiveUpload.Outcome)
        /// The upload has ended in another process, or expired.
        case endedElsewhere
    }

    private func store(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> Storing {
        let chunk = request.chunk
        let layout = try learn(request, in: upload)
        let target = try open(upload)
        if case .file(let file, _) = target { try unpark(upload, file) }

        switch upload.claim(chunk) {
        case .over(let outcome): return .over(outcome)
        case .hold: return .stored
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        let source = request.file.bytes
        let checksum = try storing(source.crc32c())
        let stored: StoredChunk
        let count: Int?
        switch target {
        case .original(let file):
            let matches = try storing(file.matches(source, at: upload.offset(of: chunk, parkingPlace: 0)))
            stored = StoredChunk(number: chunk, length: source.length, crc32c: checksum, differs: !matches)
            count = try record(stored, layout, upload)
        case .file(let file, let digest):
            let range = upload.range(of: chunk, length: source.length, parkingPlace: parkingPlace(ofChunk: chunk))
            // Against another process that completes this file; the claim is against threads of this one.
            try storing(file.lock(range, within: Self.lockPatience))
            defer { file.unlock(range) }
            guard try storing(store.isCurrent(file, upload: upload.record.id)) else { return .endedElsewhere }
            if upload.has(chunk: chunk) {
                if try storing(file.matches(source, at: range.lowerBound)) { return .stored }
                upload.replace(chunk)
                try recording(catalogue.forget(chunk: chunk, upload: upload.record.id))
            }
            if layout.size == nil { try storing(store.checkRoom(for: source.length)) }
            try storing(file.write(source, at: range.lowerBound))
            try moveToPlace(upload, file, claimed: chunk)
            if settings.durability == .power { try sync(upload, file) }
            stored = StoredChunk(number: chunk, length: source.length, crc32c: checksum)
            count = try record(stored, layout, upload)
            digest.wait(lag: Self.digestLag)
        }
        guard let count else { return .endedElsewhere }
        while !upload.stored(stored), case .file(let file, _) = target {
            try moveToPlace(upload, file, claimed: chunk)
        }
        isKept = true
        if count > upload.receivedCount {
            upload.merge(try recording(catalogue.chunks(ofUpload: upload.record.id)))
        }
        return .stored
    }

    /// Seconds that a chunk waits for another process to leave its place in the file alone.
    static var lockPatience: Double { 5 }

    private func record(_ chunk: StoredChunk, _ layout: ChunkLayout, _ upload: ActiveUpload) throws(Failure) -> Int? {
        let record = ChunkRecord(upload: upload.record.id, chunk: chunk, layout: layout, time: now)
        return try recording(records.submit(record))
    }

    /// Makes what was written survive power loss, together with what others write to the same file.
    private func sync(_ upload: ActiveUpload, _ file: StoredFile) throws(Failure) {
        do throws(StoreError) {
            try upload.syncs.submit(file)
        } catch {
            doubt(upload)
            throw Failure(error)
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

    /// Opens what the upload's chunks go to, and takes up what is there of it.
    func open(_ upload: ActiveUpload) throws(Failure) -> ActiveUpload.Target {
        let (record, catalogue, store) = (upload.record, catalogue, store)
        return try upload.target { () throws(Failure) in
            let chunks = try recording(catalogue.chunks(ofUpload: record.id))
            if let path = record.originalPath, let original = try? store.openPublished(path),
                (try? original.length()) == record.key.size
            {
                return (.original(original), chunks)
            }
            let (file, isNew) = try storing(store.openUpload(record.id, size: record.key.size))
            // The bytes of these chunks were with the original, or are lost.
            for chunk in chunks where isNew {
                try recording(catalogue.forget(chunk: chunk.number, upload: record.id))
            }
            return (.file(file, PrefixDigest(file)), isNew ? [] : try verified(chunks, of: record, in: file))
        }
    }

    private func learn(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> ChunkLayout {
        do throws(ChunkLayout.Contradiction) {
            return try upload.learn(chunk: request.chunk, length: request.file.bytes.length)
        } catch {
            switch error {
            case .chunk: throw .malformed(field: "chunk", rule: "必须小于 chunks")
            case .size: throw .malformed(field: "size", rule: "不能超过 \(settings.sizeLimit) 字节")
            case .length: throw .malformed(field: "file", rule: "分片长度与 size、chunks 或其他分片不符")
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
    ///
    private func moveToPlace(_ upload: ActiveUpload, _ file: StoredFile, claimed chunk: Int) throws(Failure) {
        guard let place = upload.placeOfParked(chunk) else { return }
        let parked = parkingPlace(ofChunk: chunk)
        try storing(file.move(parked..<parked + place.count, to: place.lowerBound))
        upload.unparked()
    }

    /// Where the last chunk of a file of unknown size waits: behind every place that a chunk can have, and so far that
    /// moving it leaves it whole there. A crash before its place is recorded then does no harm.
    func parkingPlace(ofChunk chunk: Int) -> Int { (chunk + 1) * settings.bodyLimit }
}

// MARK: - Reply

extension IntakeService {
    /// Completes the file, answers, or lets the call wait for another to complete it.
    private func proceed(_ upload: ActiveUpload, _ call: Call, _ request: UploadRequest) {
        switch upload.decide(call, request) {
        case .complete:
            answer(call, request, complete(upload, draft(request)))
            upload.end()
        case .held(let number):
            DispatchQueue.global().asyncAfter(deadline: .now() + settings.holdTime) {
                if let held = upload.expire(number) { self.answerPartial(upload, held.call, held.request) }
            }
        case .partial:
            answerPartial(upload, call, request)
        case .over(let outcome):
            answer(call, request, outcome)
            upload.end()
        }
    }

    private func answerPartial(_ upload: ActiveUpload, _ call: Call, _ request: UploadRequest) {
        call.answer(format.stored(request, videoID: upload.record.videoID))
        upload.partialReplyWritten()
        upload.end()
    }

    private func answer(_ call: Call, _ request: UploadRequest, _ outcome: ActiveUpload.Outcome) {
        switch outcome {
        case .complete(let video): call.answer(format.complete(request, video))
        case .failed(let failure): call.answer(failure)
        }
    }

    /// A request that failed may have kept others from completing the file.
    private func completeForOthers(_ upload: ActiveUpload) {
        if let request = upload.takeCompletionForHeld() { _ = complete(upload, draft(request)) }
    }

    /// Gives an upload up that has ended in another process, and answers who waits for it.
    private func settle(_ upload: ActiveUpload) {
        uploads.remove(upload)
        guard let video = try? catalogue.video(ofUpload: upload.record.id) else { return }
        for waiting in upload.finish(.complete(video)) {
            answer(waiting.call, waiting.request, .complete(video))
            upload.end()
        }
    }

    /// An upload whose first request failed leaves nothing behind.
    private func discardIfEmpty(_ upload: ActiveUpload) {
        guard uploads.removeUnused(upload) else { return }
        if (try? catalogue.discardEmpty(upload: upload.record.id)) == true {
            store.removeUpload(upload.record.id)
        }
    }

    /// Ends an upload and answers who waited for it.
    func end(_ upload: ActiveUpload, _ outcome: ActiveUpload.Outcome, reopens: Bool = false) {
        let held = upload.finish(outcome, reopens: reopens)
        if !reopens {
            uploads.remove(upload)
            store.removeUpload(upload.record.id)
        }
        for waiting in held {
            answer(waiting.call, waiting.request, outcome)
            upload.end()
        }
    }
}
