/// One JSON reply: `{"code":Int,"msg":String,"data":Object|null}`. (protocol.md, section 1)
package struct Reply: Sendable {
    /// The HTTP status.
    package let status: Int
    /// Positive: done (1) or go on (2); negative: refused.
    package let code: Int
    package let message: String
    package let data: JSONObject?
    /// For HTTP 405.
    package let allow: String?

    package init(
        status: Int = 200, code: Int, message: String, data: JSONObject? = nil, allow: String? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.data = data
        self.allow = allow
    }

    var body: [UInt8] {
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
            ("Content-Type", "application/json; charset=utf-8"), ("Content-Length", "\(body.count)"),
            ("Cache-Control", "no-store"),
        ]
        if let allow = reply.allow { headers.append(("Allow", allow)) }
        return self.reply(status: reply.status, headers: headers, body: body)
    }
}
