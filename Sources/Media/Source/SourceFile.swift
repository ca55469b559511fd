import ChunkStore
import Glibc
import System

/// A file to read with ffmpeg, and the one way to read it.
package struct SourceFile: Sendable {
    /// ffmpeg's names of the demuxers that may be used: those of the containers that can be uploaded, and the one for
    /// looking at what was made.
    package enum Demuxer: String, CaseIterable, Sendable {
        case mov, avi, flv, matroska, mpegts, mpeg, asf
        case hls

        /// Whether every packet has the time it is shown at, without which it cannot be moved to another container.
        var hasTimestamps: Bool { self != .avi && self != .mpeg && self != .asf }
    }

    /// An absolute path of ours.
    package let path: String
    package let demuxer: Demuxer

    package init(path: String, demuxer: Demuxer) {
        self.path = path
        self.demuxer = demuxer
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
        let formats = demuxer == .hls ? "hls,mov" : demuxer.rawValue
        // After an advertisement a broadcast has other numbers for its tracks, which are the same ones.
        var options = demuxer == .mpegts ? ["-merge_pmt_versions", "1"] : []
        if searchesLonger {
            let (time, bytes) = Self.longestSearch
            options += ["-analyzeduration", "\(time * 1_000_000)", "-probesize", "\(bytes)"]
        }
        return options + [
            "-protocol_whitelist", "file", "-format_whitelist", formats,
            "-max_pixels", "\(sideLimit * sideLimit)", "-f", demuxer.rawValue, "-i", "file:\(path)",
        ]
    }
}
