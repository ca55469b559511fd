import Catalogue
import ChunkStore
import Dispatch
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
        /// There will be room for it in a moment; what it is told if that is not so.
        case awaitsRoom(Failure)
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
            // Last, so that another chunk's request that finds it there finds this one counted. Returns whether the guid is
            // refused still.
            func note() -> Bool { request.chunk == 0 || !refusal.isRecorded || catalogue.note(terms, of: refusal) }
            let mayBegin = refusal.hasFirst && beginsAnew && other == nil && !isJoined
            if request.chunk == 0 {
                if mayBegin, refusal.isInDoubt(overlaps: overlaps) { return .refused(refusal) }
            } else if mayBegin, refusedGuids.isCounted(request, refusal) {
                _ = note()
                return .awaitsFirst(refusal, overlaps: overlaps || refusal.overlaps)
            } else {
                refusedGuids.count(request, refusal)
                // A first one that waits cannot begin anew without it.
                if let first = guidRequests.takeHeld(of: request) { keepRefused(first) }
            }
            // Told the refusal, it would be missing from what has begun.
            if !note() { throw .awaitsFirst }
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
        case .awaitsRoom(let reason, let expired):
            retire(expired, .expired)
            var failure = Failure.diskFullForNow
            if case .quota(let limit) = reason { failure = .quota(limit) }
            failure.isToComeAgain = true
            return .awaitsRoom(failure)
        case .unfinished(let record, let expired, let left):
            promisedBytes.forget()
            retire(expired, .expired, for: call.client)
            if request.chunk == 0 { refusedGuids.forget(owner: request.owner, md5: request.md5, guid: request.guid) }
            if !left.isEmpty { uploads.forget(guid: request.guid, of: Set(left)) }
            return .unfinished(uploads.begin(record, guid: request.guid))
        }
    }
}

// MARK: - Refusals

/// upload_file: a refusal sticks. WebUploader takes every reply with HTTP 200 for a stored chunk, so after one -3 all later
/// chunks of the guid get the same, until it begins anew.
extension IntakeService {
    /// Keeps a refusal in mind that is new and after which other chunks of the guid may come.
    ///
    /// - Returns: what the request is told: to come again, if its upload has got a chunk meanwhile.
    func refuseIfFinal(_ sent: SentChunk, _ call: Call, _ failure: Failure) -> Failure {
        let (key, reply) = (sent.key, failure.reply(call.settings.language))
        guard !failure.isKept, sent.chunks > 1, reply.status == 200, reply.code == -3 || reply.code == -1 else {
            return failure
        }
        let hasRoom = (try? store.room()).map { $0.data > 0 } ?? false
        let refusal = Refusal(
            owner: key.owner.text, md5: key.md5, guid: key.guid, reason: failure.recorded,
            hasFirst: sent.chunk == 0, overlaps: guidRequests.overlap(key),
            otherChunk: sent.chunk, client: call.client, time: uploadTime, isRecorded: hasRoom)
        var expired: [ExpiredUpload]? = []
        do throws(CatalogueError) {
            expired = try catalogue.refuse(refusal) {
                // Known before the guid is no alias any more: a chunk that comes meanwhile must not make it one again.
                if !refusal.isRecorded { refusedGuids.add(refusal) }
            }
        } catch {
            var unrecorded = refusal
            unrecorded.isRecorded = false
            refusedGuids.add(unrecorded)
        }
        guard let expired else { return .diskFullForNow }
        drop(key, failure)
        retire(expired, failure)
        return failure
    }

    /// A refusal's reply could not be written: its chunk will come again, and its page does not begin anew with it.
    @Sendable func uncount(_ request: UploadRequest) {
        refusedGuids.uncount(request, (try? catalogue.refusal(of: request.key, guid: request.guid)) ?? nil)
    }

    /// Seconds that a first chunk and others that come again wait for each other.
    static let joiningTime = 3.0

    /// Holds a first chunk that may begin anew what is refused, or be one whose reply was lost. If its page begins anew it
    /// sends the second one again too, which tells.
    ///
    /// - Returns: `false` if that one waits for it already; it goes on then.
    func hold(_ first: HeldFirstChunk) throws(Failure) -> Bool {
        refusedGuids.noteFirst(first.refusal)
        // What follows later keeps neither of the two: their places are free with their answers.
        switch guidRequests.hold(first) {
        case .noPlace: throw .awaitsFirst
        case .awaited: return false
        case .held(let number, let before):
            if let before { before.call.answer(.kept(before.refusal, before.call.settings)) }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) {
                if let late = self.guidRequests.takeHeld(number) { self.keepRefused(late) }
            }
            return true
        }
    }

    /// Answers a first chunk, and others that wait with it: their page does not begin anew.
    func keepRefused(_ first: HeldFirstChunk) {
        for call in [first.call] + guidRequests.takeWaiting(GuidKey(first.request)) {
            call.answer(.kept(first.refusal, call.settings))
        }
    }

    /// Lets a chunk that its page counts as stored, and that comes again, wait for the first one: with that its page begins
    /// anew. It is to come again then. Once more told the refusal, it would be missing from what begins a moment later; so it
    /// is told that only where the page sends one chunk at a time, and the first one would have come before it, or where it
    /// has waited twice.
    ///
    /// - Parameter overlaps: whether requests of its guid have overlapped.
    func awaitFirst(_ request: UploadRequest, _ call: Call, _ refusal: Refusal, overlaps: Bool) throws(Failure) {
        let key = GuidKey(request)
        guard let place = held.place(for: call.client),
            guidRequests.wait(key, call, isSecond: refusedGuids.isSecond(request, refusal), place)
        else { throw .awaitsFirst }
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) { [weak call] in
            guard let call else { return }
            let isSerial = !overlaps && !self.guidRequests.overlap(key)
            guard self.guidRequests.endWait(key, call) else { return }
            let isLone = isSerial || self.refusedGuids.noteLone(request, refusal)
            call.answer(isLone ? .kept(refusal, call.settings) : .awaitsFirst)
        }
    }
}
