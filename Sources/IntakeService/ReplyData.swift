import Catalogue
import Foundation

/// How values look in replies: times, sizes and addresses.
struct ReplyFormat: Sendable {
    let videoDomain: String
    private let times: DateFormatter

    init(_ settings: IntakeSettings) {
        videoDomain = settings.videoDomain
        // Set up once and only read afterwards, which DateFormatter allows from several threads.
        times = DateFormatter()
        times.locale = Locale(identifier: "en_US_POSIX")
        times.timeZone = settings.timeZone
        times.dateFormat = "yy-MM-dd HH:mm:ss"
    }

    /// `yy-MM-dd HH:mm:ss` in the configured time zone.
    func time(_ seconds: Int64) -> String {
        times.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }

    func url(_ video: Video) -> String { "\(videoDomain)/\(video.path)" }

    /// Like `1.5M`: two decimals at most, the units B, K, M and G of 1024 each.
    static func humanReadable(_ bytes: Int) -> String {
        let units = ["B", "K", "M", "G"]
        var hundredths = bytes * 100
        var unit = 0
        while hundredths >= 1024 * 100, unit < units.count - 1 {
            hundredths = (hundredths + 512) / 1024
            unit += 1
        }
        let (whole, fraction) = hundredths.quotientAndRemainder(dividingBy: 100)
        let decimals =
            fraction == 0 ? "" : fraction % 10 == 0 ? ".\(fraction / 10)" : ".\(fraction < 10 ? "0" : "")\(fraction)"
        return "\(whole)\(decimals)\(units[unit])"
    }
}

/// A size as the page wants it: an integer of bytes or text like `1.5M`.
enum SizeValue: Encodable, Sendable {
    case bytes(Int)
    case humanReadable(Int)

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .bytes(let bytes): try container.encode(bytes)
        case .humanReadable(let bytes): try container.encode(ReplyFormat.humanReadable(bytes))
        }
    }
}

/// `data` of a chunk that is stored while others are missing.
struct PartialData: Encodable, Sendable {
    let chunks: Int
    let chunk: Int
    let video_id: Int64
}

/// `data` of a complete file: with `chunks` and `chunk` if it came in chunks, else with `video_data`.
struct CompleteData: Encodable, Sendable {
    let path: String
    let chunks: Int?
    let chunk: Int?
    let video_data: VideoData?
    let size: SizeValue
    let guid: String
    let video_id: Int64
    let file: FileData
    let id: String
}

/// PHP's `$_FILES` entry, without the server's path.
struct FileData: Encodable, Sendable {
    let name: String
    let type: String
    let tmp_name = ""
    let error = 0
    let size: Int

    enum CodingKeys: String, CodingKey { case name, type, tmp_name, error, size }
}

/// The record, as the whole-file reply shows it.
struct VideoData: Encodable, Sendable {
    let video_name: String
    let video_url: String
    let size: Int
    let create_time: String
    let update_time: String
    let duration: Double
    let md5: String
}

/// `data` of a video that exists.
struct ExistingVideoData: Encodable, Sendable {
    let video_id: Int64
    let video_url: String
    let video_name: String
    let size: Int
    let duration: Double
    let md5: String
    let class_id: Int64?
    let game_name: String
    let create_time: String

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(video_id, forKey: .video_id)
        try container.encode(video_url, forKey: .video_url)
        try container.encode(video_name, forKey: .video_name)
        try container.encode(size, forKey: .size)
        try container.encode(duration, forKey: .duration)
        try container.encode(md5, forKey: .md5)
        // A record without a class says so.
        try container.encode(class_id, forKey: .class_id)
        try container.encode(game_name, forKey: .game_name)
        try container.encode(create_time, forKey: .create_time)
    }

    enum CodingKeys: String, CodingKey {
        case video_id, video_url, video_name, size, duration, md5, class_id, game_name, create_time
    }
}

/// `data` of determine_chunk_exist for one chunk.
struct ChunkExistsData: Encodable, Sendable {
    let exist: Int
}

/// `data` of determine_chunk_exist for all chunks.
struct ReceivedChunksData: Encodable, Sendable {
    let chunks: Int
    let received: String
}

extension ReplyFormat {
    func stored(_ request: UploadRequest, videoID: Int64) -> Reply {
        Reply(
            code: 2, message: "分片上传成功",
            data: PartialData(chunks: request.chunks, chunk: request.chunk, video_id: videoID))
    }

    func complete(_ request: UploadRequest, _ video: Video) -> Reply {
        let inChunks = request.chunks > 0
        let data = CompleteData(
            path: video.path,
            chunks: inChunks ? request.chunks : nil,
            chunk: inChunks ? request.chunk : nil,
            video_data: inChunks ? nil : videoData(video),
            size: request.wantsBytes ? .bytes(video.size) : .humanReadable(video.size),
            guid: request.guid,
            video_id: video.id,
            file: FileData(name: request.file.name, type: request.file.type, size: request.file.bytes.length),
            id: request.pageID)
        return Reply(code: 1, message: "视频上传成功", data: data)
    }

    func existing(_ video: Video) -> Reply {
        Reply(
            code: 1, message: "视频已存在",
            data: ExistingVideoData(
                video_id: video.id, video_url: url(video), video_name: video.name, size: video.size,
                duration: video.duration, md5: video.md5, class_id: video.classID, game_name: video.gameName,
                create_time: time(video.createTime)))
    }

    private func videoData(_ video: Video) -> VideoData {
        VideoData(
            video_name: video.name, video_url: url(video), size: video.size, create_time: time(video.createTime),
            update_time: time(video.updateTime), duration: video.duration, md5: video.md5)
    }
}
