import Model
import Foundation

/// The JSON that ffprobe writes, as far as it is used. The names are ffprobe's.
struct ProbeReport: Decodable {
    let streams: [Stream]
    let format: Format?
    let programs: [Program]?

    struct Program: Decodable {
        let program_id: Int?
        let streams: [Member]?

        struct Member: Decodable {
            let index: Int?
        }
    }

    struct Format: Decodable {
        let start_time: String?
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
        let has_b_frames: Int?
        let start_time: String?
        let duration: String?
        let channels: Int?
        let channel_layout: String?
        let sample_fmt: String?
        let sample_rate: String?
        let disposition: Disposition?
        let side_data_list: [SideData]?
    }

    struct Disposition: Decodable {
        let attached_pic: Int?
        let timed_thumbnails: Int?
        let `default`: Int?
        let dub: Int?
        let comment: Int?
        let hearing_impaired: Int?
        let visual_impaired: Int?
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
