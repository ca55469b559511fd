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

    /// A refusal's reply could not be written: its chunk will come again, and its page does not begin anew with it.
    @Sendable func uncount(_ request: UploadRequest) {
        refusedGuids.uncount(request, (try? catalogue.refusal(of: request.key, guid: request.guid)) ?? nil)
    }

    /// Seconds that a first chunk and others that come again wait for each other.
    static let joiningTime = 2.0

    /// Holds a first chunk that may begin anew what is refused, or be one whose reply was lost. If its page begins anew it
    /// sends the other chunks again too, and the next one tells.
    ///
    /// - Returns: `false` if others wait for it already; it goes on then.
    func hold(_ first: HeldFirstChunk) throws(Failure) -> Bool {
        // What follows later keeps neither of the two: their places are free with their answers.
        switch guidRequests.hold(first) {
        case .noPlace: throw .awaitsFirst
        case .awaited: return false
        case .held(let number, let before):
            if let before { before.call.answer(.kept(before.refusal, before.call.settings)) }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.joiningTime) {
                guard let late = self.guidRequests.takeHeld(number) else { return }
                late.call.answer(.kept(late.refusal, late.call.settings))
            }
            return true
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
}
