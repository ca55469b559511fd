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
    ///
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
