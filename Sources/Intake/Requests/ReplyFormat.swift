import Foundation
import Glibc
import Model
import System

/// How values look in replies: times, sizes and addresses.
package struct ReplyFormat: Sendable {
    let videoDomain: String
    let language: Language
    private let timeZone: TimeZone

    init(_ settings: IntakeSettings) {
        videoDomain = settings.videoDomain
        language = settings.language
        timeZone = settings.timeZone
    }

    /// `yy-MM-dd HH:mm:ss` in the configured time zone.
    func time(_ seconds: Int64) -> String {
        let offset = timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(seconds)))
        var (local, time) = (time_t(seconds) + offset, tm())
        gmtime_r(&local, &time)
        return [
            twoDigits(time.tm_year % 100), "-", twoDigits(time.tm_mon + 1), "-",
            twoDigits(time.tm_mday), " ", twoDigits(time.tm_hour), ":", twoDigits(time.tm_min), ":",
            twoDigits(time.tm_sec),
        ].joined()
    }

    func url(_ video: Video) -> String { url(video.path) }

    private func url(_ path: String) -> String { "\(videoDomain)/\(path)" }

    // MARK: - upload_file

    /// A chunk is stored while others are missing.
    func stored(_ request: UploadRequest, videoID: Int64) -> Reply {
        var data = JSONObject()
        data.add("chunks", request.chunks)
        data.add("chunk", request.chunk)
        data.add("video_id", videoID)
        return Reply(code: 2, message: Text("分片上传成功", "The chunk is stored")[language], data: data)
    }

    /// A complete file: with `chunks` and `chunk` if it came in chunks, else with `video_data`.
    func complete(_ request: UploadRequest, _ video: Video) -> Reply {
        var data = JSONObject()
        data.add("path", video.path)
        if request.chunks > 0 {
            data.add("chunks", request.chunks)
            data.add("chunk", request.chunk)
        } else {
            data.add("video_data", videoData(video))
        }
        if request.wantsBytes { data.add("size", video.size) } else { data.add("size", sizeText(video.size)) }
        data.add("guid", request.guid)
        data.add("video_id", video.id)
        data.add("file", fileData(request.file))
        data.add("id", request.pageID)
        return Reply(code: 1, message: Text("视频上传成功", "The video is stored")[language], data: data)
    }

    /// PHP's `$_FILES` entry, without the server's path.
    private func fileData(_ file: SentFile) -> JSONObject {
        var data = JSONObject()
        data.add("name", file.name)
        data.add("type", file.type)
        data.add("tmp_name", "")
        data.add("error", 0)
        data.add("size", file.length)
        return data
    }

    /// The record, as the reply to a whole file shows it.
    private func videoData(_ video: Video) -> JSONObject {
        var data = JSONObject()
        data.add("video_name", video.name)
        data.add("video_url", url(video))
        data.add("size", video.size)
        data.add("create_time", time(video.createTime))
        data.add("update_time", time(video.updateTime))
        data.add("duration", video.duration ?? 0)
        data.add("md5", video.md5)
        return data
    }

    // MARK: - list_class, video_info

    /// The classes, and what a page should know before it sends anything.
    func classes(_ classes: [VideoClass], _ settings: IntakeSettings) -> Reply {
        let members = classes.map { videoClass in
            var data = JSONObject()
            data.add("class_id", videoClass.id)
            data.add("class_name", videoClass.name)
            data.add("game_name", videoClass.gameName)
            return data
        }
        var data = JSONObject()
        data.add("classes", members)
        var limits = JSONObject()
        limits.add("extensions", settings.extensions)
        limits.add("size", settings.sizeLimit)
        limits.add("body", settings.bodyLimit)
        limits.add("chunk", settings.chunkSize)
        data.add("limits", limits)
        return Reply(code: 1, message: "ok", data: data)
    }

    func info(_ video: Video) -> Reply {
        var data = JSONObject()
        data.add("video_id", video.id)
        data.add("video_name", video.name)
        data.add("video_url", url(video))
        data.add("size", video.size)
        data.add("duration", video.duration ?? 0)
        data.add("md5", video.md5)
        data.add("class_id", video.classID)
        data.add("class_name", video.className)
        data.add("game_name", video.gameName)
        data.add("create_time", time(video.createTime))
        data.add("update_time", time(video.updateTime))
        data.add("state", video.state.rawValue)
        data.add("progress", video.progress)
        let media = video.media
        data.add("width", (media?.width).map(Int64.init))
        data.add("height", (media?.height).map(Int64.init))
        data.add("mp4_url", media?.mp4Path.map(url))
        data.add("hls_url", media?.hlsPath.map(url))
        data.add("poster_url", media?.posterPath.map(url))
        data.add("thumbnails_url", media?.thumbnailsPath.map(url))
        data.add("flaws", (media?.flaws).map { [VideoFlaw]($0).map(\.rawValue) })
        data.add("failure", video.failure?.rawValue)
        return Reply(code: 1, message: "ok", data: data)
    }

    // MARK: - determine_video_exist, determine_chunk_exist

    func existing(_ video: Video) -> Reply {
        var data = JSONObject()
        data.add("video_id", video.id)
        data.add("video_url", url(video))
        data.add("video_name", video.name)
        data.add("size", video.size)
        data.add("duration", video.duration ?? 0)
        data.add("md5", video.md5)
        data.add("class_id", video.classID)
        data.add("game_name", video.gameName)
        data.add("create_time", time(video.createTime))
        return Reply(code: 1, message: Text("视频已存在", "The video is there already")[language], data: data)
    }

    var noVideo: Reply { Reply(code: 2, message: Text("视频不存在", "There is no such video")[language]) }

    var noUpload: Reply { Reply(code: 2, message: Text("没有进行中的上传", "No such upload is under way")[language]) }

    /// Whether one chunk is there.
    func chunk(exists: Bool) -> Reply {
        var data = JSONObject()
        data.add("exist", exists ? 1 : 0)
        return Reply(code: 1, message: "ok", data: data)
    }

    /// Which chunks are there.
    func chunks(_ chunks: Int, received: String) -> Reply {
        var data = JSONObject()
        data.add("chunks", chunks)
        data.add("received", received)
        return Reply(code: 1, message: "ok", data: data)
    }
}
