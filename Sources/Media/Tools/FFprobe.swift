import Foundation
import Model

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
        "format=duration,bit_rate",
        "stream_disposition=attached_pic,timed_thumbnails,default,dub,comment,hearing_impaired,visual_impaired",
        "stream_side_data=rotation", "program=program_id", "program_stream=index",
        "stream=index,codec_type,codec_name,codec_tag_string,profile,level,pix_fmt,width,height,sample_aspect_ratio,"
            + "field_order,color_range,color_space,color_transfer,color_primaries,avg_frame_rate,nb_frames,has_b_frames,"
            + "channels,channel_layout,sample_rate,sample_fmt",
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

    static let version = ["ffprobe", "-version"]
}

/// The JSON that ffprobe writes, as far as it is used. The names are ffprobe's.
struct ProbeReport: Decodable {
    let streams: [Stream]
    let format: Format?
    let programs: [Program]?

    struct Program: Decodable {
        let program_id: Int?
        let streams: [Stream]?
    }

    struct Format: Decodable {
        let duration: String?
        let bit_rate: String?
    }

    struct Stream: Decodable {
        let index: Int?
        let codec_type: String?
        let codec_name: String?
        let codec_tag_string: String?
        let profile: String?
        let level: Int?
        let pix_fmt: String?
        let width: Int?
        let height: Int?
        let sample_aspect_ratio: String?
        let field_order: String?
        let color_range: String?
        let color_space: String?
        let color_transfer: String?
        let color_primaries: String?
        let avg_frame_rate: String?
        /// Packets that the index names, if there is one; of old kinds of sound the samples.
        let nb_frames: String?
        let has_b_frames: Int?
        let channels: Int?
        let channel_layout: String?
        let sample_fmt: String?
        let sample_rate: String?
        /// 1 for each that it has.
        let disposition: [String: Int]?
        let side_data_list: [SideData]?
    }

    struct SideData: Decodable {
        /// Degrees.
        let rotation: Double?
    }

    /// Streams that are looked at. A file can have thousands.
    private static let mostStreams = 64

    /// The streams of picture and sound, by their numbers.
    var tracks: [Int: Stream] {
        var tracks: [Int: Stream] = [:]
        for (place, stream) in streams.enumerated().prefix(Self.mostStreams)
        where stream.codec_type == "video" || stream.codec_type == "audio" {
            tracks[stream.index ?? place] = stream
        }
        return tracks
    }

    /// Whether the index announces more packets than fit a file of this size, in bytes. Such a file is hostile: reading it
    /// costs far more than sending it.
    func isBomb(_ bytes: Int) -> Bool {
        streams.contains { $0.nb_frames.flatMap(Int.init) ?? 0 > 64 * bytes }
    }

    /// Whether a track is missing, or what a decoder has to know of one: it may begin later than ffmpeg usually looks for it.
    /// Some containers do not announce their tracks.
    func isIncomplete(_ format: VideoFormat) -> Bool {
        let (pictures, sounds) = (
            streams.filter { $0.codec_type == "video" }, streams.filter { $0.codec_type == "audio" }
        )
        return pictures.contains { $0.pix_fmt == nil } || sounds.contains { $0.sample_rate.flatMap(Int.init) ?? 0 == 0 }
            || [.flv, .mpegTS, .mpegPS].contains(format) && (pictures.isEmpty || sounds.isEmpty)
    }

    /// - Throws: `toolFailed`: whatever the video is, ffprobe writes JSON.
    init(_ bytes: [UInt8]) throws(TranscodingError) {
        do {
            self = try JSONDecoder().decode(ProbeReport.self, from: Data(bytes))
        } catch {
            throw TranscodingError(.toolFailed, "ffprobe wrote something else than was expected")
        }
    }
}

/// A packet of a file, as ffprobe tells of it. Times are seconds of the file's own clock.
struct Packet: Equatable, Sendable {
    /// The number of its stream in the file.
    var stream = 0
    /// When it is shown; `nil` in files that do not tell, like AVI with B-frames.
    var time: Double?
    /// When it is decoded.
    var decodingTime: Double?
    var duration = 0.0
    /// Bytes.
    var size = 0
    /// Bytes of the file before it; `nil` if the demuxer does not tell.
    var position: Int?
    /// Whether it can be decoded without another one.
    var isKey = false
    /// Whether it is decoded and not shown: an edit list cuts it off.
    var isDiscarded = false
    /// Whether the demuxer says that something of it is missing.
    var isCorrupt = false
    /// Whether the codec's parameters are other ones from here on.
    var hasNewParameters = false
    var isEncrypted = false

    /// Notes what ffprobe calls a kind of side data.
    fileprivate mutating func note(_ sideData: ArraySlice<UInt8>) {
        if sideData.elementsEqual("New Extradata".utf8) { hasNewParameters = true }
        if sideData.elementsEqual("Encryption info".utf8) { isEncrypted = true }
    }
}

/// Reads what ffprobe writes of packets: `-of csv=p=0` of the entries below, a line for each packet and an empty one after a
/// packet with side data.
///
///     0,0.023000,0.023000,0.040000,4343,564,K_
///     1,3.018000,3.018000,0.023000,212,N/A,K_,New Extradata
struct PacketReader {
    /// What ffprobe is asked to show, in the order in which it shows it.
    static let entries =
        "packet=stream_index,pts_time,dts_time,duration_time,size,pos,flags:packet_side_data=side_data_type"

    private var lines = LineReader()
    private var packet: Packet?

    /// Takes a piece of ffprobe's output, and passes on each packet that is whole with it.
    mutating func read(_ piece: UnsafeRawBufferPointer, _ receive: (Packet) -> Void) {
        lines.read(piece) { Self.take($0, &packet, receive) }
    }

    /// Passes on the last packet, at the end of the output.
    mutating func finish(_ receive: (Packet) -> Void) {
        if !lines.line.isEmpty { Self.take(lines.line, &packet, receive) }
        lines = LineReader()
        if let packet { receive(packet) }
        packet = nil
    }

    /// Takes a line: of the next packet, or with more side data of the one before.
    private static func take(_ line: [UInt8], _ packet: inout Packet?, _ receive: (Packet) -> Void) {
        if let next = Self.packet(line) {
            if let packet { receive(packet) }
            packet = next
        } else {
            var rest = line[...]
            while let field = field(&rest) { packet?.note(field) }
        }
    }

    /// Takes the next field of a line; `nil` at its end.
    private static func field(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let field = rest.prefix { $0 != UInt8(ascii: ",") }
        rest = rest[field.endIndex...].dropFirst()
        return field
    }

    /// The packet of a line; `nil` if it is of something else.
    private static func packet(_ line: [UInt8]) -> Packet? {
        var rest = line[...]
        guard let stream = field(&rest).flatMap(number), let time = field(&rest), let decodingTime = field(&rest),
            let duration = field(&rest), let size = field(&rest), let position = field(&rest), let flags = field(&rest)
        else { return nil }
        var packet = Packet(stream: Int(stream), time: number(time), decodingTime: number(decodingTime))
        packet.duration = max(0, number(duration) ?? 0)
        // No packet has more: a demuxer counts in 32 bits.
        packet.size = Int(min(max(0, number(size) ?? 0), Double(1 << 31)))
        packet.position = number(position).flatMap { $0 >= 0 ? Int($0) : nil }
        packet.isKey = flags.contains(UInt8(ascii: "K"))
        packet.isDiscarded = flags.contains(UInt8(ascii: "D"))
        packet.isCorrupt = flags.contains(UInt8(ascii: "C"))
        while let sideData = field(&rest) { packet.note(sideData) }
        return packet
    }

    /// A number like `-0.021333`, `nil` for `N/A`.
    private static func number(_ text: ArraySlice<UInt8>) -> Double? {
        let text = String(decoding: text, as: UTF8.self)
        // Of more digits than a clock has, nothing is to be made.
        guard !text.contains("e"), let number = Double(text), abs(number) < 1e15 else { return nil }
        return number
    }
}
