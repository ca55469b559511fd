import Catalogue
import ChunkStore
import Dispatch
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
        drop(request, failure)
        if refusal.isRecorded, let expired = try? catalogue.refuse(refusal) {
            retire(expired, failure)
        } else {
            refusal = refusal.unrecorded
            refusedGuids.add(refusal)
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

    /// Checks that a chunk which nothing was promised for takes no room that is promised to other uploads: of a file whose
    /// size is not known, or of content that the owner has already.
    func checkPromises(_ length: Int, in upload: ActiveUpload) throws(Failure) {
        guard upload.record.isKnown || upload.record.key.size == nil else { return }
        let room = try storing(store.room()).forUploads
        guard try room - recording(catalogue.promisedBytes()) >= length else { throw .diskFull }
    }

    /// Ends uploads that the catalogue has forgotten: their requests under way get the failure, and their files go.
    func retire(_ uploads: [ExpiredUpload], _ failure: Failure) {
        if uploads.isEmpty { return }
        let active = self.uploads.with(ids: Set(uploads.map(\.id)))
        remove(uploads)
        for upload in active { end(upload, .failed(failure)) }
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
