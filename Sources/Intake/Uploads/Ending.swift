import Catalogue
import ChunkStore
import Logging
import Model

/// How uploads end: as a video, refused, expired, or in another process; and what their calls are told.
extension IntakeService {
    /// Ends an upload and answers its held calls.
    func end(_ upload: ActiveUpload, _ outcome: ActiveUpload.Outcome, reopens: Bool = false) {
        let held = upload.finish(outcome, reopens: reopens)
        if !reopens {
            uploads.remove(upload)
            store.removeUpload(upload.record.id)
        }
        for waiting in held { answer(waiting.call, waiting.request, outcome) }
    }

    /// Forgets an upload that has ended in another process, and answers its held calls.
    func settle(_ upload: ActiveUpload) {
        uploads.remove(upload)
        let id = upload.record.id
        let outcome: ActiveUpload.Outcome
        if let video = try? catalogue.video(ofUpload: id) {
            outcome = .complete(video)
        } else if let states = try? catalogue.states(ofUploads: [id]), states[id] != .open {
            // Evicted, or its video is deleted already.
            outcome = .failed(upload.hasChunks ? .expired : .beginsAnew)
        } else {
            return
        }
        for waiting in upload.finish(outcome) { answer(waiting.call, waiting.request, outcome) }
    }

    /// An upload whose first request failed leaves nothing behind.
    func discardIfEmpty(_ upload: ActiveUpload) {
        guard uploads.remove(upload, if: \.isUnused) else { return }
        if (try? catalogue.discardEmpty(upload: upload.record.id)) == true { store.removeUpload(upload.record.id) }
    }

    /// A guid is no alias any more of the uploads that this process works on.
    func drop(_ key: GuidKey, _ failure: Failure) {
        for upload in uploads.with(key) {
            for waiting in upload.refuse(guid: key.guid, failure) {
                waiting.use.end()
                waiting.call.answer(failure)
            }
        }
    }

    /// Ends uploads that the catalogue has forgotten: their requests under way get the failure, and their files go.
    ///
    /// - Parameter client: to whose upload or chunk they gave way, if they did.
    func retire(_ uploads: [ExpiredUpload], _ failure: Failure, for client: Client = .unknown) {
        if uploads.isEmpty { return }
        if failure.reason == .expired { noteEnded(uploads, for: client) }
        let active = self.uploads.with(ids: Set(uploads.map(\.id)))
        self.uploads.remove(Set(uploads.map(\.id)))
        maintainer.remove(uploads)
        for upload in active {
            end(upload, .failed(upload.hasChunks || failure.reason != .expired ? failure : .beginsAnew))
        }
        try? catalogue.noteRemoved(bytes: uploads.reduce(0) { $0 + $1.bytes })
    }

    private func noteEnded(_ uploads: [ExpiredUpload], for client: Client) {
        let evicted = uploads.count { $0.evictedClient != nil }
        log.metrics.evictedUploads.add(evicted, ordering: .relaxed)
        log.metrics.expiredUploads.add(uploads.count - evicted, ordering: .relaxed)
        if evicted > 0 {
            log.logger.notice(
                "unfinished uploads gave way to that of another client",
                metadata: [
                    "uploads": "\(evicted)", "client": "\(client)",
                    "from": "\(Set(uploads.compactMap(\.evictedClient)).sorted().prefix(5).joined(separator: ", "))",
                ])
        }
        if uploads.count > evicted {
            log.logger.debug("unfinished uploads have expired", metadata: ["uploads": "\(uploads.count - evicted)"])
        }
    }

    /// Answers a call of an upload that is over.
    func answer(_ call: Call, _ request: UploadRequest, _ outcome: ActiveUpload.Outcome) {
        switch outcome {
        case .complete(let video): call.answer(request, complete: video)
        case .failed(let failure): call.answer(failure)
        }
    }
}
