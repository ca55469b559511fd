import CFastCGI
import Glibc
import Synchronization

/// One request, to be answered once, at once or later.
///
/// A handler may keep it and return; the thread then accepts the next connection. One thread at a time may call `read`
/// and `reply`; `parameter` and `contentLength` may be called from any thread at any time, after the reply too.
/// A request that ends unanswered is answered with 500.
// SAFETY: `library`'s parameters never change. `isAnswered` lets only one call into the writing part. `input`,
// `connection` and `token` are used by `read` and `reply`, which the rule above keeps apart.
package final class FastCGIRequest: @unchecked Sendable {
    /// Freed with the request, not with the reply, so that parameters stay readable.
    let library: UnsafeMutablePointer<FCGX_Request>
    let limits: ConnectionLimits
    /// Values with a NUL in them, which libfcgi has only the beginning of.
    private let cut: [String: [UInt8]]
    let isAnswered = Atomic<Bool>(false)
    var input: RequestInput
    /// Nil after the reply.
    var connection: Connection?
    /// Nil after the reply, and only then: a stop waits for the tokens.
    var token: RunningCount.Token?

    /// Reads the head of the request that comes over `connection`, which is closed if that fails.
    ///
    /// - Parameter stop: readable once the server stops; a head that is not there shortly after that is given up.
    static func read(
        from connection: consuming Connection, headFile: borrowing HeadFile, limits: ConnectionLimits,
        stop: Int32, token: consuming RunningCount.Token
    ) throws(ConnectionFault) -> FastCGIRequest {
        connection.limitWaiting(receive: limits.timeout, send: limits.timeout)
        var reader = RecordReader(descriptor: connection.descriptor.number, stop: stop)
        reader.deadline = Deadline(after: limits.timeout)
        let head = try RequestHead.read(from: &reader, limit: limits.headBytes)
        reader.deadline = nil
        guard let library = headFile.request(head: head, connection: connection.descriptor.number) else {
            throw .system(ENOMEM)
        }
        let input = RequestInput(reader: reader, requestId: head.requestId)
        return FastCGIRequest(
            library: library, cut: head.cut, limits: limits, input: input, connection: consume connection,
            token: consume token)
    }

    private init(
        library: UnsafeMutablePointer<FCGX_Request>, cut: [String: [UInt8]], limits: ConnectionLimits,
        input: consuming RequestInput, connection: consuming Connection, token: consuming RunningCount.Token
    ) {
        self.library = library
        self.cut = cut
        self.limits = limits
        self.input = input
        self.connection = consume connection
        self.token = consume token
    }

    deinit {
        if !isAnswered.load(ordering: .acquiring) {
            reply(status: 500, headers: [("Content-Length", "0")], body: [])
        }
        FCGX_Free(library, 0)
        library.deallocate()
    }

    /// A parameter (nginx: `fastcgi_param`), nil if it is missing. Its first value if it was sent twice, up to a NUL if
    /// there is one; invalid UTF-8 becomes U+FFFD.
    package func parameter(_ name: String) -> String? {
        FCGX_GetParam(name, library.pointee.envp).map { String(cString: $0) }
    }

    /// The same as it was sent.
    package func parameterBytes(_ name: String) -> [UInt8]? {
        if let value = cut[name] { return value }
        return FCGX_GetParam(name, library.pointee.envp).map { value in
            value.withMemoryRebound(to: UInt8.self, capacity: strlen(value)) {
                Array(UnsafeBufferPointer(start: $0, count: strlen(value)))
            }
        }
    }

    /// CONTENT_LENGTH in bytes. Nil if it is missing, empty (nginx sends that for GET), anything but decimal digits, or
    /// more than `Int.max`.
    package var contentLength: Int? {
        guard let text = parameter("CONTENT_LENGTH"), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    /// Stores the next bytes of the body (FastCGI's stdin), at least one, and returns how many; 0 at the body's end and
    /// if `target` is empty. Waits at most `ConnectionLimits.timeout` for them.
    ///
    /// How many come altogether is up to the peer: compare with `contentLength`.
    package func read(into target: UnsafeMutableRawBufferPointer) throws(ConnectionFault) -> Int {
        if isAnswered.load(ordering: .acquiring) { throw .answered }
        guard token != nil else { return try input.read(into: target) }
        return try token!.waiting { () throws(ConnectionFault) in try input.read(into: target) }
    }
}
