import System

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
