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

    /// Whether it is a question of a monitor that wants to know more than that the responder answers.
    var asksWhetherReady: Bool {
        (try? URLEncoded.parse(parameter("QUERY_STRING") ?? ""))?["ready"] != nil
    }
}

extension FastCGIRequest: Exchange {}

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
