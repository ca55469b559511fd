import FastCGI
import FormData
import System

/// One request and the way to its reply. `FastCGIRequest` is the real one; a test may bring its own.
///
/// It is answered once, from any thread.
package protocol Exchange: AnyObject, Sendable {
    /// A FastCGI parameter, as nginx's `fastcgi_param` sets it; `nil` if absent.
    func parameter(_ name: String) -> String?

    /// The same as bytes, as it was sent: `parameter` repairs what is not UTF-8 and ends at a NUL.
    func parameterBytes(_ name: String) -> [UInt8]?

    /// The body's length in bytes as the client stated it, `nil` if it did not.
    var contentLength: Int? { get }

    /// Reads some bytes of the body; 0 at its end.
    ///
    /// - Throws: if the connection fails.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int

    /// Answers, and returns when the reply has been handed over. Returns whether that worked.
    @discardableResult
    func reply(status: Int, headers: [(String, String)], body: [UInt8]) -> Bool
}

extension Exchange {
    /// Whose request it is, as nginx says; `""` for the one shared owner.
    var owner: String { parameter("UPLOAD_OWNER") ?? "" }

    /// Where the request comes from, as nginx says; `""` if it does not.
    var address: String { parameter("REMOTE_ADDR") ?? "" }

    /// Whether it is a question of a monitor that wants to know more than that the responder answers.
    var asksWhetherReady: Bool { (try? URLEncoded.parse(parameter("QUERY_STRING") ?? ""))?["ready"] != nil }
}

extension FastCGIRequest: Exchange {}

// MARK: - Action

/// What a request asks for. The raw value is what it is counted and logged as.
enum Action: String, CaseIterable, Sendable {
    case uploadFile = "upload_file"
    case determineVideoExist = "determine_video_exist"
    case determineChunkExist = "determine_chunk_exist"
    case listClass = "list_class"
    case videoInfo = "video_info"
    case play
    case healthz
    case metrics
    /// No address of ours.
    case other

    init(_ exchange: any Exchange) {
        // The address as the client sent it: an application behind a front controller has another `SCRIPT_NAME`.
        let uri = exchange.parameter("REQUEST_URI") ?? exchange.parameter("DOCUMENT_URI") ?? ""
        self =
            switch uri.utf8.firstIndex(of: UInt8(ascii: "?")).map({ String(uri[..<$0]) }) ?? uri {
            case "/service/upload/upload_file", "/service/upload/ssl_upload_file": .uploadFile
            case "/service/upload/determine_video_exist": .determineVideoExist
            case "/service/upload/determine_chunk_exist": .determineChunkExist
            case "/service/upload/list_class": .listClass
            case "/service/upload/video_info": .videoInfo
            case "/play/": .play
            case "/healthz": .healthz
            case "/metrics": .metrics
            default: .other
            }
    }

    /// The methods that it takes.
    var methods: [String] {
        switch self {
        case .play, .healthz, .metrics: ["GET", "HEAD"]
        default: ["POST"]
        }
    }
}

// MARK: - Reply

/// One reply: the JSON object `{"code":Int,"msg":String,"data":Object|null}`, or a text.
package struct Reply: Sendable {
    /// The HTTP status.
    package var status = 200
    /// Positive: done (1) or go on (2); negative: refused.
    package let code: Int
    package let message: String
    package var data: JSONObject?
    /// One more header.
    package var header: (name: String, value: String)?
    /// Why the code is negative.
    package var reason: FailureReason?
    /// Stands in place of the object.
    package var text: String?
    /// Of the object or the text, or of what nginx sends in its place.
    package var contentType = "application/json; charset=utf-8"

    var body: [UInt8] {
        if let text { return Array(text.utf8) }
        var object = JSONObject()
        object.add("code", code)
        object.add("msg", message)
        object.add("data", data)
        return object.bytes
    }
}

extension Exchange {
    /// Answers with a reply. Returns whether it could be handed over.
    func send(_ reply: Reply) -> Bool {
        let body = reply.body
        var headers = [
            ("Content-Type", reply.contentType), ("Content-Length", "\(body.count)"),
            ("Cache-Control", "no-store"),
        ]
        if let reason = reply.reason {
            headers += [("X-Intake-Code", "\(reply.code)"), ("X-Intake-Reason", reason.rawValue)]
        }
        if let header = reply.header { headers.append(header) }
        return self.reply(status: reply.status, headers: headers, body: body)
    }
}

extension Failure {
    func reply(_ language: Language) -> Reply {
        let row = reason.row
        var message = row.text[language]
        if let detail { message = message.replacing("{}", with: detail[language]) }
        let outcome = isToComeAgain ? FailureReason.retry.row : row
        return Reply(status: outcome.status, code: outcome.code, message: message, header: header, reason: reason)
    }
}
