import Catalogue
import Model

/// upload_file, checking: which upload a request belongs to, and whether it may begin one.
extension IntakeService {
    /// What `begin` has found.
    enum Beginning {
        case unfinished(ActiveUpload.Use)
        case sealed(Video)
        /// It may be held, to see whether its page begins anew.
        case refused(Refusal)
        /// Its page may be beginning anew with the first chunk, which is not there yet.
        case awaitsFirst(Refusal, overlaps: Bool)
        /// Room for it is on its way off the disk.
        case awaitsRoom
    }

    /// Finds or makes the upload that a request belongs to, where this process does not know it.
    ///
    /// - Parameter attempt: 0 for the first look. A refusal that came meanwhile is for this very request.
    func begin(
        _ request: UploadRequest, _ call: Call, other: OtherContent?, attempt: Int, isJoined: Bool
    ) throws(Failure) -> Beginning {
        let settings = call.settings
        // Nothing will follow a whole file that is no video, so it needs no state.
        if let other, request.chunks <= 1 { throw .container(other) }
        let beginsAnew = attempt == 0
        let overlaps = guidRequests.overlap(GuidKey(request))
        func currentTerms() throws(Failure) -> UploadTerms {
            UploadTerms(
                client: call.client, limits: settings.uploadLimits, room: try diskRoom(\.forUploads),
                beginsAnew: beginsAnew, chunk: request.chunk, overlaps: overlaps, isJoined: isJoined,
                refusal: other.map { Failure.container($0).recorded },
                permit: recordRate.permit(for: call.client))
        }
        func kept(_ refusal: Refusal, _ terms: UploadTerms) throws(Failure) -> Beginning {
            // Last, so that another chunk's request that finds it there finds this one counted.
            defer { if request.chunk > 0, refusal.isRecorded { catalogue.note(terms, of: refusal) } }
            let mayBegin = refusal.hasFirst && beginsAnew && other == nil && !isJoined
            if request.chunk == 0 {
                if mayBegin, refusal.isInDoubt(overlaps: overlaps) { return .refused(refusal) }
            } else if mayBegin, refusedGuids.isCounted(request, refusal) {
                return .awaitsFirst(refusal, overlaps: overlaps || refusal.overlaps)
            } else {
                refusedGuids.count(request, refusal)
                // A first one that waits cannot begin anew without it.
                if let first = guidRequests.takeHeld(of: request) { first.call.answer(.kept(refusal, settings)) }
            }
            throw .kept(refusal, settings)
        }
        func start(on terms: UploadTerms) throws(Failure) -> UploadStart {
            do throws(Failure) {
                return try recording(
                    catalogue.beginUpload(
                        request.key, isFirst: request.chunk == 0, draft: draft(request, settings),
                        bootID: store.incarnation, terms: terms, expiry: expiry))
            } catch {
                throw error.whereChunksAre
            }
        }
        let terms = try currentTerms()
        if let refusal = refusedGuids.refusal(request, terms) { return try kept(refusal, terms) }
        switch try start(on: terms) {
        case .sealed(let video):
            return .sealed(video)
        case .otherChunkSize:
            throw .length
        case .unplaced:
            throw .unplaced
        case .refused(let refusal, let expired):
            let failure = Failure.kept(refusal, settings)
            drop(GuidKey(request), failure)
            retire(expired, other == nil ? .expired : failure)
            if !refusal.isRecorded, request.chunks > 1 { refusedGuids.add(refusal) }
            return try kept(refusal, terms)
        case .awaitsRoom(let expired):
            retire(expired, .expired)
            return .awaitsRoom
        case .unfinished(let record, let expired, let left):
            promisedBytes.forget()
            retire(expired, .expired, for: call.client)
            if request.chunk == 0 { refusedGuids.forget(owner: request.owner, md5: request.md5, guid: request.guid) }
            if !left.isEmpty { uploads.forget(guid: request.guid, of: Set(left)) }
            return .unfinished(uploads.begin(record, guid: request.guid))
        }
    }
}
