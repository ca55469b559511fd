import Foundation

/// One JSON reply: `{"code":Int,"msg":String,"data":Object|null}`. (protocol.md, section 1)
package struct Reply: Sendable {
    /// The HTTP status.
    package let status: Int
    /// Positive: done (1) or go on (2); negative: refused.
    package let code: Int
    package let message: String
    package let data: (any Encodable & Sendable)?
    /// For HTTP 405.
    package let allow: String?

    package init(
        status: Int = 200, code: Int, message: String, data: (any Encodable & Sendable)? = nil, allow: String? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.data = data
        self.allow = allow
    }

    var body: [UInt8] {
        struct Envelope: Encodable {
            let reply: Reply

            enum Keys: String, CodingKey { case code, msg, data }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Keys.self)
                try container.encode(reply.code, forKey: .code)
                try container.encode(reply.message, forKey: .msg)
                if let data = reply.data {
                    try data.encode(to: container.superEncoder(forKey: .data))
                } else {
                    try container.encodeNil(forKey: .data)
                }
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // Integers, finite numbers and strings always encode.
        return Array(try! encoder.encode(Envelope(reply: self)))
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
