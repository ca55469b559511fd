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
