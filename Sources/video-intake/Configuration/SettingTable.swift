import FileStore
import ChunkStore
import Foundation
import Intake
import Model

extension Setting {
    private static let (kibibyte, mebibyte, gibibyte) = (1 << 10, 1 << 20, 1 << 30)

    // swift-format-ignore
    /// All of them, in the order in which they are read and shown.
    static let table: [Setting] = [
        Setting("SOCKET", \.socket,
            SettingKind("a path of 1 to 107 bytes", \.self) { (1...107).contains($0.utf8.count) ? $0 : nil },
            default: { "/run/video-intake\($0.suffix)/video-intake.sock" },
            help: "The unix socket to listen on; ignored if a listening socket is inherited.",
            note: "Its mode is 0660; systemd and spawn-fcgi let one be inherited."),
        Setting("THREADS", \.threads, .integer(1...1024), defaultInWords: "4 per processor, at least 8",
            help: "Requests that are served at the same time."),
        Setting("DATA_DIRECTORY", \.dataDirectory, .path, default: { "/var/lib/video-intake\($0.suffix)" },
            help: "Where videos, unfinished uploads and the catalogue are kept."),
        Setting("BODY_DIRECTORY", \.bodyDirectory, .path,
            default: { $0.dataDirectory + "/body" }, defaultInWords: "`body` in the data directory",
            help: "Where nginx puts request bodies.", note: "The same as `client_body_temp_path`."),
        Setting("VIDEO_DOMAIN", \.intake.videoDomain, .origin, isReloadable: true,
            help: "What stands before /upload/… in a video's address, like https://video.example.com",
            note: "Empty: `video_url` is `/upload/…`."),
        Setting("BODY_LIMIT", \.intake.bodyLimit, .size(64 * kibibyte...gibibyte, like: "5M"), isReloadable: true,
            help: "The largest request body, like 5M; the same as nginx's client_max_body_size.",
            note: "Change it in `upload.conf` too."),
        Setting("SIZE_LIMIT", \.intake.sizeLimit, .size(mebibyte...1024 * gibibyte, like: "2G"), isReloadable: true,
            help: "The largest video, like 2G."),
        Setting("CHUNKS_LIMIT", \.intake.chunksLimit, .integer(1...1_000_000), isReloadable: true,
            help: "The most chunks that a video may have."),
        Setting("EXTENSIONS", \.intake.extensions,
            SettingKind(
                "some of \(VideoFormat.fileExtensions.joined(separator: ",")), separated by commas",
                { $0.joined(separator: ",") },
                parse: {
                    let list = $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
                    return list.isEmpty || !Set(list).isSubset(of: VideoFormat.fileExtensions) ? nil : list
                }), isReloadable: true,
            help: "The file name extensions that are taken, separated by commas.",
            note: "[The content](Contract.md#what-is-a-video) is looked at too."),
        Setting("TIME_ZONE", \.intake.timeZone,
            SettingKind("a time zone like Asia/Shanghai", \.identifier) { TimeZone(identifier: $0) },
            defaultInWords: "the system's", isReloadable: true,
            help: "The time zone of times in replies and of months in paths, like Asia/Shanghai."),
        Setting("RANDOM_PATHS", \.intake.hasRandomPaths, .yesOrNo, isReloadable: true,
            help: "yes: the addresses of videos cannot be guessed, by 22 random characters in each.",
            note: "[Below](#limits-and-owners)."),
        Setting("DURABILITY", \.intake.durability,
            SettingKind("process or power", \.rawValue, parse: Durability.init(rawValue:)),
            help: "What an acknowledged chunk survives: process (a crash of anything here) or power (power loss).",
            note: "[Durability](Durability.md)."),
        Setting("RESERVE", \.reserve, .reserve,
            help: "Free space that uploads leave, like 10G; auto is 1G or 5 %, and up to 5 % for bodies.",
            note: "Of 1G and 5 % of the file system `auto` is the larger."),
        Setting("UPLOADS_LIMIT", \.intake.uploadLimits.total, .integer(1...1_000_000), isReloadable: true,
            help: "The most unfinished uploads, of all clients together.",
            note: "When there are as many, the client with the most gives way to one with fewer."),
        Setting("OWNER_UPLOADS_LIMIT", \.intake.uploadLimits.perClient, .integer(1...1_000_000),
            default: { $0.intake.uploadLimits.total }, defaultInWords: "as `UPLOADS_LIMIT`", isReloadable: true,
            help: "The most unfinished uploads of one client: an owner, or without owners an address."),
        Setting("UPLOAD_LIFETIME", \.intake.uploadLifetime, .hours(1...8760), isReloadable: true,
            help: "Hours that an unfinished upload is kept after its last chunk."),
        Setting("HOLD_TIME", \.intake.holdTime, .milliseconds(0...10_000), isReloadable: true,
            help: "Milliseconds that a chunk's reply may wait for the completion of a nearly whole file."),
        Setting("SLOW_TIME", \.intake.slowTime, .milliseconds(0...3_600_000), isReloadable: true,
            help: "Milliseconds after which a request is a warning in the log; 0: none is."),
        Setting("CACHE_TIME", \.intake.cacheTime, .milliseconds(1...60_000),
            help: "Milliseconds that determine_video_exist may miss a video which another responder has stored.",
            note: "What this one has stored it sees at once."),
        Setting("TRANSCODE", \.intake.queuesTranscoding, .yesOrNo,
            help: "Whether finished videos are queued for transcoding: yes or no.",
            note: "Without a worker the queue only grows."),
        Setting("JOBS", \.jobs, .integer(1...256), defaultInWords: "processors − 1, at least 1",
            help: "Jobs that a worker does at the same time (processors - 1)."),
        Setting("PROFILE", \.profile, .orEmpty(.path), valueName: "file",
            help: "A JSON file that says what a worker makes of a video.",
            note: "Empty: all of it ([transcoding](Transcoding.md))."),
        Setting("LEASE_TIME", \.lease, .seconds(2...3600),
            help: "Seconds after which another worker takes the job of one that has died."),
        Setting("WEBHOOK_URL", \.intake.webhookURL, .orEmpty(.address), isReloadable: true,
            help: "Where to tell what happens to videos, like https://cms.example.com/videos; empty: nowhere.",
            note: "Then no events are written either ([webhooks](Webhooks.md))."),
        Setting("WEBHOOK_SECRET", \.webhookSecret,
            SettingKind("at least \(secretLength) bytes long", \.self) {
                (1..<secretLength).contains($0.utf8.count) ? nil : $0
            },
            isSecret: true, isReloadable: true, help: "Signs what is told.",
            note: "Needed if `WEBHOOK_URL` is set. `config check` does not print it."),
        Setting("WEBHOOK_PRIVATE", \.allowsPrivateWebhook, .yesOrNo, isReloadable: true,
            help: "Whether that may be on this machine or in a private network: yes or no."),
        Setting("LANGUAGE", \.intake.language, .choice, isReloadable: true,
            help: "What msg of replies is written in: zh (Chinese) or en (English).", note: "Some of the log, too."),
        Setting("LOG_LEVEL", \.logLevel, .choice, isReloadable: true,
            help: "trace, debug, info, notice, warning, error or critical."),
    ]

    /// Bytes. Shorter ones can be guessed.
    static let secretLength = 16
}

extension SettingKind where Value == FileChunkStore.Reserve {
    fileprivate static var reserve: Self {
        let size = SettingKind<Int>.size(0...1 << 40, like: "10G")
        return Self("auto, or \(size.allowed)") {
            if case .bytes(let bytes) = $0 { size.print(bytes) } else { "auto" }
        } parse: {
            $0 == "auto" ? .automatic : size.parse($0).map(FileChunkStore.Reserve.bytes)
        }
    }
}
