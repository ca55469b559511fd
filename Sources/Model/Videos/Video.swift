/// A video's record.
package struct Video: Equatable, Sendable {
    package let id: Int64
    package let owner: String
    /// The guid of the upload it came with, if it came with one.
    package let guid: String?
    package let name: String
    /// The file, relative to the store: `upload/mp4/YYYY/MM/original/<name>`.
    package let path: String
    /// Bytes.
    package let size: Int
    /// Seconds; 0 if ffprobe could not tell, `nil` if it was not asked yet.
    package let duration: Double?
    /// 32 lower-case hexadecimal digits.
    package let md5: String
    package let classID: Int64?
    /// The name of its class, `""` if it has none.
    package let className: String
    /// The name of its class's game, `""` if it has none.
    package let gameName: String
    /// Seconds since 1970.
    package let createTime: Int64
    package let updateTime: Int64
    package let state: State
    /// How much of the transcoding is done, from 0 to 1; `nil` unless `state` is `queued` or `running`.
    package let progress: Double?
    /// What transcoding made of its file, `nil` if it made nothing yet.
    package let media: MediaFacts?
    /// Why transcoding has failed, `nil` unless `state` is `failed`.
    package let failure: VideoFailure?

    /// What is done with its file. The raw values are those of the reply to video_info.
    package enum State: String, Sendable {
        /// Nothing: it stays as it was uploaded.
        case stored
        /// It waits to be transcoded.
        case queued
        /// It is being transcoded.
        case running
        /// It is transcoded.
        case ready
        /// Transcoding has failed.
        case failed
    }

    package init(
        id: Int64, owner: String, guid: String?, name: String, path: String, size: Int, duration: Double?,
        md5: String, classID: Int64?, className: String, gameName: String, createTime: Int64, updateTime: Int64,
        state: State, progress: Double?, media: MediaFacts?, failure: VideoFailure?
    ) {
        self.id = id
        self.owner = owner
        self.guid = guid
        self.name = name
        self.path = path
        self.size = size
        self.duration = duration
        self.md5 = md5
        self.classID = classID
        self.className = className
        self.gameName = gameName
        self.createTime = createTime
        self.updateTime = updateTime
        self.state = state
        self.progress = progress
        self.media = media
        self.failure = failure
    }
}

/// What is known of a video before its bytes are: the upload keeps it from its first request on.
package struct VideoDraft: Equatable, Sendable {
    package let name: String
    package let guid: String
    /// The file to be, relative to the store.
    package let path: String
    package let classID: Int64?

    package init(name: String, guid: String, path: String, classID: Int64?) {
        self.name = name
        self.guid = guid
        self.path = path
        self.classID = classID
    }

    /// The same with another file.
    package func at(_ path: String) -> VideoDraft { VideoDraft(name: name, guid: guid, path: path, classID: classID) }
}

/// A category that an editor chooses for a video.
package struct VideoClass: Equatable, Sendable {
    package let id: Int64
    package let name: String
    /// The game it belongs to, `""` for none.
    package let gameName: String

    package init(id: Int64, name: String, gameName: String) {
        self.id = id
        self.name = name
        self.gameName = gameName
    }
}

/// What transcoding made of a file. Paths are relative to the store; what was not made or is not known is `nil`.
package struct MediaFacts: Equatable, Sendable {
    /// Pixels, as it is shown.
    package var width: Int?
    package var height: Int?
    /// As ffprobe names them, like `h264` and `aac`.
    package var videoCodec: String?
    package var audioCodec: String?
    /// Bits per second.
    package var bitRate: Int?
    /// A file that every browser plays.
    package var mp4Path: String?
    /// The stream's first playlist.
    package var hlsPath: String?
    /// A picture.
    package var posterPath: String?
    /// The index of the time line's pictures.
    package var thumbnailsPath: String?
    /// What is wrong with the file, though it plays.
    package var flaws: Set<VideoFlaw> = []
    /// Where all of it is, published as a whole; `nil` if an earlier version made it, beside the directories of claims.
    package var directory: String?

    package init() {}

    /// Every path that there is.
    package var paths: [String] { [mp4Path, hlsPath, posterPath, thumbnailsPath].compactMap(\.self) }
}

/// Why transcoding a video has failed for good: the closed list of what `failure` may be, in the catalogue, in replies and in
/// events. `Contract.md` shows it.
package enum VideoFailure: String, CaseIterable, Sendable {
    case nothingPlays = "nothing-plays"
    case noIndex = "no-index"
    case noPicture = "no-picture"
    case unknownCodec = "unknown-codec"
    case encrypted
    case tooMuch = "too-much"
    case timeLimit = "time-limit"
    case memoryLimit = "memory-limit"
    case noSpace = "no-space"
    case toolFailed = "tool-failed"
    case workerDied = "worker-died"
    case cancelled
    case `internal`

    /// That of a job's error code: what is not known here was written by another version.
    package init(code: String) {
        self =
            switch code {
            case "unsupported": .nothingPlays
            case "noIndex": .noIndex
            case "noPicture": .noPicture
            case "unknownCodec": .unknownCodec
            case "encrypted": .encrypted
            case "tooMuch": .tooMuch
            case "timeLimit": .timeLimit
            case "memoryLimit": .memoryLimit
            case "noSpace": .noSpace
            case "toolFailed": .toolFailed
            case "worker_died": .workerDied
            case "cancelled": .cancelled
            default: .internal
            }
    }

    /// What people read, in English. The pages say it in other languages too.
    package var text: String {
        switch self {
        case .nothingPlays:
            "Nothing in the file can be played: it is damaged, or no video. Export it again, or upload another copy."
        case .noIndex:
            "The index of the file is missing: the recording was not finished, or the file was not copied whole. Export or "
                + "copy it again."
        case .noPicture: "There is no picture in the file."
        case .unknownCodec: "The picture is of a kind that the server does not know. Export it as MP4 with H.264."
        case .encrypted: "The video is encrypted. Upload it without protection."
        case .tooMuch: "The video is too long, or its picture too large, to be processed."
        case .timeLimit: "Processing took longer than it may."
        case .memoryLimit: "Processing needs more memory than the server has for it."
        case .noSpace: "The server had no room for the result."
        case .toolFailed: "A program that processes videos has failed."
        case .workerDied: "Processing was interrupted again and again."
        case .cancelled: "Processing was cancelled."
        case .internal: "The server has had an error."
        }
    }
}

/// What is wrong with a video that plays all the same: the closed list of what may be in `flaws`, in the catalogue, in replies
/// and in events. `Contract.md` shows it.
package enum VideoFlaw: String, CaseIterable, Sendable {
    case truncated
    case damaged

    /// What people read, in English. The pages say it in other languages too.
    package var text: String {
        switch self {
        case .truncated: "The file ends in the middle of the video; what there is of it plays."
        case .damaged: "Parts of the video are damaged; the rest plays."
        }
    }
}

extension [VideoFlaw] {
    /// Each once, in the order of the list.
    package init(_ flaws: Set<VideoFlaw>) { self = VideoFlaw.allCases.filter(flaws.contains) }
}
