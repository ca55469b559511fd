import Model
import Glibc
import System

/// A file to read with ffmpeg, and the one way to read it.
package struct SourceFile: Sendable {
    /// An absolute path of ours.
    package let path: String
    package let format: VideoFormat

    package init(path: String, format: VideoFormat) {
        self.path = path
        self.format = format
    }

    /// Whether ffmpeg looks for tracks and their parameters longer than it usually does. It then takes a sound that changes its
    /// form in that time for one of the last form, so it is done where something is missing without.
    var searchesLonger = false
    /// Seconds, and bytes.
    private static let longestSearch = (time: 90, bytes: 32 << 20)

    /// The bytes of the file, which must be one that can be read.
    func length() throws(TranscodingError) -> Int {
        // Without waiting for the other end of a pipe.
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
        return try io { () throws(SystemError) in
            Int(try Descriptor(owning: SystemError.check("open") { open(path, flags) }).status().st_size)
        }
    }

    /// The arguments that open the file, for ffmpeg and ffprobe.
    ///
    /// The demuxer is named, which keeps ffmpeg from guessing a playlist or a script, and no other one is opened for what
    /// is inside the file. Nothing but local files can be opened, and a picture that became too large is not decoded.
    func arguments(sideLimit: Int) -> [String] {
        // hls opens its segments, which are ours, with another demuxer.
        let formats = format == .hls ? "hls,mov" : format.rawValue
        // After an advertisement a broadcast has other numbers for its tracks, which are the same ones.
        var options = format == .mpegTS ? ["-merge_pmt_versions", "1"] : []
        if searchesLonger {
            let (time, bytes) = Self.longestSearch
            options += ["-analyzeduration", "\(time * 1_000_000)", "-probesize", "\(bytes)"]
        }
        return options + [
            "-protocol_whitelist", "file", "-format_whitelist", formats,
            "-max_pixels", "\(sideLimit * sideLimit)", "-f", format.rawValue, "-i", "file:\(path)",
        ]
    }
}
