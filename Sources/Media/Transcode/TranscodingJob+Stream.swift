import System

/// `hls/`: the video in several qualities, in pieces that a player changes between.
/// The pieces are fragmented MP4, which Chromium's own HLS player, Safari and hls.js take, and which is smaller than
/// MPEG-TS. All qualities come from one decoding, with key frames at the same times. RFC 8216.
extension TranscodingJob {
    /// Looks at the stream that was made, and writes its first playlist.
    func checkStream() throws(TranscodingError) -> [TranscodingResult.Rendition] {
        var master = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        var made: [TranscodingResult.Rendition] = []
        for (quality, size) in renditions {
            let (rendition, codecs) = try check(quality, size)
            made.append(rendition)
            master += "#EXT-X-STREAM-INF:BANDWIDTH=\(rendition.bandwidth)"
            master += ",AVERAGE-BANDWIDTH=\(rendition.averageBandwidth),CODECS=\"\(codecs)\",RESOLUTION=\(size)\n"
            master += "\(quality.height)/\(Self.playlist)\n"
        }
        try directory.write(master, to: TranscodingResult.masterPath)
        return made
    }

    /// Checks that a quality is all there, and finds out what the master playlist tells of it.
    private func check(
        _ quality: TranscodingProfile.Rendition, _ size: PictureSize
    ) throws(TranscodingError) -> (TranscodingResult.Rendition, codecs: String) {
        let name = Self.directory(of: quality.height)
        var text = String(decoding: try directory.read("\(name)/\(Self.playlist)", limit: 4 << 20), as: UTF8.self)
        var playlist = try MediaPlaylist(text)
        if Double(playlist.neededTarget) > playlist.targetDuration {
            text = MediaPlaylist.text(text, target: playlist.neededTarget)
            try directory.write(text, to: "\(name)/\(Self.playlist)", replaces: true)
            playlist = try MediaPlaylist(text)
        }
        var sizes: [Int] = []
        for segment in playlist.segments {
            let file = try directory.open("\(name)/\(segment.name)")
            let length = try io { () throws(SystemError) in try file.length() }
            guard length > 0 else { throw TranscodingError(.toolFailed, "\(name)/\(segment.name) is empty") }
            sizes.append(length)
        }
        try checkDuration(playlist.duration, of: "\(name)/\(Self.playlist)")
        try checkStreams("\(name)/\(Self.playlist)", .hls, size: size)
        let bandwidth = playlist.bandwidth(sizes: sizes)
        let codecs = try codecs("\(name)/\(playlist.initialization)")
        return (
            TranscodingResult.Rendition(
                height: quality.height, size: size, bandwidth: bandwidth.peak, averageBandwidth: bandwidth.average),
            codecs
        )
    }

    /// What a player needs to know before it decides for a quality: RFC 6381, section 3.3.
    private func codecs(_ name: String) throws(TranscodingError) -> String {
        let bytes = try directory.read(name, limit: 1 << 20)
        // The box's version, then profile, constraints and level (ISO/IEC 14496-15, section 5.3.3.1).
        guard let box = bytes.firstRange(of: Array("avcC".utf8)), box.upperBound + 4 <= bytes.count else {
            throw TranscodingError(.toolFailed, "\(name) has no H.264 configuration")
        }
        let profile = bytes[(box.upperBound + 1)..<(box.upperBound + 4)]
        let video = "avc1." + profile.hexadecimal
        return information.audio == nil ? video : video + ",mp4a.40.2"
    }
}

/// A playlist of one rendition: what ffmpeg wrote, read again to see whether all of it is there.
struct MediaPlaylist {
    /// Each segment's name and seconds.
    private(set) var segments: [(name: String, duration: Double)] = []
    /// The name of what every segment needs before it.
    private(set) var initialization = ""
    private(set) var isEnded = false
    /// The most seconds of a segment, as announced.
    private(set) var targetDuration = 0.0

    /// - Throws: `toolFailed` if it is no playlist, or names something that is not in its own directory.
    init(_ text: String) throws(TranscodingError) {
        func value(_ line: Substring, _ tag: String) -> Substring? {
            line.hasPrefix(tag) ? line.dropFirst(tag.count) : nil
        }
        let lines = text.split(separator: "\n")
        guard lines.first == "#EXTM3U" else { throw TranscodingError(.toolFailed, "ffmpeg wrote no playlist") }
        var duration: Double?
        for line in lines {
            if let seconds = value(line, "#EXTINF:") {
                duration = seconds.split(separator: ",").first.flatMap { Double($0) }
            } else if let seconds = value(line, "#EXT-X-TARGETDURATION:") {
                targetDuration = Double(seconds) ?? 0
            } else if let name = value(line, "#EXT-X-MAP:URI=\"") {
                initialization = String(name.prefix { $0 != "\"" })
            } else if line == "#EXT-X-ENDLIST" {
                isEnded = true
            } else if !line.hasPrefix("#") {
                guard let seconds = duration, seconds >= 0, seconds.isFinite, !line.contains("/") else {
                    throw TranscodingError(.toolFailed, "ffmpeg wrote a playlist that is not understood")
                }
                segments.append((String(line), seconds))
                duration = nil
            }
        }
        guard isEnded, !segments.isEmpty, !initialization.isEmpty, !initialization.contains("/") else {
            throw TranscodingError(.toolFailed, "ffmpeg wrote a playlist that is not whole")
        }
    }

    /// What the target duration has to be: no segment's duration, rounded to whole seconds, exceeds it (RFC 8216, section
    /// 4.3.3.1). ffmpeg rounds 4.5 to 4.
    var neededTarget: Int { Int((segments.map(\.duration).max() ?? 0).rounded()) }

    /// The text of a playlist with another target duration.
    static func text(_ text: String, target: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.hasPrefix("#EXT-X-TARGETDURATION:") ? "#EXT-X-TARGETDURATION:\(target)" : $0
        }.joined(separator: "\n")
    }

    /// Seconds of all segments.
    var duration: Double { segments.reduce(0) { $0 + $1.duration } }

    /// Bits per second, the most and the average, of segments with so many bytes.
    /// The most is that of any segments in a row which together last from a half to one and a half of the target duration, as
    /// RFC 8216, section 4.1, defines it.
    func bandwidth(sizes: [Int]) -> (peak: Int, average: Int) {
        let average = Double(sizes.reduce(0, +)) * 8 / max(duration, 0.001)
        var peak = average
        for first in segments.indices {
            var (bits, seconds) = (0.0, 0.0)
            for (segment, size) in zip(segments[first...], sizes[first...]) {
                bits += 8 * Double(size)
                seconds += segment.duration
                if seconds > 1.5 * targetDuration { break }
                if seconds >= 0.5 * targetDuration { peak = max(peak, bits / max(seconds, 0.001)) }
            }
        }
        return (Int(peak.rounded(.up)), Int(average.rounded(.up)))
    }
}
