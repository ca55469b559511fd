/// What was made of a video. Paths are relative to the directory that is published.
package struct TranscodingResult: Equatable, Sendable {
    /// The uploaded file; its duration is known.
    package let source: MediaInformation
    /// `nil` if the profile does not want it.
    package var mp4: MP4?
    /// The stream's qualities, the best one first; empty if the profile wants none.
    package var renditions: [Rendition] = []
    package var hasPoster = false
    package var thumbnails: Thumbnails?
    /// What is wrong with the source, though it plays.
    package var flaws: Set<Flaw> = []
    /// Bytes of all files together.
    package var size = 0

    package static let mp4Path = "video.mp4"
    package static let masterPath = "hls/master.m3u8"
    package static let posterPath = "poster.jpg"
    package static let thumbnailsPath = "thumbnails.jpg"
    package static let cuesPath = "thumbnails.vtt"

    package enum Flaw: String, CaseIterable, Sendable {
        /// It ends in the middle, or the file says that there should be more.
        case truncated
        /// Some of it cannot be decoded.
        case damaged
    }

    package struct MP4: Equatable, Sendable {
        /// As it is shown.
        package let size: PictureSize
        /// Whether the stream is the uploaded one, packet by packet.
        package let hasCopiedVideo: Bool
        package let hasCopiedAudio: Bool
    }

    package struct Rendition: Equatable, Sendable {
        /// The height of its frame, which is the name of its directory too.
        package let height: Int
        package let size: PictureSize
        /// The most and the average bits per second.
        package let bandwidth: Int
        package let averageBandwidth: Int
    }

    /// The small pictures of the time line, row by row in one picture.
    package struct Thumbnails: Equatable, Sendable {
        package let count: Int
        package let columns: Int
        /// Of one.
        package let size: PictureSize
        /// Seconds from one to the next.
        package let interval: Double
    }
}
