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

    package init() {}

    /// The directory of all that is made of a file, its own: `upload/mp4/YYYY/MM/original/NAME` has
    /// `upload/mp4/YYYY/MM/transcoded/NAME`. It goes with the file.
    package static func directory(ofOriginal path: String) -> String {
        var parts = path.split(separator: "/").map(String.init)
        guard let name = parts.popLast() else { return "" }
        if parts.last == "original" { parts.removeLast() }
        return (parts + ["transcoded", name]).joined(separator: "/")
    }

    /// The file that a directory belongs to, `nil` if it is none of those above.
    package static func original(ofDirectory path: String) -> String? {
        var parts = path.split(separator: "/").map(String.init)
        guard parts.count > 1, parts[parts.count - 2] == "transcoded" else { return nil }
        parts[parts.count - 2] = "original"
        return parts.joined(separator: "/")
    }

    /// Every path that there is.
    package var paths: [String] { [mp4Path, hlsPath, posterPath, thumbnailsPath].compactMap(\.self) }
}
