/// A question to ffprobe. The one place that makes its commands.
struct FFprobe {
    private let options: [String]
    /// ffmpeg's log level: what it writes to standard error.
    private var log = "error"

    /// The file, its programs and its streams, as `ProbeReport` reads them. No tags: a file can have long ones.
    static let report = FFprobe(options: ["-of", "json", "-show_entries", entries.joined(separator: ":")])
    /// Bytes of that report at most. A file can have thousands of streams.
    static let reportLimit = 256 * 1024
    private static let entries = [
        "format=start_time,duration,bit_rate",
        "stream_disposition=attached_pic,timed_thumbnails,default,dub,comment,hearing_impaired,visual_impaired",
        "stream_side_data=rotation", "program=program_id", "program_stream=index",
        "stream=index,codec_type,codec_name,codec_tag_string,profile,level,pix_fmt,width,height,sample_aspect_ratio,"
            + "field_order,color_range,color_space,color_transfer,color_primaries,avg_frame_rate,has_b_frames,"
            + "channels,channel_layout,sample_rate,sample_fmt,start_time,duration",
    ]

    /// All packets, or those of one stream, as `PacketReader` reads them.
    static func packets(of stream: Int? = nil) -> FFprobe {
        FFprobe(
            options: ["-of", "csv=p=0", "-show_entries", PacketReader.entries]
                + (stream.map { ["-select_streams", "\($0)"] } ?? []))
    }

    /// The numbers of the streams. It says on standard error which one it cannot open.
    static let streams = FFprobe(options: ["-of", "csv=p=0", "-show_entries", "stream=index"], log: "warning")

    func command(_ source: SourceFile, sideLimit: Int) -> [String] {
        ["ffprobe", "-v", log] + options + source.arguments(sideLimit: sideLimit)
    }

    /// The same, with nothing on standard error.
    var quiet: FFprobe { FFprobe(options: options, log: "quiet") }

    /// Asks for the version, which shows that ffprobe runs.
    static let version = ["ffprobe", "-version"]
}
