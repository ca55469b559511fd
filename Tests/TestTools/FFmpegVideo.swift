import Foundation

/// A video with a moving picture and a sound, made by ffmpeg; no two have the same bytes.
package struct FFmpegVideo: Sendable {
    package enum Kind: CaseIterable, Sendable {
        /// H.264 and AAC in mp4: what browsers play as it is.
        case h264
        case hevc
        case mpeg4
        case avi
        case flv
    }

    package let fileName: String
    package let content: [UInt8]

    /// - Parameters:
    ///   - size: of the picture.
    ///   - rate: pictures a second.
    package init(_ kind: Kind, size: String = "320x180", seconds: Double = 2, rate: Int = 25) throws {
        let (name, codecs): (String, [String]) =
            switch kind {
            case .h264:
                ("h264.mp4", ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"])
            case .hevc:
                (
                    "hevc.mp4",
                    ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"]
                )
            case .mpeg4: ("mpeg4.mp4", ["-c:v", "mpeg4", "-c:a", "mp3"])
            case .avi: ("old.avi", ["-c:v", "mpeg4", "-c:a", "mp3"])
            case .flv: ("old.flv", ["-c:v", "flv", "-c:a", "mp3", "-ar", "44100"])
            }
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent(name)
        let made = try ChildProcess.run(
            "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=\(size):rate=\(rate)", "-f", "lavfi",
                "-i",
                "sine=frequency=440:sample_rate=44100", "-t", "\(seconds)", "-metadata", "title=\(UUID().uuidString)",
            ] + codecs + [file.path], within: 120)
        guard made.end == .exit(0) else { throw NotReady("ffmpeg: \(made.errors)") }
        fileName = name
        content = Array(try Data(contentsOf: file))
    }
}
