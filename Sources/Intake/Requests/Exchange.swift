import FastCGI
import FormData

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

extension FastCGIRequest: Exchange {
    package func reply(status: Int, headers: [(String, String)], body: [UInt8]) -> Bool {
        reply(status: status, reason: nil, headers: headers, body: body)
    }
}
