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
    /// Seconds since 1970.
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
    package func at(_ path: String) -> VideoDraft {
        VideoDraft(name: name, guid: guid, path: path, classID: classID)
    }
}

/// A category that an editor chooses for a video.
package struct VideoClass: Equatable, Sendable {
    package let id: Int64
    package let name: String
    /// The game it belongs to, `""` for none.
    package let gameName: String

    package init(
        id: Int64, name: String, gameName: String
    ) {
        self.id = id
        self.name = name
        self.gameName = gameName
    }
}
