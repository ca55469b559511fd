import Foundation
import System

/// `hls/`: the video in several qualities, in pieces that a player changes between.
///
/// The pieces are fragmented MP4, which Chromium's own HLS player, Safari and hls.js take, and which is smaller than
/// MPEG-TS. All qualities come from one decoding, with key frames at the same times. RFC 8216.
extension TranscodingJob {
    /// Seconds of a piece.
    private static let segmentDuration = 6
    private static let directory = "hls"
    private static let playlist = "index.m3u8"

    /// The qualities that are made of a picture of this size, the best one first, and their sizes.
    static func renditions(
        of size: PictureSize, _ profile: TranscodingProfile
    ) -> [(TranscodingProfile.Rendition, PictureSize)] {
        let sorted = profile.renditions.sorted { $0.height > $1.height }
        let smaller = sorted.filter { size.scale(toFrame: $0.height) <= 1 }
        return (smaller.isEmpty ? Array(sorted.suffix(1)) : smaller).map { ($0, size.fitted(toFrame: $0.height)) }
    }

    /// The path of a quality's playlist.
    static func playlist(of height: Int) -> String { "\(directory)/\(height)/\(playlist)" }

    /// Encodes the qualities of the stream, the file, or both, from one decoding.
    ///
    /// - Parameter mp4: makes the file, with what is to be copied into it.
    /// - Returns: what ffmpeg complained of, the last lines; nothing if no packet of the source was wrong.
    func encode(mp4: Copies?, stream: Bool) throws(TranscodingError) -> String {
        guard duration <= tools.limits.duration else {
            throw TranscodingError(.tooMuch, "it has \(duration) s, and its packets cannot be copied")
        }
        let renditions = stream ? Self.renditions(of: information.video.size, profile) : []
        var all = renditions.map { (quality: $0.0, size: $0.1) }
        if mp4 != nil { all.append((profile.mp4, mp4Size)) }
        // The copied sound needs no filter.
        let sounds = mp4?.sound == true ? all.count - 1 : all.count
        // The largest is what all others are made of.
        let largest = all.map(\.size).max { $0.pixels < $1.pixels }!
        var graph = "[0:\(look.picture)]" + FFmpeg.picture(look, to: largest)
        graph += ",split=\(all.count)" + all.indices.map { "[in\($0)]" }.joined()
        var outputs: [String] = []
        if let sound = look.sound, let track = look.timeline.sound {
            if sounds > 0 {
                // A graph of its own: one that changes its form is made anew, and the picture's must not be.
                let names = (0..<sounds).map { "[sound\($0)]" }.joined()
                outputs += [
                    "-filter_complex", "[0:\(sound)]\(FFmpeg.sound(look, track)),asplit=\(sounds)\(names)",
                ]
            } else {
                // What is copied is decoded too.
                outputs += ["-map", "0:\(sound)", "-c:a", "pcm_s16le", "-f", "null", "-"]
            }
        }
        for (index, (quality, size)) in all.enumerated() {
            graph += ";[in\(index)]\(FFmpeg.filters(to: size))[out\(index)]"
            outputs += ["-map", "[out\(index)]"]
            if let sound = look.sound { outputs += ["-map", index < sounds ? "[sound\(index)]" : "0:\(sound)"] }
            outputs += FFmpeg.streamsOnly + FFmpeg.inStep
            outputs += FFmpeg.video(
                quality, preset: profile.preset, threads: tools.limits.threads, duration: duration)
            outputs += index < sounds ? FFmpeg.audio(quality) : ["-c:a", "copy"]
            outputs += index < renditions.count ? streamOptions(quality) : mp4Options
        }
        if stream { try directory.makeDirectory(Self.directory) }
        for (quality, _) in renditions { try directory.makeDirectory("\(Self.directory)/\(quality.height)") }
        let bitRate = all.reduce(0) { $0 + $1.quality.videoBitRate + $1.quality.audioBitRate }
        return try convert(
            for: stream ? .hls : .mp4, .encoded(bitRate: bitRate, cost, duration: duration),
            before: FFmpeg.input(look), ["-filter_complex", graph] + outputs)
    }

    private func streamOptions(_ quality: TranscodingProfile.Rendition) -> [String] {
        let name = "\(Self.directory)/\(quality.height)"
        return [
            "-f", "hls", "-hls_time", "\(Self.segmentDuration)", "-hls_list_size", "0",
            "-hls_playlist_type", "vod", "-hls_flags", "independent_segments", "-hls_segment_type", "fmp4",
            "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "file:\(name)/%05d.m4s",
            "-y", "file:\(name)/\(Self.playlist)",
        ]
    }

    /// Looks at the stream that was made, and writes its first playlist.
    func checkStream() throws(TranscodingError) -> [TranscodingResult.Rendition] {
        var master = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        var made: [TranscodingResult.Rendition] = []
        for (quality, size) in Self.renditions(of: information.video.size, profile) {
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
        let name = "\(Self.directory)/\(quality.height)"
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
