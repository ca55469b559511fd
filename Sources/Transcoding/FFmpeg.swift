/// The parts of ffmpeg's command lines that are the same everywhere.
enum FFmpeg {
    /// The program and what goes before the input: nothing but errors on standard error, progress on standard output.
    static let command = [
        "ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5",
    ]

    /// Nothing but a picture and a sound: no subtitles, data, chapters or names that the uploader chose.
    static let streamsOnly = ["-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]

    /// Seconds between two places that a player can start at, in what is encoded.
    static let keyFrameInterval = 2

    /// Encodes the picture as H.264, in 8 bits, with pictures at their own times.
    static func video(
        _ quality: TranscodingProfile.Rendition, preset: TranscodingProfile.Preset, threads: Int
    ) -> [String] {
        [
            "-c:v", "libx264", "-preset", preset.rawValue, "-profile:v", "high", "-pix_fmt", "yuv420p",
            "-crf", "\(quality.crf)", "-maxrate", "\(quality.videoBitRate)", "-bufsize", "\(2 * quality.videoBitRate)",
            // The same places in every rendition, wherever a scene begins.
            "-force_key_frames", "expr:gte(t,n_forced*\(keyFrameInterval))", "-sc_threshold", "0", "-g", "600",
            "-threads", "\(threads)",
            // Without it ffmpeg fills up to a constant rate, which a strange file can make a thousand pictures a second.
            "-fps_mode", "vfr",
        ]
    }

    /// Encodes the sound as AAC in stereo, with its gaps filled.
    static func audio(_ quality: TranscodingProfile.Rendition) -> [String] {
        ["-c:a", "aac", "-b:a", "\(quality.audioBitRate)", "-ac", "2", "-ar", "48000", "-af", "aresample=async=1"]
    }

    /// The filters that bring the picture into `size`: whole pictures, square pixels, 8 bits.
    static func filters(_ video: MediaInformation.Video, to size: PictureSize) -> String {
        var filters: [String] = []
        if video.isInterlaced { filters.append("yadif=deint=interlaced") }
        if video.frameRate ?? 0 > 61 { filters.append("fps=60") }
        filters += ["scale=\(size.width):\(size.height)", "setsar=1", "format=yuv420p"]
        return filters.joined(separator: ",")
    }
}
