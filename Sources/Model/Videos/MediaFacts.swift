/// What transcoding made of a file. Paths are relative to the store; what was not made or is not known is `nil`.
package struct MediaFacts: Equatable, Sendable {
    /// Pixels, as it is shown.
    package var width: Int?
    /// Pixels, as it is shown.
    package var height: Int?
    /// As ffprobe names it, like `h264`.
    package var videoCodec: String?
    /// As ffprobe names it, like `aac`.
    package var audioCodec: String?
    /// Bits per second.
    package var bitRate: Int?
    /// A file that every browser plays.
    package var mp4Path: String?
    /// The stream's first playlist.
    package var hlsPath: String?
    /// A picture.
    package var posterPath: String?
    /// The index of the time line's pictures.
    package var thumbnailsPath: String?
    /// What is wrong with the file, though it plays.
    package var flaws: Set<VideoFlaw> = []
    /// Where all of it is, published as a whole; `nil` if an earlier version made it, beside the directories of claims.
    package var directory: String?

    package init() {}

    /// Every path that there is.
    package var paths: [String] { [mp4Path, hlsPath, posterPath, thumbnailsPath].compactMap(\.self) }
}
