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

    /// Whose upload this is, `""` for the one shared owner.
    package let owner: String
    /// 32 lower-case hexadecimal digits.
    package let md5: String
    package let extent: Extent
    /// The number of chunks; 0 for a whole file in one request.
    package let chunks: Int
    /// The length in bytes of every chunk but the last; `nil` of a request whose chunk does not tell it.
    package let chunkSize: Int?

    package init(owner: String, md5: String, extent: Extent, chunks: Int, chunkSize: Int?) {
        self.owner = owner
        self.md5 = md5
        self.extent = extent
        self.chunks = chunks
        self.chunkSize = chunkSize
    }

    /// Owners are told apart by their bytes, as the catalogue does: Swift takes canonically equivalent text for equal.
    package static func == (one: UploadKey, other: UploadKey) -> Bool {
        one.md5 == other.md5 && one.extent == other.extent && one.chunks == other.chunks
            && one.chunkSize == other.chunkSize && one.owner.utf8.elementsEqual(other.owner.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(md5)
        hasher.combine(extent)
        hasher.combine(chunks)
        hasher.combine(chunkSize)
        for byte in owner.utf8 { hasher.combine(byte) }
    }

    /// The whole file's size in bytes, where the page sends it.
    package var size: Int? {
        if case .size(let size) = extent { size } else { nil }
    }
}
