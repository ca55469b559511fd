/// The kinds of video file that can be opened. Which one a file is its first bytes tell; its name plays no part.
///
/// The raw values are the names of ffmpeg's demuxers.
package enum VideoFormat: String, CaseIterable, Sendable {
    case mp4 = "mov"
    case avi, flv, matroska
    case mpegTS = "mpegts"
    case mpegPS = "mpeg"
    case asf
    /// A stream that was made here. No file that is uploaded is one: its playlist could name other files.
    case hls

    /// Every file extension that can be allowed.
    package static let fileExtensions = [
        "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ts", "vob", "webm",
        "wmv",
    ]

    /// Whether every packet has the time it is shown at, without which it cannot be moved to another container.
    package var hasTimestamps: Bool { self != .avi && self != .mpegPS && self != .asf }
}
