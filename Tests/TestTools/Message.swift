import Foundation

/// A request as a client sends it.
package struct SentRequest: Sendable {
    package var method = "POST"
    /// Path and query.
    package var target: String
    package var contentType: String?
    package var body: [UInt8] = []
    /// What nginx would pass as UPLOAD_OWNER; `nil` for the one shared owner.
    package var owner: String?
    /// The client's address; of nginx it must be one of this machine.
    package var address: String?
    /// More headers, for nginx. A Host takes the place of the usual one.
    package var headers: [(String, String)] = []

    package init(
        method: String = "POST", _ target: String, contentType: String? = nil, body: [UInt8] = [], owner: String? = nil
    ) {
        self.method = method
        self.target = target
        self.contentType = contentType
        self.body = body
        self.owner = owner
    }

    /// An urlencoded form.
    package static func form(_ target: String, _ fields: [(String, String)], owner: String? = nil) -> SentRequest {
        SentRequest(
            target, contentType: "application/x-www-form-urlencoded", body: Array(urlEncode(fields).utf8), owner: owner)
    }
}

/// `name=value` pairs with everything but letters and digits escaped.
package func urlEncode(_ fields: [(String, String)]) -> String {
    func escape(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: .alphanumerics)! }
    return fields.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&")
}

/// A reply as a client gets it.
package struct ReceivedReply: Sendable, CustomStringConvertible {
    package let status: Int
    /// Names in lower case.
    package let headers: [String: String]
    /// Names of headers that came more than once, in lower case.
    package let repeatedHeaders: Set<String>
    package let body: [UInt8]

    package init(status: Int, headers: [(String, String)], body: [UInt8]) {
        self.status = status
        let named = headers.map { ($0.0.lowercased(), $0.1) }
        self.headers = Dictionary(named) { _, last in last }
        repeatedHeaders = Set(Dictionary(grouping: named, by: \.0).filter { $1.count > 1 }.keys)
        self.body = body
    }

    /// The JSON object; `nil` if the body is none.
    package var json: [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any]
    }

    package var code: Int? { json?["code"] as? Int }
    package var message: String? { json?["msg"] as? String }
    package var data: [String: Any]? { json?["data"] as? [String: Any] }
    package var videoID: Int? { data?["video_id"] as? Int }
    package var path: String? { data?["path"] as? String }
    package var description: String { "HTTP \(status) \(String(decoding: body, as: UTF8.self))" }
}
