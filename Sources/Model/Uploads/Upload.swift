/// What identifies an upload: who sends which content in how many chunks, and how long these are.
///
/// A page that was reloaded has another guid and still continues its upload, because a guid is only an alias. A page with
/// chunks of another length has another upload of the same file: neither locks the other out.
package struct UploadKey: Hashable, Sendable {
    /// What stands beside the digest to tell the content apart.
    package enum Extent: Hashable, Sendable {
        /// The whole file's size in bytes.
        case size(Int)
        /// The page sends no size; its guid takes that place.
        case guid(String)
    }

    private let exactOwner: ExactText
    /// 32 lower-case hexadecimal digits.
    package let md5: String
    package let extent: Extent
    /// The number of chunks; 0 for a whole file in one request.
    package let chunks: Int
    /// The length in bytes of every chunk but the last; `nil` of a request whose chunk does not tell it.
    package let chunkSize: Int?

    package init(owner: String, md5: String, extent: Extent, chunks: Int, chunkSize: Int?) {
        exactOwner = ExactText(owner)
        self.md5 = md5
        self.extent = extent
        self.chunks = chunks
        self.chunkSize = chunkSize
    }

    /// Whose upload this is, `""` for the one shared owner.
    package var owner: String { exactOwner.text }

    /// The whole file's size in bytes, where the page sends it.
    package var size: Int? { if case .size(let size) = extent { size } else { nil } }
}

/// An upload's record.
package struct Upload: Sendable {
    package enum State: String, Sendable {
        /// Chunks are missing, or it is not completed yet.
        case open
        /// Its video is published and recorded.
        case sealed
    }

    package let id: Int64
    package let key: UploadKey
    package let state: State
    /// The number its video has, or will have.
    package let videoID: Int64
    /// Whose limits it counts for; `""` where clients cannot be told apart.
    package let client: String
    /// The owner had the content already when it began.
    package let isKnown: Bool
    /// What the video will be called, by the request that began the upload or tried to complete it last.
    package let draft: VideoDraft
    /// The boot of the machine in which its chunks were last known to be good, `""` if they are in doubt.
    package let bootID: String
    /// How many different chunks it has, and their bytes.
    package let received: Int
    package let receivedBytes: Int
    /// When its last chunk came, or it began. Seconds of the catalogue's clock.
    package let updateTime: Int64

    /// The most aliases. One more takes the place of the oldest.
    package static let aliasLimit = 64

    /// Whether all of its chunks are there.
    package var isWhole: Bool { received >= max(key.chunks, 1) }

    /// Bytes that count against the room from its first chunk on, while it is open.
    package var heldBytes: Int { isKnown ? receivedBytes : key.size ?? receivedBytes }

    /// Where its chunks belong.
    package var layout: ChunkLayout {
        // Without a chunk size it is one that an older version left and no request can find.
        ChunkLayout(chunks: max(key.chunks, 1), chunkSize: key.chunkSize ?? key.size ?? 0, size: key.size)
    }

    package init(
        id: Int64, key: UploadKey, state: State, videoID: Int64, client: String, isKnown: Bool, draft: VideoDraft,
        bootID: String, received: Int, receivedBytes: Int, updateTime: Int64
    ) {
        self.id = id
        self.key = key
        self.state = state
        self.videoID = videoID
        self.client = client
        self.isKnown = isKnown
        self.draft = draft
        self.bootID = bootID
        self.received = received
        self.receivedBytes = receivedBytes
        self.updateTime = updateTime
    }
}

/// An upload that is forgotten and may have bytes in the store.
package struct ExpiredUpload: Equatable, Sendable {
    package let id: Int64
    /// What its video's file was to be called.
    package let path: String
    /// Its bytes that the catalogue counts as on their way off the disk, until `noteRemoved`.
    package let bytes: Int
    /// Whose it was, if it gave way to another client's.
    package let evictedClient: String?

    package init(id: Int64, path: String, bytes: Int = 0, evictedClient: String? = nil) {
        self.id = id
        self.path = path
        self.bytes = bytes
        self.evictedClient = evictedClient
    }
}

/// What `Catalogue.expireUploads` found.
package struct ExpiredUploads: Sendable {
    package let unfinished: [ExpiredUpload]
    /// There may be more of either kind, which another call finds.
    package let isPart: Bool
    /// How many finished ones, whose guids are no aliases any more.
    package let sealed: Int

    package init(unfinished: [ExpiredUpload], isPart: Bool, sealed: Int) {
        self.unfinished = unfinished
        self.isPart = isPart
        self.sealed = sealed
    }
}

/// What `Catalogue.beginUpload` found or made.
package enum UploadStart: Sendable {
    /// An unfinished upload. `expired` lists uploads that made way and may have bytes in the store; `left` those of the same
    /// file, with chunks of another length, that the guid is no alias of any more.
    case unfinished(Upload, expired: [ExpiredUpload], left: [Int64])
    /// The guid's upload is complete.
    case sealed(Video)
    /// The guid has chunks of another length in an upload of the same file, and this one is not its first.
    case otherChunkSize
    /// The last chunk of a file of unknown size, of which no other chunk is recorded.
    case unplaced
    /// The guid is refused. `expired` as above.
    case refused(Refusal, expired: [ExpiredUpload] = [])
    /// There is no room for a new upload yet: what gave way, or is over, is still on its way off the disk, or others are about
    /// to be videos. `expired` as above.
    case awaitsRoom(Admission.Refusal, expired: [ExpiredUpload])
}

/// What `Catalogue.makeRoom` did.
package enum RoomMade: Sendable {
    /// There is room. `expired` lists uploads that made way and may have bytes in the store.
    case made(expired: [ExpiredUpload])
    /// There is none, and none can be taken. Or not yet, where `comesFree`.
    case none(Admission.Refusal, hasChunks: Bool, comesFree: Bool)
}

/// What `Catalogue.seal` did.
package enum Sealing: Sendable {
    /// The upload is a video, by this call or an earlier one. `others` are uploads that have become the same video, and may
    /// have bytes in the store.
    case sealed(Video, others: [ExpiredUpload])
    /// The upload is gone.
    case gone
    /// There are files of the same content with which it was not compared.
    case unknownFiles
    /// The path is no video's any more, or its file is not there: the upload needs another one.
    case pathLost
}

/// A file or a directory that no record points to any more: about to be removed, and no video's path until it is.
package struct Garbage: Equatable, Sendable {
    package let id: Int64
    /// Relative to the store; what was there may be gone.
    package let path: String

    /// Seconds that what was made of a video stays where it was, though something else has taken its place: for who plays it,
    /// and for who has its address.
    package static let retention: Int64 = 24 * 3600

    package init(id: Int64, path: String) {
        self.id = id
        self.path = path
    }
}

/// A chunk whose bytes are stored.
package struct StoredChunk: Hashable, Sendable {
    /// Its number, from 0.
    package let number: Int
    /// Bytes.
    package let length: Int
    /// The CRC32C of its bytes as they came, `nil` if it was recorded before there were checksums, or its bytes
    /// are being replaced, or were when a process died.
    package let crc32c: UInt32?

    package init(number: Int, length: Int, crc32c: UInt32?) {
        self.number = number
        self.length = length
        self.crc32c = crc32c
    }

    /// The same, whatever its bytes are.
    package var inDoubt: StoredChunk { StoredChunk(number: number, length: length, crc32c: nil) }
}

/// A stored chunk, to be recorded.
package struct ChunkRecord: Sendable {
    package let upload: Int64
    /// Whose request brings it.
    package let guid: String
    /// Requests of the guid are under way at the same time.
    package let overlaps: Bool
    package let chunk: StoredChunk
    /// Seconds since 1970.
    package let time: Int64

    package init(upload: Int64, guid: String, overlaps: Bool = false, chunk: StoredChunk, time: Int64) {
        self.upload = upload
        self.guid = guid
        self.overlaps = overlaps
        self.chunk = chunk
        self.time = time
    }
}

/// Where the bytes of each chunk belong in the file.
///
/// The chunk size is never sent. A chunk that is not the last has it as its length; the last tells it where the size is
/// known. It is part of what an upload is: chunks of another length belong to another upload of the same file.
///
///     |<- chunkSize ->|<- chunkSize ->|<- last ->|
///     0               chunkSize       2 × chunkSize
package struct ChunkLayout: Hashable, Sendable {
    /// A chunk that is none of its file: its length cannot be right for its number, the size and the number of chunks.
    package struct Contradiction: Error, Equatable {}

    /// The number of chunks, at least 1.
    package let chunks: Int
    /// The length in bytes of every chunk but the last.
    package let chunkSize: Int
    /// The whole file's size in bytes; `nil` where the page does not send it and only the last chunk will tell.
    package let size: Int?

    /// The chunk size that a chunk tells.
    ///
    /// - Parameters:
    ///   - chunk: its number, from 0.
    ///   - length: its bytes.
    ///   - chunks: at least 1.
    ///   - size: the whole file's bytes, `nil` where the page does not send them.
    ///   - sizeLimit: the most bytes that a file may have.
    /// - Returns: bytes; `nil` for the last of several chunks of a file of unknown size, which does not tell it.
    /// - Throws: `Contradiction` if there is no layout with this chunk.
    package static func chunkSize(
        ofChunk chunk: Int, length: Int, chunks: Int, size: Int?, sizeLimit: Int
    ) throws(Contradiction) -> Int? {
        guard chunk >= 0, chunk < chunks, length > 0, length <= sizeLimit, size.map({ $0 <= sizeLimit }) ?? true else {
            throw Contradiction()
        }
        if chunks == 1 {
            guard size == nil || size == length else { throw Contradiction() }
            return length
        }
        if chunk < chunks - 1 {
            let (before, overflow) = length.multipliedReportingOverflow(by: chunks - 1)
            guard !overflow, before < size ?? sizeLimit else { throw Contradiction() }
            // chunks == ceil(size / length), without a product that could overflow.
            if let size, size - before > length { throw Contradiction() }
            return length
        }
        guard let size else { return nil }
        let rest = size - length
        guard rest > 0, rest % (chunks - 1) == 0, rest / (chunks - 1) >= length else { throw Contradiction() }
        return rest / (chunks - 1)
    }

    /// The bytes of a chunk with this length.
    ///
    /// - Throws: `Contradiction` if it does not fit.
    package func range(ofChunk chunk: Int, length: Int, sizeLimit: Int = .max) throws(Contradiction) -> Range<Int> {
        let told = try Self.chunkSize(ofChunk: chunk, length: length, chunks: chunks, size: size, sizeLimit: sizeLimit)
        let offset = chunk * chunkSize
        guard told ?? chunkSize == chunkSize, length <= chunkSize, sizeLimit - offset >= length else {
            throw Contradiction()
        }
        return offset..<offset + length
    }

    /// Where the first `count` chunks end, all of which are there.
    ///
    /// - Parameter lastLength: the last chunk's bytes, which tell it where the size is not known.
    package func end(ofFirst count: Int, lastLength: Int?) -> Int {
        guard count == chunks else { return count * chunkSize }
        return size ?? (chunks - 1) * chunkSize + (lastLength ?? 0)
    }
}
