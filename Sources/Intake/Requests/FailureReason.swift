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

/// What `msg` of replies is written in.
package enum Language: String, CaseIterable, Sendable {
    /// Chinese.
    case zh
    /// English.
    case en
}

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
