import Catalogue
import ChunkStore
import FormData
import Logging
import System
import Model

/// A request that fails: why, and what is particular about it. `FailureReason` is the table of all there are.
struct Failure: Error, Sendable {
    let reason: FailureReason
    /// What stands for `{}` in the reason's text.
    let detail: Text?
    /// What the log says and the client need not know.
    let cause: String?
    /// It is a refusal that stands already, and that the guid gets again.
    let isKept: Bool
    /// Whether an operator has to see it among the errors.
    let isError: Bool
    /// Answered as what may be tried again, with HTTP 409 and code -2, whatever the reason's row says.
    let isToComeAgain: Bool
    /// One more header of the reply.
    let header: (name: String, value: String)?
    /// What it is about, where that is one of a list: what the file is that is no video, an `OtherContent`, or which limit is
    /// reached, a `QuotaLimit`.
    let about: String?

    private init(
        _ reason: FailureReason, _ detail: Text? = nil, cause: String? = nil, isError: Bool = false,
        isToComeAgain: Bool = false,
        isKept: Bool = false,
        header: (name: String, value: String)? = nil,
        about: String? = nil
    ) {
        self.reason = reason
        self.detail = detail
        self.cause = cause
        self.isError = isError
        self.isToComeAgain = isToComeAgain
        self.isKept = isKept
        self.header = header
        self.about = about
    }

    /// The reason as a refusal keeps it, from which `kept` makes the same failure.
    var recorded: String { [reason.rawValue, about].compactMap(\.self).joined(separator: " ") }

    func reply(_ language: Language) -> Reply {
        let row = reason.row
        var message = row.text[language]
        if let detail { message = message.replacing("{}", with: detail[language]) }
        let outcome = isToComeAgain ? FailureReason.retry.row : row
        return Reply(status: outcome.status, code: outcome.code, message: message, header: header, reason: reason)
    }
}

// MARK: - Reasons without more

extension Failure {
    static let missingParameter = Failure(
        .missingParameter, Text("guid 或 file_name 或 md5", "guid, file_name or md5"))
    static let missingMD5 = Failure(.missingParameter, Text("md5", "md5"))
    static let missingFile = Failure(.missingFile)
    /// A chunk's length contradicts what is known of its file, or of the chunks that its page has sent before.
    static let length = Failure(.length)
    static let diskFull = Failure(.diskFull)
    /// The same for an upload that has chunks, or may have: they stay, and this one is to come again. WebUploader would take
    /// HTTP 200 for stored.
    static let diskFullForNow = Failure(.diskFull, isToComeAgain: true)
    static func quota(_ limit: QuotaLimit) -> Failure { Failure(.quota, limit.text, about: limit.rawValue) }
    /// Nothing tells yet where a chunk belongs.
    static let unplaced = Failure(.retry, cause: "no other chunk has told the chunk size yet")
    /// What there was of the upload is gone before one of its chunks was stored: nothing that its page relies on.
    static let beginsAnew = Failure(.retry, cause: "the upload has ended before its first chunk was stored")
    /// The guid is refused, and its page may be beginning anew: with the first chunk, which is not there yet or cannot be held.
    static let awaitsFirst = Failure(.retry, cause: "its upload may be about to begin anew")
    /// The file is being completed, and that takes longer than a reply may wait.
    static let completing = Failure(.retry, cause: "the file is still being completed")
    /// What is there of the upload is being read, to see whether a reboot has left it as it was.
    static let inDoubt = Failure(.retry, cause: "the chunks are still being compared with their checksums")
    /// The content does not have the md5 that was sent.
    static let md5 = Failure(.md5)
    /// What there was of the upload is gone.
    static let expired = Failure(.expired)
    static let unavailable = Failure(.unavailable)
    static let unknownAction = Failure(.unknownAction)
    /// The address of a video that is not there.
    static let noSuchVideo = Failure(.noSuchVideo)
    static let unanswered = Failure(.internal, cause: "the request was dropped", isError: true)
}

extension Failure {
    /// This failure, as an upload that has chunks is told it.
    var whereChunksAre: Failure { reason == .diskFull ? .diskFullForNow : self }
}

// MARK: - Reasons with more

extension Failure {
    /// `field` has a value that it must not have; `rule` says what it must be.
    static func malformed(_ field: String, _ rule: FieldRule) -> Failure {
        Failure(.malformed, Text("\(field) 错误:\(rule.text.zh)", "\(field): it \(rule.text.en)"))
    }

    /// The body is over the limit, in bytes.
    static func bodyTooLarge(limit: Int) -> Failure {
        Failure(.bodyLimit, Text("\(limit)", "\(limit)"))
    }

    static func fileExtension(_ settings: IntakeSettings) -> Failure {
        Failure(.fileExtension, allowed(settings))
    }

    /// The first bytes are those of no video that can be opened.
    static func container(_ other: OtherContent) -> Failure {
        Failure(.container, other.text, about: other.rawValue)
    }

    /// What the chunks of a refused guid get, until it begins anew.
    static func kept(_ refusal: Refusal, _ settings: IntakeSettings) -> Failure {
        let words = refusal.reason.split(separator: " ").map(String.init)
        let about = words.dropFirst().first
        switch words.first.flatMap(FailureReason.init(rawValue:)) ?? .expired {
        case .container:
            let other = about.flatMap(OtherContent.init(rawValue:)) ?? .unknown
            return Failure(.container, other.text, isKept: true, about: other.rawValue)
        case .quota:
            // An older version did not say which.
            let limit = about.flatMap(QuotaLimit.init(rawValue:)) ?? .uploads
            return Failure(.quota, limit.text, isKept: true, about: limit.rawValue)
        case .fileExtension:
            return Failure(.fileExtension, allowed(settings), isKept: true)
        case let reason where [.malformed, .missingParameter].contains(reason):
            return Failure(reason, Text("(之前的分片)", "(in an earlier chunk)"), isKept: true)
        case let reason:
            return Failure(reason, isKept: true)
        }
    }

    private static func allowed(_ settings: IntakeSettings) -> Text {
        Text(settings.extensions.joined(separator: "、"), settings.extensions.joined(separator: ", "))
    }

    /// The chunk could not be stored, and trying again may help.
    static func notStored(cause: String) -> Failure {
        Failure(.retry, cause: cause, isError: true)
    }

    /// The video's record could not be saved.
    static func recordNotSaved(cause: String) -> Failure {
        Failure(.record, cause: cause, isError: true)
    }

    /// The address takes other methods only.
    static func methodNotAllowed(allow: String) -> Failure {
        Failure(.method, Text(allow, allow), header: ("Allow", allow))
    }

    init(_ error: StoreError) {
        // The catalogue decides for good whether there is room. Where it has said so, and the disk has none, that passes.
        self = error.reason == .diskFull ? .diskFullForNow : .notStored(cause: error.description)
    }

    /// Of a request's body.
    init(_ error: SystemError) { self.init(StoreError(error)) }

    init(_ error: CatalogueError) {
        self =
            switch error.reason {
            case .diskFull: .diskFull
            case .quota: .quota(.records)
            case .incompatible, .failed: .notStored(cause: error.description)
            }
    }

    init(_ error: FormError) {
        let english = error.description
        let chinese: String
        switch error {
        case .tooManyParts(let limit): chinese = "表单部分超过 \(limit) 个"
        case .tooManyParameters(let limit): chinese = "参数超过 \(limit) 个"
        case .partHeaderTooLong(let limit): chinese = "表单部分的头超过 \(limit) 字节"
        case .nameTooLong(let limit): chinese = "参数名超过 \(limit) 字节"
        case .textTooLong(let field, let limit): chinese = "字段 \(FormError.printable(field)) 超过 \(limit) 字节"
        case .boundaryTooLong(let limit): chinese = "boundary 超过 \(limit) 字节"
        case .tooManyFiles(let limit): chinese = "文件超过 \(limit) 个"
        case .notText(let field):
            // Every chunk of a file carries the same text: WebUploader shows the reply to the last one.
            self = .malformed(FormError.printable(field), .text)
            return
        case .truncated:
            // The client or its connection broke off: nothing that an operator could mend.
            self = Failure(.retry, cause: english)
            return
        }
        self = Failure(.formLimit, Text("\(chinese) (\(english))", english))
    }
}

// MARK: - Contents

extension OtherContent {
    /// What a message says that the content is.
    var text: Text {
        switch self {
        case .zeros:
            Text("开头全是 0,可能没有下载完整", "nothing but zeros at first, as of a file that was not downloaded completely")
        case .image: Text("是图片", "a picture")
        case .pdf: Text("是 PDF 文档", "a PDF document")
        case .zip: Text("是 ZIP 压缩包或 Office 文档", "a ZIP archive or an Office document")
        case .archive: Text("是压缩包", "an archive")
        case .document: Text("是 Office 文档", "an Office document")
        case .sound: Text("是音频,没有画面", "sound without pictures")
        case .playlist: Text("是播放列表(如 m3u8),不含视频本身", "a playlist like m3u8, without the video itself")
        case .program: Text("是程序", "a program")
        case .webPage: Text("是网页", "a web page")
        case .text: Text("是文本", "text")
        case .fragment: Text("是视频的一个分段,缺少开头", "a piece of a video without its beginning")
        case .elementaryStream: Text("是没有封装的视频流", "a stream of pictures without a container")
        case .realMedia: Text("是 RealMedia 视频(rm、rmvb)", "a RealMedia video (rm, rmvb)")
        case .otherVideo: Text("是不支持的音视频格式", "sound or video of another kind")
        case .unknown: Text("无法识别", "of an unknown kind")
        }
    }
}

extension QuotaLimit {
    /// What a message says that there is too much of.
    var text: Text {
        switch self {
        case .uploads, .client: Text("未完成的上传过多", "too many unfinished uploads")
        case .room: Text("未完成的上传占用空间过多", "unfinished uploads take too much room")
        case .records: Text("短时间内新增视频过多", "too many new videos in a short time")
        }
    }
}
