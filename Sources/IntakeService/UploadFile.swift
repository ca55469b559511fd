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

        switch try begin(request, isVideo: isVideo) {
        case .sealed(let video):
            call.answer(format.complete(request, video))
        case .unfinished(let upload):
            do throws(Failure) {
                if isVideo == false { try refuse(upload) }
                if let outcome = try store(request, in: upload) {
                    answer(call, request, outcome)
                    upload.end()
                } else {
                    proceed(upload, call, request)
                }
            } catch {
                completeForOthers(upload)
                upload.end()
                discardIfEmpty(upload)
                throw error
            }
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
        let start = try recording(catalogue.beginUpload(request.key, guid: request.guid, now: now, expiry: expiry))
        switch start {
        case .sealed(let video):
            return .sealed(video)
        case .unfinished(let record, let expired):
            uploads.remove(Set(expired))
            expired.forEach(store.removeUpload)
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

    /// Stores and records the request's chunk.
    ///
    /// - Returns: how the upload ended meanwhile, if it did; `nil` if the chunk is stored or was there.
    private func store(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> ActiveUpload.Outcome? {
        let chunk = request.chunk
        let layout = try learn(request, in: upload)
        let target = try open(upload)
        if case .file(let file, _) = target { try unpark(upload, file) }

        switch upload.claim(chunk) {
        case .over(let outcome): return outcome
        case .hold: return nil
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        let source = request.file.bytes
        var stored = StoredChunk(number: chunk, length: source.length)
        switch target {
        case .original(let file):
            let matches = try storing(file.matches(source, at: upload.offset(of: chunk, parkingPlace: 0)))
            stored = StoredChunk(number: chunk, length: source.length, differs: !matches)
        case .file(let file, let digest):
            let offset = upload.offset(of: chunk, parkingPlace: chunk * settings.bodyLimit)
            if upload.has(chunk: chunk) {
                if try storing(file.matches(source, at: offset)) { return nil }
                upload.replace(chunk)
                try recording(catalogue.forget(chunk: chunk, upload: upload.record.id))
            }
            try storing(file.write(source, at: offset))
            try moveToPlace(upload, file, claimed: chunk)
            digest.wait(lag: Self.digestLag)
        }
        let count = try recording(catalogue.record(stored, layout: layout, upload: upload.record.id, now: now))
        guard let count else {
            // Another process sealed or dropped the upload; what the retry meets is up to date.
            uploads.remove(upload)
            throw .notStored(cause: "the upload ended in another process")
        }
        while !upload.stored(stored), case .file(let file, _) = target {
            try moveToPlace(upload, file, claimed: chunk)
        }
        isKept = true
        if count > upload.receivedCount {
            upload.merge(try recording(catalogue.chunks(ofUpload: upload.record.id)))
        }
        return nil
    }

    /// Opens what the upload's chunks go to, and takes up what is there of it.
    private func open(_ upload: ActiveUpload) throws(Failure) -> ActiveUpload.Target {
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
            return (.file(file, PrefixDigest(file)), isNew ? [] : chunks)
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
    /// The last chunk of a file of unknown size waits at a multiple of the largest chunk size that there can be: behind
    /// every place that a chunk can have.
    private func moveToPlace(_ upload: ActiveUpload, _ file: StoredFile, claimed chunk: Int) throws(Failure) {
        guard let place = upload.placeOfParked(chunk) else { return }
        let parked = chunk * settings.bodyLimit
        try storing(file.move(parked..<parked + place.count, to: place.lowerBound))
        upload.unparked()
    }
}

// MARK: - Reply

extension IntakeService {
    /// Completes the file, answers, or lets the call wait for another to complete it.
    private func proceed(_ upload: ActiveUpload, _ call: Call, _ request: UploadRequest) {
        switch upload.decide(call, request) {
        case .complete:
            answer(call, request, complete(upload, request))
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
        if let request = upload.takeCompletionForHeld() { _ = complete(upload, request) }
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
