import Foundation
import Model
import System

/// The parts of ffmpeg's command lines that are the same everywhere.
enum FFmpeg {
    /// The program and what goes before the input: nothing but errors on standard error, progress on standard output.
    static let command = [
        "ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5",
    ]
    /// The same for one that tells something on standard output.
    static let telling = ["ffmpeg", "-nostdin", "-v", "error"]
    /// Nothing but a picture and a sound: no subtitles, data, chapters or names that the uploader chose.
    static let streamsOnly = ["-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]
    /// Packets wait for those of the other track, however late its encoder is: with few pictures a second x264 holds back more
    /// than the 10 s that ffmpeg waits for.
    static let inStep = ["-max_interleave_delta", "0"]

    /// Seconds as ffmpeg reads them, to the microsecond.
    static func seconds(_ seconds: Double) -> String { String(format: "%.6f", seconds) }

    /// Terms of an expression of ffmpeg's, one after the other, in brackets: it reads no more than about 90 in a row, each of
    /// which is a level deeper than the one before, but hundreds as a tree.
    static func joined(_ terms: [String], by separator: String) -> String {
        guard terms.count > 8 else { return terms.joined(separator: separator) }
        let middle = terms.count / 2
        let halves = [terms[..<middle], terms[middle...]].map { "(\(joined(Array($0), by: separator)))" }
        return halves.joined(separator: separator)
    }
}

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

    /// Opens it for reading, without waiting for the other end of a pipe.
    func open() throws(SystemError) -> StoredFile { StoredFile(try Descriptor(path: path, O_RDONLY | O_NONBLOCK)) }

    /// The bytes of the file, which must be one that can be read.
    func length() throws(TranscodingError) -> Int { try io { () throws(SystemError) in try open().length() } }

    /// The arguments that open the file, for ffmpeg and ffprobe.
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

// MARK: - What it writes

/// Splits what a tool writes into lines.
struct LineReader {
    /// Bytes of a line that are kept: none of use is that long.
    private static let limit = 512
    /// What has come of a line that has no end yet.
    private(set) var line: [UInt8] = []

    /// Passes on each line that is whole with this piece.
    mutating func read(_ piece: UnsafeRawBufferPointer, _ take: ([UInt8]) -> Void) {
        for byte in piece {
            if byte != UInt8(ascii: "\n") {
                if line.count < Self.limit { line.append(byte) }
                continue
            }
            take(line)
            line.removeAll(keepingCapacity: true)
        }
    }
}

/// Reads how far ffmpeg is from what `-progress` writes: `key=value` lines.
struct ProgressReader {
    private var lines = LineReader()

    /// The last time that the bytes tell, in seconds of the result.
    mutating func read(_ bytes: UnsafeRawBufferPointer) -> Double? {
        var seconds: Double?
        lines.read(bytes) { line in
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("out_time_us="), let time = Double(text.dropFirst(12)) { seconds = time / 1_000_000 }
        }
        return seconds
    }
}

/// What ffmpeg writes when it decodes a source.
enum Complaints {
    /// Whether something is missing in the picture or the sound. A file that was cut between two packets is whole from there on:
    /// - pictures before the first key picture are said to be kept that the decoder never had;
    /// - the first packet of a sound begins in the middle of a frame;
    /// - parts that overlap by less than a frame make two frames of one time.
    static func tellOfDamage(_ text: String) -> Bool {
        var (broken, undecoded) = (0, 0)
        for line in text.split(whereSeparator: \.isNewline) {
            if line.contains("mmco: unref short failure") || line.contains("non monotonically increasing dts to muxer")
                || line.contains("Last message repeated")
            {
                continue
            }
            if line.hasPrefix("[mp"), line.hasSuffix("] Header missing") {
                broken += 1
            } else if line.hasPrefix("Error while decoding stream") {
                undecoded += 1
            } else {
                return true
            }
        }
        // ffmpeg decodes the first packet when it looks for the parameters too.
        return broken > 2 || undecoded > min(broken, 1)
    }
}
