import Foundation

extension SentRequest {
    /// The request header that the tests' nginx passes on as UPLOAD_OWNER.
    package static let ownerHeader = "X-Test-Owner"

    /// The request's head, up to the empty line.
    ///
    /// - Parameters:
    ///   - contentLength: what Content-Length says; `nil` for a body in chunks.
    ///   - isKept: whether another request may follow on the connection.
    package func httpHead(contentLength: Int?, isKept: Bool = false) -> [UInt8] {
        var lines = ["\(method) \(target) HTTP/1.1"]
        if !headers.contains(where: { $0.0 == "Host" }) { lines.append("Host: 127.0.0.1") }
        lines += headers.map { "\($0): \($1)" }
        if let contentType { lines.append("Content-Type: \(contentType)") }
        if let owner { lines.append("\(Self.ownerHeader): \(owner)") }
        switch contentLength {
        case .none: lines.append("Transfer-Encoding: chunked")
        case .some(0) where method == "GET" || method == "HEAD": break
        case .some(let length): lines.append("Content-Length: \(length)")
        }
        if !isKept { lines.append("Connection: close") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// The whole request as a browser sends it.
    package func http(isKept: Bool = false) -> [UInt8] {
        httpHead(contentLength: body.count, isKept: isKept) + body
    }

    /// The whole request with its body in chunks of at most `size` bytes.
    package func httpInChunks(of size: Int) -> [UInt8] {
        var bytes = httpHead(contentLength: nil)
        for start in stride(from: 0, to: body.count, by: size) {
            let part = body[start..<min(start + size, body.count)]
            bytes += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + [13, 10]
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }
}

extension HTTPConnection {
    /// Sends a request and waits for its reply. The reply may come before the whole request was sent.
    package func send(_ request: SentRequest, isKept: Bool = false) throws -> ReceivedReply {
        do {
            try send(request.http(isKept: isKept))
        } catch Fault.system(call: "send", let code) where code == EPIPE || code == ECONNRESET {
            // The server may have answered and closed; the reply is there then.
        }
        return try reply(to: request.method)
    }
}
