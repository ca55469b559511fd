import Catalogue
import ChunkStore
import FormData
import System
import Model

/// A request that fails: why, and what is particular about it. `FailureReason` is the table of all there are.
struct Failure: Error, Sendable {
    let reason: FailureReason
    /// What stands for `{}` in the reason's text.
    var detail: Text?
    /// What the log says and the client need not know.
    var cause: String?
    /// It is a refusal that stands already, and that the guid gets again.
    var isKept = false
    /// Whether an operator has to see it among the errors.
    var isError = false
    /// Answered as what may be tried again, with HTTP 409 and code -2, whatever the reason's row says.
    var isToComeAgain = false
    /// One more header of the reply.
    var header: (name: String, value: String)?
    /// What it is about, where that is one of a list: what the file is that is no video, an `OtherContent`, or which limit is
    /// reached, a `QuotaLimit`.
    var about: String?

    /// The reason as a refusal keeps it, from which `kept` makes the same failure.
    var recorded: String { [reason.rawValue, about].compactMap(\.self).joined(separator: " ") }

    /// This failure, as an upload that has chunks is told it.
    var whereChunksAre: Failure { reason == .diskFull ? .diskFullForNow : self }
}

// MARK: - Reasons without more

extension Failure {
    static let missingParameter = Failure(
        reason: .missingParameter, detail: Text("guid 或 file_name 或 md5", "guid, file_name or md5"))
    static let missingMD5 = Failure(reason: .missingParameter, detail: Text("md5", "md5"))
    static let missingFile = Failure(reason: .missingFile)
    /// A chunk's length contradicts what is known of its file, or of the chunks that its page has sent before.
    static let length = Failure(reason: .length)
    static let diskFull = Failure(reason: .diskFull)
    /// The same for an upload that has chunks, or may have: they stay, and this one is to come again. WebUploader would take
    /// HTTP 200 for stored.
    static let diskFullForNow = Failure(reason: .diskFull, isToComeAgain: true)
    static func quota(_ limit: QuotaLimit) -> Failure {
        Failure(reason: .quota, detail: limit.text, about: limit.rawValue)
    }
    /// Nothing tells yet where a chunk belongs.
    static let unplaced = Failure(reason: .retry, cause: "no other chunk has told the chunk size yet")
    /// What there was of the upload is gone before one of its chunks was stored: nothing that its page relies on.
    static let beginsAnew = Failure(reason: .retry, cause: "the upload has ended before its first chunk was stored")
    /// The guid is refused, and its page may be beginning anew: with the first chunk, which is not there yet or cannot be held.
    static let awaitsFirst = Failure(reason: .retry, cause: "its upload may be about to begin anew")
    /// The file is being completed, and that takes longer than a reply may wait.
    static let completing = Failure(reason: .retry, cause: "the file is still being completed")
    /// What is there of the upload is being read, to see whether a reboot has left it as it was.
    static let inDoubt = Failure(reason: .retry, cause: "the chunks are still being compared with their checksums")
    static let md5 = Failure(reason: .md5)
    static let expired = Failure(reason: .expired)
    static let unavailable = Failure(reason: .unavailable)
    static let unknownAction = Failure(reason: .unknownAction)
    static let noSuchVideo = Failure(reason: .noSuchVideo)
    static let unanswered = Failure(reason: .internal, cause: "the request was dropped", isError: true)

    // MARK: - Reasons with more

    /// `field` has a value that it must not have; `rule` says what it must be.
    static func malformed(_ field: String, _ rule: FieldRule) -> Failure {
        Failure(reason: .malformed, detail: Text("\(field) 错误:\(rule.text.zh)", "\(field): it \(rule.text.en)"))
    }

    /// The body is over the limit, in bytes.
    static func bodyTooLarge(limit: Int) -> Failure {
        Failure(reason: .bodyLimit, detail: Text("\(limit)", "\(limit)"))
    }

    static func fileExtension(allowed: [String]) -> Failure {
        Failure(reason: .fileExtension, detail: Text(allowed.joined(separator: "、"), allowed.joined(separator: ", ")))
    }

    /// The first bytes are those of no video that can be opened.
    static func container(_ other: OtherContent) -> Failure {
        Failure(reason: .container, detail: other.text, about: other.rawValue)
    }

    /// What the chunks of a refused guid get, until it begins anew.
    static func kept(_ refusal: Refusal, _ settings: IntakeSettings) -> Failure {
        let words = refusal.reason.split(separator: " ").map(String.init)
        let about = words.dropFirst().first
        let reason = words.first.flatMap(FailureReason.init(rawValue:)) ?? .expired
        var failure =
            switch reason {
            case .container: container(about.flatMap(OtherContent.init(rawValue:)) ?? .unknown)
            // An older version did not say which.
            case .quota: quota(about.flatMap(QuotaLimit.init(rawValue:)) ?? .uploads)
            case .fileExtension: fileExtension(allowed: settings.extensions)
            case .malformed, .missingParameter:
                Failure(reason: reason, detail: Text("(之前的分片)", "(in an earlier chunk)"))
            default: Failure(reason: reason)
            }
        failure.isKept = true
        return failure
    }

    /// The chunk could not be stored, and trying again may help.
    static func notStored(cause: String) -> Failure { Failure(reason: .retry, cause: cause, isError: true) }

    static func recordNotSaved(cause: String) -> Failure { Failure(reason: .record, cause: cause, isError: true) }

    static func methodNotAllowed(allow: String) -> Failure {
        Failure(reason: .method, detail: Text(allow, allow), header: ("Allow", allow))
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
            self = Failure(reason: .retry, cause: english)
            return
        }
        self = Failure(reason: .formLimit, detail: Text("\(chinese) (\(english))", english))
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

// MARK: - Reasons

/// Why a request is refused: the closed list of what `X-Intake-Reason` may be, those of nginx's own replies included.
///
/// The table below is all there is to a refusal; the contract (`Contract.md`) shows it.
package enum FailureReason: String, CaseIterable, Sendable {
    case missingParameter = "missing-parameter"
    case missingFile = "missing-file"
    case malformed
    case length
    case formLimit = "form-limit"
    case bodyLimit = "body-limit"
    case fileExtension = "extension"
    case container
    case diskFull = "disk-full"
    case quota
    case md5
    case expired
    case retry
    case unavailable
    case record
    case login
    case forbidden
    case origin
    case unknownAction = "unknown-action"
    case noSuchVideo = "no-such-video"
    case method
    case `internal`

    /// A line of the table.
    package struct Row: Sendable {
        package let code: Int
        /// The HTTP status. WebUploader ignores the code of a chunk's reply with 200, so that a permanent fault of a file
        /// has that; 409 is what every version of it sends again.
        package let status: Int
        /// Whether the same request may succeed when it is sent again soon.
        package let mayHelpAgain: Bool
        /// The reply's `msg`; `{}` stands for what the request's own fault is.
        package let text: Text

        init(_ code: Int, _ status: Int, again: Bool = false, _ chinese: String, _ english: String) {
            self.code = code
            self.status = status
            mayHelpAgain = again
            text = Text(chinese, english)
        }
    }

    package var row: Row {
        switch self {
        case .missingParameter: Row(-1, 200, "{} 不能为空", "{} must not be empty")
        case .missingFile: Row(-1, 200, "请上传一个文件", "There is no file")
        case .malformed: Row(-1, 200, "参数 {}", "Wrong parameter {}")
        case .length:
            Row(
                -2, 409, again: true, "参数 file 错误:分片长度与 size、chunks 或其他分片不符",
                "Wrong parameter file: the chunk's length contradicts size, chunks or other chunks")
        case .formLimit: Row(-1, 400, "{}", "The form is too large: {}")
        case .bodyLimit: Row(-1, 413, "请求体不能超过 {} 字节", "The request body must not exceed {} bytes")
        case .fileExtension:
            Row(-3, 200, "上传文件出错!msg:只支持 {} 格式的视频 (file extension)", "Upload failed: only {} videos are taken")
        case .container:
            Row(
                -3, 200, "上传文件出错!msg:文件内容{},支持的视频:MP4/MOV、AVI、FLV、MKV/WebM、TS、MPEG、WMV (container)",
                "Upload failed: the content is {}; it must be an MP4/MOV, AVI, FLV, MKV/WebM, TS, MPEG or WMV video")
        case .diskFull:
            Row(
                -3, 200, "上传文件出错!msg:服务器存储空间不足,请联系管理员 (disk full)",
                "Upload failed: the server has no room left; tell its administrator")
        case .quota:
            Row(
                -3, 200, "上传文件出错!msg:{},请稍后再试 (too many uploads)",
                "Upload failed: {}; try again later")
        case .md5:
            Row(
                -3, 200, "上传文件出错!msg:文件内容与 md5 不一致,请重新上传 (md5)",
                "Upload failed: the content does not have the md5 that was sent; upload the file again")
        case .expired:
            Row(
                -3, 200, "上传文件出错!msg:上传已过期,请重新上传 (expired)",
                "Upload failed: the upload has expired; upload the file again")
        case .retry, .unavailable: Row(-2, 409, again: true, "分片上传失败", "The chunk was not stored")
        case .record: Row(-6, 200, again: true, "视频信息保存失败", "The video's record could not be saved")
        case .login: Row(-4, 401, "请先登录", "Log in first")
        case .forbidden: Row(-4, 403, "没有权限", "You have no permission")
        case .origin: Row(-4, 403, "不允许来自该网站的请求", "Requests from this site are not allowed")
        case .unknownAction: Row(-1, 404, "没有这个接口", "There is no such action")
        case .noSuchVideo: Row(-1, 404, "视频不存在", "There is no such video")
        case .method: Row(-1, 405, "请使用 {} 方法", "Use {}")
        case .internal: Row(-1, 500, again: true, "请求未得到处理", "The request was not answered")
        }
    }

    /// What only nginx answers with, before a request gets here.
    package static let ofWebServer: Set<FailureReason> = [.login, .forbidden, .origin]
}

// MARK: - Texts

/// A text for people, in each language there is.
package struct Text: Equatable, Sendable {
    package let zh: String
    package let en: String

    package init(_ zh: String, _ en: String) {
        self.zh = zh
        self.en = en
    }

    package subscript(language: Language) -> String {
        switch language {
        case .zh: zh
        case .en: en
        }
    }
}

/// What a field of a request must be: all rules there are. Which field has which is in the contract (`Contract.md`, fields).
enum FieldRule {
    case notEmpty
    case notEmptyFile
    /// `[A-Za-z0-9_-]{1,64}`
    case guid
    case md5
    /// UTF-8 without NUL.
    case text
    case positive
    case number(ClosedRange<Int>)
    case bytes(ClosedRange<Int>)
    case atMost(bytes: Int)
    /// The same as the length of the file that was sent.
    case length(Int)

    var text: Text {
        switch self {
        case .notEmpty: Text("不能为空", "must not be empty")
        case .notEmptyFile: Text("不能为空文件", "must not be an empty file")
        case .guid: Text("必须是 1 到 64 个字母、数字、_ 或 -", "must be 1 to 64 letters, digits, _ or -")
        case .md5: Text("必须是 32 位十六进制数字", "must be 32 hexadecimal digits")
        case .text: Text("必须是 UTF-8 文本,且不含 NUL", "must be UTF-8 text without NUL")
        case .positive: Text("必须是正整数", "must be a whole number above 0")
        case .number(let range):
            Text(
                "必须是 \(range.lowerBound) 到 \(range.upperBound) 的整数",
                "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        case .bytes(let range):
            Text(
                "必须是 \(range.lowerBound) 到 \(range.upperBound) 的整数(字节)",
                "must be a whole number from \(range.lowerBound) to \(range.upperBound), in bytes")
        case .atMost(let limit): Text("不能超过 \(limit) 字节", "must not exceed \(limit) bytes")
        case .length(let length): Text("与文件长度 \(length) 不符", "must be the file's length, \(length)")
        }
    }
}
