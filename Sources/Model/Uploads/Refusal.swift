/// A guid that is refused: each of its chunks gets the same reason until it begins anew.
package struct Refusal: Equatable, Sendable {
    /// Whose guid it is, `""` for the one shared owner.
    package let owner: String
    /// The content that it stands for: two page loads may have the same guid.
    package let md5: String
    package let guid: String
    /// As `X-Intake-Reason` says it; where more is said of it, that comes behind a space.
    package let reason: String
    /// The first chunk has come once already: the next one begins anew.
    package var hasFirst: Bool
    /// Some of the guid's requests were under way at the same time: its page sends in parallel.
    package var overlaps: Bool
    /// A chunk that the page takes for stored; 0 if there is none but the first.
    package var otherChunk: Int
    package let client: Client
    /// Seconds since 1970.
    package let time: Int64
    /// Whether the catalogue has it. It has none of those that came when there was no room for a row.
    package var isRecorded: Bool

    package init(
        owner: String, md5: String, guid: String, reason: String, hasFirst: Bool, overlaps: Bool = false,
        otherChunk: Int = 0, client: Client, time: Int64, isRecorded: Bool
    ) {
        self.owner = owner
        self.md5 = md5
        self.guid = guid
        self.reason = reason
        self.hasFirst = hasFirst
        self.overlaps = overlaps
        self.otherChunk = otherChunk
        self.client = client
        self.time = time
        self.isRecorded = isRecorded
    }

    /// Whether it is for want of room or of a share, and not for what is wrong with the upload.
    package var isForWant: Bool { ["quota", Self.diskFull].contains(String(reason.prefix { $0 != " " })) }

    /// Whether a request with the first chunk ends it.
    package func ends(_ terms: UploadTerms) -> Bool {
        hasFirst && terms.beginsAnew && (terms.isJoined || !isInDoubt(overlaps: terms.overlaps))
    }

    /// Whether a first chunk that comes again may be one whose reply was lost, while the page goes on with the others. If it
    /// is not, the page sends the others again too.
    package func isInDoubt(overlaps: Bool) -> Bool { (self.overlaps || overlaps) && otherChunk > 0 }

    /// Whether a request with another chunk than the first tells what is not known yet.
    package func isNews(_ terms: UploadTerms) -> Bool { otherChunk == 0 || terms.overlaps && !overlaps }

    /// Guids of one client that are refused at most; the oldest are forgotten first. Of clients that cannot be told apart it
    /// is half of `limit`.
    package static let clientLimit = 2000
    /// Guids that are refused at most. The client with the most loses its oldest first.
    package static let limit = 20_000

    package static let expired = "expired"
    package static func quota(_ limit: QuotaLimit) -> String { "quota \(limit.rawValue)" }
    package static let diskFull = "disk-full"
}
