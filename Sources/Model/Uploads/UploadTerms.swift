/// On what terms a request may begin a new upload.
package struct UploadTerms: Sendable {
    /// For whom it counts.
    package let client: Client
    package let limits: UploadLimits
    /// Asked in the transaction that decides: what is promised there is not promised to another one at the same time.
    package let room: @Sendable () -> DiskRoom
    /// With the first chunk it may begin anew what is refused. Not so a request that was under way when it was refused.
    package let beginsAnew: Bool
    /// Its number.
    package let chunk: Int
    /// Other requests of the guid are under way.
    package let overlaps: Bool
    /// It is the first chunk, and another one that had come before has followed.
    package let isJoined: Bool
    /// Why the guid is to be refused: what its first chunk brings is no video. `nil` if it is not.
    package let refusal: String?
    /// Asked for an upload that is new: it will be one more video.
    package let permit: RecordPermit

    package init(
        client: Client, limits: UploadLimits, room: @escaping @Sendable () -> DiskRoom, beginsAnew: Bool = true,
        chunk: Int = 1, overlaps: Bool = false, isJoined: Bool = false, refusal: String? = nil,
        permit: RecordPermit = .unlimited
    ) {
        self.client = client
        self.limits = limits
        self.room = room
        self.beginsAnew = beginsAnew
        self.chunk = chunk
        self.overlaps = overlaps
        self.isJoined = isJoined
        self.refusal = refusal
        self.permit = permit
    }
}

/// What a disk has for uploads.
package struct DiskRoom: Sendable {
    /// Bytes that are free above the reserve; what is promised to uploads is in them.
    package let free: Int
    /// Bytes that are taken and will be free in a moment: those of request bodies.
    package let coming: Int
    /// Bytes that have been written and may not be recorded yet: taken, and still promised too.
    package let unrecorded: Int

    package init(free: Int, coming: Int = 0, unrecorded: Int = 0) {
        self.free = free
        self.coming = coming
        self.unrecorded = unrecorded
    }
}

/// Whether one more video may be recorded for a client.
package struct RecordPermit: Sendable {
    package let isGiven: @Sendable () -> Bool
    /// Is called when it was.
    package let use: @Sendable () -> Void

    package init(isGiven: @escaping @Sendable () -> Bool, use: @escaping @Sendable () -> Void) {
        self.isGiven = isGiven
        self.use = use
    }

    package static let unlimited = RecordPermit(isGiven: { true }, use: {})
}

/// How long uploads live after their last chunk.
package struct UploadExpiry: Sendable {
    /// Seconds since 1970.
    package let now: Int64
    /// Seconds, of an upload with several chunks, of a finished one's guids, and of a refusal.
    package let lifetime: Int64

    package init(now: Int64, lifetime: Int64) {
        self.now = now
        self.lifetime = lifetime
    }

    /// Seconds, of an upload with one chunk or none: as much as a page that is only looked at leaves.
    package static let shortLifetime: Int64 = 3600
    /// Seconds, of an upload whose content the owner has already.
    package static let knownLifetime: Int64 = 600

    /// What came last at such a time or before is gone, seconds since 1970.
    package var full: Int64 { now - lifetime }
    package var short: Int64 { now - min(Self.shortLifetime, lifetime) }
    package var known: Int64 { now - min(Self.knownLifetime, lifetime) }
}
