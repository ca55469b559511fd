import Catalogue
import ChunkStore
import Dispatch
import Glibc
import Logging
import Uploads

/// upload_file: a refusal sticks. WebUploader takes every reply with HTTP 200 for a stored chunk, so after one -3 all later
/// chunks of the guid get the same, until it begins anew.
extension IntakeService {
    /// Keeps a refusal in mind that is new and after which other chunks of the guid may come.
    func refuseIfFinal(_ request: UploadRequest, _ call: Call, _ failure: Failure) {
        guard !failure.isKept, request.chunks > 1, failure.reply(call.settings.language).code == -3 else { return }
        let hasRoom = (try? store.room()).map { $0.data > 0 } ?? false
        var refusal = Refusal(
            owner: request.owner, md5: request.md5, guid: request.guid, reason: failure.reason.rawValue,
            hasFirst: request.chunk == 0, overlaps: guidRequests.overlap(request),
            otherChunk: request.chunk, client: call.client, time: uploadTime, isRecorded: hasRoom)
        // Known before the guid is no alias any more: a chunk that comes meanwhile must not make it one again.
        if refusal.isRecorded, let expired = try? catalogue.refuse(refusal) {
            drop(request, failure)
            retire(expired, failure)
        } else {
            refusal = refusal.unrecorded
            refusedGuids.add(refusal)
            drop(request, failure)
        }
    }

    /// Seconds that a first chunk waits for another one that comes again with it.
    static let joiningTime = 2.0

    /// Holds a first chunk that may begin anew what is refused, or be one whose reply was lost. If its page begins anew it
    /// sends the other chunks again too, and the next one tells. Returns `false` if it cannot be held.
    func hold(
        _ request: UploadRequest, _ content: Content, _ call: Call, isVideo: Bool?, _ refusal: Refusal
    ) -> Bool {
        let first = HeldFirstChunk(
            call: call, request: request, content: content, isVideo: isVideo, refusal: refusal)
        guard let replaced = guidRequests.hold(first) else { return false }
        if let before = replaced.before { before.call.answer(.kept(before.refusal, before.call.settings)) }
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) {
            guard let late = self.guidRequests.takeHeld(replaced.number) else { return }
            late.call.answer(.kept(late.refusal, late.call.settings))
        }
        return true
    }

    /// Lets a first chunk that is held go on before the one that has come now.
    func join(_ request: UploadRequest) {
        guard request.chunk > 0, let first = guidRequests.takeHeld(of: request) else { return }
        do throws(Failure) {
            // A page that goes on in the middle of the file does not begin anew.
            guard request.chunk <= first.refusal.otherChunk else { throw .kept(first.refusal, first.call.settings) }
            try process(first.request, first.content, first.call, isVideo: first.isVideo, isJoined: true)
        } catch {
            first.call.answer(error)
        }
    }

    /// A guid is no alias any more of the upload that this process works on.
    func drop(_ request: UploadRequest, _ failure: Failure) {
        guard let upload = uploads.active(request.key) else { return }
        for waiting in upload.refuse(guid: request.guid, failure) {
            upload.end()
            waiting.call.answer(failure)
        }
    }

    /// Sees to room for a chunk which nothing was promised for: of a file whose size is not known, or of content that the
    /// owner has already. Others give way to it as to a new upload.
    func makeRoom(for length: Int, in upload: ActiveUpload) throws(Failure) {
        let record = upload.record
        guard record.isKnown || record.key.size == nil else { return }
        for attempt in 0... {
            let room = try storing(store.room()).forUploads
            let unrecorded = self.unrecorded.load(ordering: .relaxed)
            switch try recording(
                catalogue.makeRoom(for: length, of: record, room: room, unrecorded: unrecorded, now: uploadTime))
            {
            case .made(let expired):
                noteEvicted(expired, for: Client(recorded: record.client))
                return retire(expired, .expired)
            case .none(_, _, comesFree: true) where attempt < Self.roomAttempts:
                usleep(Self.roomPause)
            case .none(let reason, let hasChunks, let comesFree):
                if hasChunks || comesFree { throw .diskFullForNow }
                throw reason == .quota ? .quota : .diskFull
            }
        }
    }

    /// How often a request asks again for room that is on its way off the disk, and after how many microseconds. Most of it
    /// is there at once; a request thread is not held for the rest, which the page waits for.
    static let roomAttempts = 2
    static let roomPause: UInt32 = 50_000

    /// Ends uploads that the catalogue has forgotten: their requests under way get the failure, and their files go.
    func retire(_ uploads: [ExpiredUpload], _ failure: Failure) {
        if uploads.isEmpty { return }
        let active = self.uploads.with(ids: Set(uploads.map(\.id)))
        remove(uploads)
        for upload in active { end(upload, .failed(failure)) }
        try? catalogue.noteRemoved(bytes: uploads.reduce(0) { $0 + $1.bytes })
    }

    /// Uploads had to give way to a client's new one.
    func noteEvicted(_ uploads: [ExpiredUpload], for client: Client) {
        if uploads.isEmpty { return }
        metrics.evictedUploads.add(uploads.count, ordering: .relaxed)
        logger.notice(
            "unfinished uploads gave way to that of another client",
            metadata: ["uploads": "\(uploads.count)", "client": "\(client)"])
    }
}

extension Room {
    /// What new uploads may take of it: nothing where the bodies have none.
    var forUploads: Int { body.map { $0 < 0 ? min(data, $0) : data } ?? data }
}
