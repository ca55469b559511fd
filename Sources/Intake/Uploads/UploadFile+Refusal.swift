import Catalogue
import ChunkStore
import Dispatch
import Glibc
import Logging
import Model

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
            owner: key.owner, md5: key.md5, guid: key.guid, reason: failure.recorded,
            hasFirst: sent.chunk == 0, overlaps: guidRequests.overlap(key),
            otherChunk: sent.chunk, client: call.client, time: uploadTime, isRecorded: hasRoom)
        var expired: [ExpiredUpload]? = []
        do throws(CatalogueError) {
            expired = try catalogue.refuse(refusal) {
                // Known before the guid is no alias any more: a chunk that comes meanwhile must not make it one again.
                if !refusal.isRecorded { refusedGuids.add(refusal) }
            }
        } catch {
            refusedGuids.add(refusal.unrecorded)
        }
        guard let expired else { return .diskFullForNow }
        drop(key, failure)
        retire(expired, failure)
        return failure
    }

    /// Seconds that a first chunk and others that come again wait for each other.
    static let joiningTime = 2.0

    /// Holds a first chunk that may begin anew what is refused, or be one whose reply was lost. If its page begins anew it
    /// sends the other chunks again too, and the next one tells.
    func hold(
        _ request: UploadRequest, _ content: Content, _ call: Call, other: OtherContent?, _ refusal: Refusal
    ) throws(Failure) {
        let first = HeldFirstChunk(
            call: call, request: request, content: content, other: other, refusal: refusal,
            place: heldBodies.place(for: call.client))
        // What follows later keeps neither of the two: their places are free with their answers.
        switch guidRequests.hold(first) {
        case .noPlace: throw .awaitsFirst
        case .awaited: goOn(first)
        case .held(let number, let before):
            if let before { before.call.answer(.kept(before.refusal, before.call.settings)) }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) {
                guard let late = self.guidRequests.takeHeld(number) else { return }
                late.call.answer(.kept(late.refusal, late.call.settings))
            }
        }
    }

    /// Lets a chunk that its page counts as stored, and that comes again, wait for the first one: with that its page begins
    /// anew. It is to come again then. Once more told the refusal, it would be missing from what begins a moment later; so it
    /// is told that only where the page sends one chunk at a time, and the first one would have come before it.
    ///
    /// - Parameter overlaps: whether requests of its guid have overlapped.
    func awaitFirst(_ request: UploadRequest, _ call: Call, _ refusal: Refusal, overlaps: Bool) throws(Failure) {
        let key = GuidKey(request)
        guard let place = held.place(for: call.client), guidRequests.wait(key, call, place) else { throw .awaitsFirst }
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) { [weak call] in
            guard let call else { return }
            let isSerial = !overlaps && !self.guidRequests.overlap(key)
            for late in self.guidRequests.takeWaiting(key, call) {
                late.answer(isSerial ? .kept(refusal, late.settings) : .awaitsFirst)
            }
        }
    }

    /// Lets a first chunk that is held go on before the one that has come now.
    func join(_ request: UploadRequest) {
        guard request.chunk > 0, let first = guidRequests.takeHeld(of: request) else { return }
        // A page that goes on in the middle of the file does not begin anew.
        if refusedGuids.isCounted(request, first.refusal) {
            goOn(first)
        } else {
            first.call.answer(.kept(first.refusal, first.call.settings))
        }
    }

    /// Begins a refused guid anew with its first chunk. The others that wait for it come again.
    private func goOn(_ first: HeldFirstChunk) {
        do throws(Failure) {
            try process(
                first.request, first.content, first.call, other: first.other, isJoined: true, place: first.place)
        } catch {
            first.call.answer(error)
        }
        for call in guidRequests.takeWaiting(GuidKey(first.request)) { call.answer(.awaitsFirst) }
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

    /// Sees to room for a chunk which nothing was promised for: of a file whose size is not known, or of content that the
    /// owner has already. Others give way to it as to a new upload.
    func makeRoom(for length: Int, in upload: ActiveUpload) throws(Failure) {
        let record = upload.record
        guard record.isKnown || record.key.size == nil else { return }
        // As long as there is room, nothing is added up and no turn to write is needed.
        let promised = try recording(promisedBytes.value(catalogue))
        if (try? store.checkRoom(for: promised + length, withBodies: false)) != nil { return }
        for attempt in 0... {
            let room = try diskRoom(\.data)
            switch try recording(catalogue.makeRoom(for: length, of: record, room: room, now: uploadTime)) {
            case .made(let expired):
                return retire(expired, .expired, for: Client(recorded: record.client))
            case .none(_, _, comesFree: true) where attempt < 2 && waitForRoom(): continue
            case .none(let reason, let hasChunks, let comesFree):
                if hasChunks || comesFree { throw .diskFullForNow }
                if case .quota(let limit) = reason { throw .quota(limit) }
                throw .diskFull
            }
        }
    }

    /// How often a request asks again for room that is on its way off the disk, and after how many seconds. Most of it is
    /// there at once; the rest the page waits for. A first chunk waits without a thread.
    static let roomAttempts = 6
    static let roomPause = 0.05

    /// Waits a moment for it, with this thread. Returns `false` at once if another request does so: threads are for all
    /// clients.
    func waitForRoom() -> Bool {
        guard waitsForRoom.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return false }
        usleep(UInt32(Self.roomPause * 1_000_000))
        waitsForRoom.store(false, ordering: .releasing)
        return true
    }

    /// What there is of the disk, to be asked in a transaction: only a quick look is left for then.
    ///
    /// - Parameter part: which bytes count.
    func diskRoom(_ part: @escaping @Sendable (Room) -> Int) throws(Failure) -> @Sendable () -> DiskRoom {
        let before = try storing(store.room())
        return { [self] in
            let room = (try? store.room(since: before)) ?? before
            return DiskRoom(
                free: part(room), coming: part(before) - part(room) + room.inBodies,
                unrecorded: unrecorded.load(ordering: .relaxed))
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
        let evicted = uploads.count(where: \.isEvicted)
        metrics.evictedUploads.add(evicted, ordering: .relaxed)
        metrics.expiredUploads.add(uploads.count - evicted, ordering: .relaxed)
        if evicted > 0 {
            logger.notice(
                "unfinished uploads gave way to that of another client",
                metadata: [
                    "uploads": "\(evicted)", "client": "\(client)",
                    "from": "\(Set(uploads.compactMap(\.evictedClient)).sorted().prefix(5).joined(separator: ", "))",
                ])
        }
        if uploads.count > evicted {
            logger.debug("unfinished uploads have expired", metadata: ["uploads": "\(uploads.count - evicted)"])
        }
    }
}

extension Room {
    /// What new uploads may take of it: nothing where the bodies have none.
    var forUploads: Int { body.map { $0 < 0 ? min(data, $0) : data } ?? data }
}
