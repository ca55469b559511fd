import Model
import System

/// What delivers events needs of the catalogue.
package protocol Outbox: Sendable {
    func claimEvents(limit: Int, lease: Int64, now: Int64) throws(CatalogueError) -> [Event]
    func noteDelivered(_ event: Event, now: Int64) throws(CatalogueError)
    func noteDeliveryFailed(_ event: Event, notBefore: Int64) throws(CatalogueError)
}

extension Catalogue: Outbox {
    /// Hands out events to be delivered, the oldest first: those that are due, and of each video only the oldest.
    ///
    /// What is not delivered within `lease` seconds, because its deliverer died, is due again. An event may so be delivered
    /// twice, but never before an older one of its video.
    package func claimEvents(limit: Int, lease: Int64, now: Int64) throws(CatalogueError) -> [Event] {
        // What is further away was written when the clock was ahead, and is due.
        let waiting = now + 1...now + Event.longestDelay
        guard try read({ try $0.hasEvents(notBeforeOutside: waiting) }) else { return [] }
        return try write { try $0.claimEvents(limit: limit, notBeforeOutside: waiting, notBefore: now + lease) }
    }

    /// Records that an event was delivered.
    package func noteDelivered(_ event: Event, now: Int64) throws(CatalogueError) {
        try write { try $0.setDelivered(event: event.id, time: now) }
    }

    /// Records a failed delivery, and when to try again.
    package func noteDeliveryFailed(_ event: Event, notBefore: Int64) throws(CatalogueError) {
        // Not if a later attempt is under way or has succeeded.
        try write { try $0.setNotBefore(notBefore, event: event.id, attempts: event.attempts) }
    }

    /// Forgets events that were delivered 7 days ago or earlier, and those that are undelivered after 30 days; only counts
    /// them if `isDryRun`.
    package func expireEvents(now: Int64, isDryRun: Bool) throws(CatalogueError) -> ExpiredEvents {
        let (delivered, written) = (now - Event.lifetimeDelivered, now - Event.lifetimeUndelivered)
        let found = try read { try $0.countEvents(deliveredUpTo: delivered, writtenUpTo: written) }
        if isDryRun || found == ExpiredEvents(delivered: 0, undelivered: 0) { return found }
        return try deleting { rows in
            let expired = try rows.deleteEvents(deliveredUpTo: delivered, writtenUpTo: written)
            try rows.add(expired.undelivered, to: .eventsGivenUp)
            return expired
        }
    }

    /// Writes an event of each of these videos, in the transaction that makes it true.
    /// - Parameter error: the code of the error with which the job has failed.
    /// - Returns: the range of their numbers; `nil` if no event is written.
    @discardableResult
    func note(
        _ kind: Event.Kind, _ videos: [Video], error: String? = nil, now: Int64, in rows: any CatalogueRows
    ) throws -> ClosedRange<Int64>? {
        guard writesEvents else { return nil }
        let epoch = try rows.text(.epoch)
        let events = videos.map { video in
            NewEvent(
                kind: kind, videoID: video.id,
                payload: kind.payload(video, error: error, epoch: epoch, now: now))
        }
        return try rows.insert(events, time: now)
    }
}

extension Event.Kind {
    /// What receivers are told: `Webhooks.md` lists it.
    fileprivate func payload(_ video: Video, error: String?, epoch: String?, now: Int64) -> String {
        let media = video.media
        let flaws = media.map { [VideoFlaw]($0.flaws).map(\.rawValue) }
        let failure = self == .videoFailed ? video.failure?.rawValue : nil
        let duration = video.duration.map(DecimalNumber.init)
        let object: JSONObject = [
            "epoch": epoch, "kind": rawValue, "time": now, "video_id": video.id, "owner": video.owner,
            "guid": video.guid, "video_name": video.name, "path": video.path, "size": video.size,
            "duration": duration, "md5": video.md5, "class_id": video.classID,
            "class_name": video.className, "game_name": video.gameName, "create_time": video.createTime,
            // The code alone: the rest is for operators.
            "error": error, "width": media?.width, "height": media?.height, "mp4_path": media?.mp4Path,
            "hls_path": media?.hlsPath, "poster_path": media?.posterPath, "thumbnails_path": media?.thumbnailsPath,
            "flaws": flaws, "failure": failure,
        ]
        return String(decoding: object.bytes, as: UTF8.self)
    }
}

/// A number that always has a decimal point.
private struct DecimalNumber: JSONValue {
    let value: Double

    func append(to text: inout [UInt8]) { text += "\(value)".utf8 }
}
