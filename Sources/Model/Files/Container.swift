/// The kinds of video file that can be opened. Which one a file is its first bytes tell; its name plays no part.
package enum Container: String, CaseIterable, Sendable {
    case mp4, avi, flv, matroska, mpegTS, mpegPS, asf

    /// Every file extension that can be allowed.
    package static let fileExtensions = [
        "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ts", "vob", "webm",
        "wmv",
    ]

    /// The name of ffmpeg's demuxer; naming it keeps ffprobe from guessing a playlist, which could open other files.
    package var demuxer: String {
        switch self {
        case .mp4: "mov"
        case .avi: "avi"
        case .flv: "flv"
        case .matroska: "matroska"
        case .mpegTS: "mpegts"
        case .mpegPS: "mpeg"
        case .asf: "asf"
        }
    }
}
