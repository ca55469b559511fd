import Uploads

/// An upload's record.
package struct Upload: Sendable {
    package enum State: String, Sendable {
        /// Chunks are missing, or nobody has completed it yet.
        case open
        /// Its video is published and recorded.
        case sealed
        /// It will never be a video; every chunk but the first gets the reason.
        case rejected
    }

    package let id: Int64
    package let key: UploadKey
    package let state: State
    /// Why it was rejected.
    package let reason: String?
    /// The number its video has, or will have.
    package let videoID: Int64
    /// What earlier chunks told of the layout, in bytes.
    package let chunkSize: Int?
    package let lastLength: Int?
    /// The video of the same content that the owner already has: the chunks are compared with it and not stored.
    package let originalPath: String?
}

/// What `Catalogue.beginUpload` found or made.
package enum UploadStart: Sendable {
    /// An unfinished upload. `expired` lists uploads that made way and may have bytes in the store.
    case unfinished(Upload, expired: [Int64])
    /// The guid's upload is complete.
    case sealed(Video)
}

/// A chunk whose bytes are stored.
package struct StoredChunk: Equatable, Sendable {
    /// Its number, from 0.
    package let number: Int
    /// Bytes.
    package let length: Int
    /// Its bytes differ from those of the original it was compared with.
    package let differs: Bool

    package init(number: Int, length: Int, differs: Bool = false) {
        self.number = number
        self.length = length
        self.differs = differs
    }
}
