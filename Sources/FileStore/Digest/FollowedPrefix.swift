import ChunkStore
import Model
import System

/// How far the digest and the comparison of an upload have come whose file is closed: once it is opened again, they go on
/// from there instead of reading everything again.
///
/// It is worth nothing once a chunk was replaced or the file written to, by another process for example.
struct FollowedPrefix: Sendable {
    let file: StoredFile.Version
    /// A hash of the chunks that are recorded.
    let chunks: Int
    let digest: PrefixDigest.State?
    let comparison: Comparison?

    struct Comparison: Sendable {
        /// Of the videos' files.
        let files: [StoredFile.Version]
        let prefix: PrefixComparison.State
    }

    /// Bytes that one takes, about.
    static let weight = 1024
}

extension FollowedPrefix {
    /// Stops digest and comparison for good; `nil` if there is nothing to go on from.
    init?(
        _ file: StoredFile, _ digest: PrefixDigest, _ videos: [StoredFile], _ comparison: PrefixComparison?,
        chunks: [StoredChunk]
    ) {
        let digest = digest.suspend()
        let comparison = comparison?.suspend().flatMap { state in
            Self.versions(videos).map { Comparison(files: $0, prefix: state) }
        }
        guard digest != nil || comparison != nil, let file = try? file.version() else { return nil }
        self.init(file: file, chunks: Self.hash(chunks), digest: digest, comparison: comparison)
    }

    /// Whether the upload is as it was when its file was closed.
    func holds(for file: StoredFile, chunks: [StoredChunk]) -> Bool {
        self.file == (try? file.version()) && self.chunks == Self.hash(chunks)
    }

    /// How far the comparison with these files has come, `nil` if it was with others.
    func comparison(with files: [StoredFile]) -> PrefixComparison.State? {
        comparison.flatMap { $0.files == Self.versions(files) ? $0.prefix : nil }
    }

    private static func hash(_ chunks: [StoredChunk]) -> Int { Set(chunks).hashValue }

    private static func versions(_ files: [StoredFile]) -> [StoredFile.Version]? { try? files.map { try $0.version() } }
}
