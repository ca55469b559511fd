import CFastCGI
import Glibc

extension FastCGIRequest {
    /// Answers the request and closes the connection, whatever FCGI_KEEP_CONN says: an idle kept connection would hold
    /// a thread. (nginx copes with that while it keeps no connections itself: no `keepalive` in the upstream block.)
    ///
    /// Returns when the kernel has everything and the connection is closed. If the body was not read to its end, what
    /// still comes is read and thrown away first, within `ConnectionLimits.drainBytes` and `drainSeconds`: a peer that
    /// is still sending could otherwise meet a broken connection before it reads the reply.
    ///
    /// - Parameters:
    ///   - status: three digits; 200, 404 …
    ///   - reason: the words after it in the status line, by default those of RFC 9110.
    ///   - headers: passed on as they are, except that control characters become spaces.
    /// - Returns: whether all of it could be written. False also for a second reply, which is ignored: it must not take
    ///   down the other requests.
    @discardableResult
    package func reply(
        status: Int, reason: String? = nil, headers: [(String, String)], body: [UInt8]
    ) -> Bool {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing), let connection = connection.take() else {
            return false
        }
        let head = Self.head(status: status, reason: reason, headers: headers)
        let isWritten = Library.withSignalsBlocked {
            let isWritten = write(head) && write(body) && finish()
            if isWritten, !input.hasNothingLeft() {
                connection.endSending()
                connection.limitWaiting(receive: limits.drainSeconds)
                input.drain(limit: limits.drainBytes, seconds: limits.drainSeconds)
            }
            return isWritten
        }
        library.pointee.ipcFd = -1
        _ = consume connection
        token = nil
        return isWritten
    }

    /// https://www.rfc-editor.org/rfc/rfc3875#section-6.3
    private static func head(status: Int, reason: String?, headers: [(String, String)]) -> [UInt8] {
        var head: [UInt8] = []
        head.reserveCapacity(256)
        func add(_ text: String) {
            // A line break in a name or value would begin another header, or the body.
            for byte in text.utf8 { head.append(byte < 0x20 || byte == 0x7f ? 0x20 : byte) }
        }
        func addLine(_ name: String, _ value: String) {
            add(name)
            add(": ")
            add(value)
            head += [0x0d, 0x0a]
        }
        addLine("Status", "\(status) \(reason ?? self.reason(status))")
        for (name, value) in headers { addLine(name, value) }
        return head + [0x0d, 0x0a]
    }

    /// https://www.rfc-editor.org/rfc/rfc9110#section-15
    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 507: "Insufficient Storage"
        default: "Status"
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { source in
            var rest = source[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))  // FCGX_PutStr counts in int
                guard FCGX_PutStr(part.baseAddress, Int32(part.count), library.pointee.out) == Int32(part.count) else {
                    return false
                }
                rest = rest.dropFirst(part.count)
            }
            return true
        }
    }

    /// stderr first: the last stream to close writes FCGI_END_REQUEST, in one write with what is left of stdout. After
    /// a failed write nothing is closed, as libfcgi would try to write the same again.
    private func finish() -> Bool {
        FCGX_FClose(library.pointee.err) == 0 && FCGX_FClose(library.pointee.out) == 0
    }
}
