import Catalogue
import ChunkStore
import FormData

/// Every way a request can fail, with its reply. (protocol.md, section 3)
enum Failure: Error, Sendable {
    /// guid, file_name or md5 is empty.
    case missingParameter
    /// There is no file part, or its name is empty.
    case missingFile
    /// `field` has a value that it must not have; `rule` says what it must be.
    case malformed(field: String, rule: String)
    /// md5 is empty where nothing else is needed.
    case missingMD5
    /// The form is over one of its limits.
    case formLimit(FormError)
    /// The body is over the limit, in bytes.
    case bodyTooLarge(limit: Int)
    /// The chunk could not be stored, and trying again may help. The cause is for the log.
    case notStored(cause: String)
    /// The whole file is refused; trying again would not help.
    case refused(Refusal)
    /// The video's record could not be saved. The cause is for the log.
    case recordNotSaved(cause: String)
    /// No such address.
    case unknownAction
    /// The address of a video that is not there.
    case noSuchVideo
    /// The address takes other methods only.
    case methodNotAllowed(allow: String)

    /// Why a whole file is refused. The raw value is what the page shows.
    enum Refusal: Error, Equatable, Sendable {
        case fileExtension(allowed: [String])
        case container(allowed: [String])
        case diskFull
        case tooManyUploads
        case md5

        var message: String {
            switch self {
            case .fileExtension(let allowed):
                "只支持 \(allowed.joined(separator: "、")) 格式的视频 (file extension)"
            case .container(let allowed):
                "文件内容不是 \(allowed.joined(separator: "、")) 格式的视频 (container)"
            case .diskFull:
                "服务器存储空间不足,请联系管理员 (disk full)"
            case .tooManyUploads:
                "未完成的上传过多,请稍后再试 (too many uploads)"
            case .md5:
                "文件内容与 md5 不一致,请重新上传 (md5)"
            }
        }
    }

    static func container(_ settings: IntakeSettings) -> Failure { .refused(.container(allowed: settings.extensions)) }

    var reply: Reply {
        switch self {
        case .missingParameter: Reply(code: -1, message: "guid 或 file_name 或 md5 不能为空")
        case .missingFile: Reply(code: -1, message: "请上传一个文件")
        case .malformed(let field, let rule): Reply(code: -1, message: "参数 \(field) 错误:\(rule)")
        case .missingMD5: Reply(code: -1, message: "md5 不能为空")
        case .formLimit(let error): Reply(status: 400, code: -1, message: error.description)
        case .bodyTooLarge(let limit): Reply(status: 413, code: -1, message: "请求体不能超过 \(limit) 字节")
        case .notStored: Reply(status: 409, code: -2, message: "分片上传失败")
        case .refused(let refusal): Reply(code: -3, message: "上传文件出错!msg:\(refusal.message)")
        case .recordNotSaved: Reply(code: -6, message: "视频信息保存失败")
        case .unknownAction: Reply(status: 404, code: -1, message: "没有这个接口")
        case .noSuchVideo: Reply(status: 404, code: -1, message: "视频不存在")
        case .methodNotAllowed(let allow):
            Reply(status: 405, code: -1, message: "请使用 \(allow) 方法", header: ("Allow", allow))
        }
    }

    /// What the log says and the client need not know.
    var cause: String? {
        switch self {
        case .notStored(let cause), .recordNotSaved(let cause): cause
        default: nil
        }
    }

    init(_ error: StoreError) {
        self = error.isDiskFull ? .refused(.diskFull) : .notStored(cause: error.description)
    }

    init(_ error: CatalogueError) {
        self =
            switch error.reason {
            case .diskFull: .refused(.diskFull)
            case .tooManyUploads: .refused(.tooManyUploads)
            case .incompatible, .failed: .notStored(cause: error.description)
            }
    }

    init(_ error: FormError) {
        self = error == .truncated ? .notStored(cause: error.description) : .formLimit(error)
    }
}

/// Runs a call of the store; its error becomes a reply.
func storing<Result>(_ call: @autoclosure () throws(StoreError) -> Result) throws(Failure) -> Result {
    do throws(StoreError) { return try call() } catch { throw Failure(error) }
}

/// Runs a call of the catalogue; its error becomes a reply.
func recording<Result>(_ call: @autoclosure () throws(CatalogueError) -> Result) throws(Failure) -> Result {
    do throws(CatalogueError) { return try call() } catch { throw Failure(error) }
}
