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

    /// Seconds within which a track has to begin, and bytes, to be found in a container that does not announce its tracks, or
    /// for its codec's parameters to be found. ffmpeg ends its search as soon as all is known.
    private static let latestTrack = 90
    private static let probedBytes = 32 << 20

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
        let tracks = demuxer == .mpegts ? ["-merge_pmt_versions", "1"] : []
        return tracks + [
            "-protocol_whitelist", "file", "-format_whitelist", formats,
            "-analyzeduration", "\(Self.latestTrack * 1_000_000)", "-probesize", "\(Self.probedBytes)",
            "-max_pixels", "\(sideLimit * sideLimit)", "-f", demuxer.rawValue, "-i", "file:\(path)",
        ]
    }
}
