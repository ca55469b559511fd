/// Something that happened to a video and that others want to be told of.
package struct Event: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// A record was made, by an upload or by instant upload.
        case uploadCompleted = "upload.completed"
        /// What transcoding made of its file is there.
        case videoReady = "video.ready"
        /// Transcoding its file has failed for good, or was cancelled.
        case videoFailed = "video.failed"
    }

    /// Grows from one event to the next.
    package let id: Int64
    package let kind: Kind
    package let videoID: Int64
    /// A JSON object with what was known of the video when it happened; paths in it are relative to the store.
    package let payload: String
    /// How often it was handed out for delivery, this time included.
    package let attempts: Int

    /// Seconds that an event is kept after its delivery.
    package static let lifetimeDelivered: Int64 = 7 * 24 * 3600
    /// Seconds that an undelivered event is kept.
    package static let lifetimeUndelivered: Int64 = 30 * 24 * 3600
    /// The most seconds that an event ever waits for its next delivery. What is further away was written when the clock was
    /// ahead, and is due.
    package static let longestDelay: Int64 = 2 * 3600

    package init(id: Int64, kind: Kind, videoID: Int64, payload: String, attempts: Int) {
        self.id = id
        self.kind = kind
        self.videoID = videoID
        self.payload = payload
        self.attempts = attempts
    }
}

/// How many events `Catalogue.expireEvents` found.
package struct ExpiredEvents: Equatable, Sendable {
    package let delivered: Int
    package let undelivered: Int

    package init(delivered: Int, undelivered: Int) {
        self.delivered = delivered
        self.undelivered = undelivered
    }
}
