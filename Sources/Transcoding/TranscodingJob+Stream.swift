import ChunkStore
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

    func makeStream() throws(TranscodingError) -> [TranscodingResult.Rendition] {
        let renditions = Self.renditions(of: information.video.size, profile)
        try directory.makeDirectory(Self.directory)
        // One picture for each quality.
        var graph = "[0:V:0]split=\(renditions.count)" + renditions.indices.map { "[in\($0)]" }.joined()
        var outputs: [String] = []
        for (index, (quality, size)) in renditions.enumerated() {
            let name = "\(Self.directory)/\(quality.height)"
            try directory.makeDirectory(name)
            graph += ";[in\(index)]\(FFmpeg.filters(information.video, to: size))[out\(index)]"
            outputs += ["-map", "[out\(index)]"] + (information.audio == nil ? [] : ["-map", "0:a:0"])
            outputs += FFmpeg.streamsOnly
            outputs += FFmpeg.video(quality, preset: profile.preset, threads: tools.limits.threads)
            outputs += FFmpeg.audio(quality)
            outputs += [
                "-f", "hls", "-hls_time", "\(Self.segmentDuration)", "-hls_list_size", "0",
                "-hls_playlist_type", "vod", "-hls_flags", "independent_segments", "-hls_segment_type", "fmp4",
                "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "file:\(name)/%05d.m4s",
                "-y", "file:\(name)/\(Self.playlist)",
            ]
        }
        let bitRate = renditions.reduce(0) { $0 + $1.0.videoBitRate + $1.0.audioBitRate }
        try convert(
            for: .hls, .encoded(bitRate: bitRate, cost, duration: duration), ["-filter_complex", graph] + outputs)

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
        finish(.hls)
        return made
    }

    /// Checks that a quality is all there, and finds out what the master playlist tells of it.
    private func check(
        _ quality: TranscodingProfile.Rendition, _ size: PictureSize
    ) throws(TranscodingError) -> (TranscodingResult.Rendition, codecs: String) {
        let name = "\(Self.directory)/\(quality.height)"
        let text = try directory.read("\(name)/\(Self.playlist)", limit: 4 << 20)
        let playlist = try MediaPlaylist(String(decoding: text, as: UTF8.self))
        var sizes: [Int] = []
        for segment in playlist.segments {
            let file = try directory.open("\(name)/\(segment.name)")
            let length = try io { () throws(SystemError) in try file.length() }
            guard length > 0 else { throw TranscodingError(.toolFailed, "\(name)/\(segment.name) is empty") }
            sizes.append(length)
        }
        // A playlist counts the seconds of the picture; a sound that goes on is in the last piece.
        try checkDuration(playlist.duration, of: "\(name)/\(Self.playlist)", is: pictureDuration)
        _ = try checkStreams("\(name)/\(Self.playlist)", .hls, size: size, duration: pictureDuration)
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
        let video = "avc1." + profile.map { String(format: "%02x", $0) }.joined()
        return information.audio == nil ? video : video + ",mp4a.40.2"
    }
}
