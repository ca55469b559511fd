import CFastCGI
import CSystem
import Glibc
import Synchronization
import System

/// One request, to be answered once, at once or later.
///
/// A handler may keep it and return; the thread then accepts the next connection. One thread at a time may call `read`
/// and `reply`; `parameter` and `contentLength` may be called from any thread at any time, after the reply too.
/// A request that ends unanswered is answered with 500.
// SAFETY: `library`'s parameters never change. `isAnswered` lets only one call into the writing part. `input` and
// `connection` are used by `read` and `reply`, which the rule above keeps apart.
package final class FastCGIRequest: @unchecked Sendable {
    /// Freed with the request, not with the reply, so that parameters stay readable.
    let library: UnsafeMutablePointer<FCGX_Request>
    let limits: ConnectionLimits
    /// Values with a NUL in them, which libfcgi has only the beginning of.
    private let cut: [String: [UInt8]]
    let isAnswered = Atomic<Bool>(false)
    var input: RequestInput
    /// Nil after the reply, and only then: a stop waits for its token.
    var connection: Connection?

    /// Reads the head of the request that comes over `connection`, which is closed if that fails.
    ///
    /// - Parameter stop: readable once the server stops; a head that is not there shortly after that is given up.
    init(
        from connection: consuming Connection, headFile: borrowing HeadFile, limits: ConnectionLimits, stop: Int32
    ) throws(ConnectionFault) {
        connection.descriptor.limitWaiting(receive: limits.timeout, send: limits.timeout)
        var reader = RecordReader(descriptor: connection.descriptor.number, stop: stop)
        reader.deadline = Deadline(after: limits.timeout)
        let head = try RequestHead.read(from: &reader, limit: limits.headBytes)
        reader.deadline = nil
        guard let library = headFile.request(head: head, connection: connection.descriptor.number) else {
            throw .system(ENOMEM)
        }
        self.library = library
        self.limits = limits
        cut = head.cut
        input = RequestInput(reader: reader, requestId: head.requestId)
        self.connection = consume connection
    }

    deinit {
        if !isAnswered.load(ordering: .acquiring) { reply(status: 500, headers: [("Content-Length", "0")], body: []) }
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
        guard connection != nil else { return try input.read(into: target) }
        return try connection!.waiting { () throws(ConnectionFault) in try input.read(into: target) }
    }

    // MARK: - Reply

    /// Answers the request and closes the connection, whatever FCGI_KEEP_CONN says: an idle kept connection would hold
    /// a thread. (nginx copes with that while it keeps no connections itself: no `keepalive` in the upstream block.)
    ///
    /// Returns when the kernel has everything and the connection is closed. If the body was not read to its end, what
    /// still comes is read and thrown away first, within `ConnectionLimits.drainBytes` and `drainSeconds`: a peer that
    /// is still sending could otherwise meet a broken connection before it reads the reply.
    ///
    /// - Parameters:
    ///   - status: three digits; 200, 404 …
    ///   - headers: passed on as they are, except that control characters become spaces.
    /// - Returns: whether all of it could be written. False also for a second reply, which is ignored: it must not take
    ///   down the other requests.
    @discardableResult
    package func reply(status: Int, headers: [(String, String)], body: [UInt8]) -> Bool {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing), let connection = connection.take() else {
            return false
        }
        let head = Self.head(status: status, headers: headers)
        let isWritten = Library.withSignalsBlocked {
            let isWritten = write(head) && write(body) && finish()
            if isWritten, !input.hasNothingLeft() {
                connection.endSending()
                connection.descriptor.limitWaiting(receive: limits.drainSeconds)
                input.drain(limit: limits.drainBytes, seconds: limits.drainSeconds)
            }
            return isWritten
        }
        library.pointee.ipcFd = -1
        return isWritten
    }

    /// https://www.rfc-editor.org/rfc/rfc3875#section-6.3
    private static func head(status: Int, headers: [(String, String)]) -> [UInt8] {
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
        addLine("Status", "\(status) \(reason(status))")
        for (name, value) in headers { addLine(name, value) }
        return head + [0x0d, 0x0a]
    }

    /// Of those that are sent here: https://www.rfc-editor.org/rfc/rfc9110#section-15
    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
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
    private func finish() -> Bool { FCGX_FClose(library.pointee.err) == 0 && FCGX_FClose(library.pointee.out) == 0 }
}

// MARK: - Body

/// A request's body: the contents of its FCGI_STDIN records up to the empty one. Not thread-safe.
struct RequestInput: ~Copyable {
    private var reader: RecordReader
    private let requestId: UInt16
    /// Of the record being read.
    private var contentLeft = 0
    private var paddingLeft = 0
    private var fault: ConnectionFault?
    /// Whether the empty record was read.
    private(set) var isAtEnd = false

    /// `reader` must be behind the last FCGI_PARAMS record.
    init(reader: consuming RecordReader, requestId: UInt16) {
        self.reader = reader
        self.requestId = requestId
    }

    /// Stores at least one byte, or returns 0 at the end. After a fault every call throws that fault again.
    mutating func read(into target: UnsafeMutableRawBufferPointer) throws(ConnectionFault) -> Int {
        if let fault { throw fault }
        if target.isEmpty || isAtEnd { return 0 }
        do throws(ConnectionFault) {
            if contentLeft == 0 { try nextRecord() }
            if isAtEnd { return 0 }
            let part = UnsafeMutableRawBufferPointer(rebasing: target.prefix(contentLeft))
            let count = try reader.read(into: part)
            contentLeft -= count
            return count
        } catch {
            fault = error
            throw error
        }
    }

    /// Whether the body is at its end. If nginx passes no body on, the end comes along with the parameters, and nothing is
    /// left to read.
    mutating func hasNothingLeft() -> Bool {
        guard fault == nil, !isAtEnd, contentLeft == 0, paddingLeft == 0, reader.hasHeader else { return isAtEnd }
        do throws(ConnectionFault) { try nextRecord() } catch { fault = error }
        return isAtEnd
    }

    /// Throws away what is left, at most `limit` bytes (and the rest of a record) and about `seconds`.
    mutating func drain(limit: Int, seconds: Double) {
        guard fault == nil else { return }
        reader.deadline = Deadline(after: seconds)
        var left = limit
        do throws(ConnectionFault) {
            while !isAtEnd, left > 0 {
                left -= contentLeft
                try reader.skip(contentLeft)
                contentLeft = 0
                try nextRecord()
            }
        } catch {
            fault = error
        }
    }

    private mutating func nextRecord() throws(ConnectionFault) {
        try reader.skip(paddingLeft)
        paddingLeft = 0
        while true {
            let header = try reader.header()
            if try reader.takesOther(header, current: requestId) { continue }
            if header.type == FCGI_ABORT_REQUEST { throw .aborted }
            guard header.type == FCGI_STDIN else { throw .malformed }
            contentLeft = header.contentLength
            paddingLeft = header.paddingLength
            isAtEnd = header.contentLength == 0
            return
        }
    }
}

// MARK: - libfcgi

/// Hands the checked head of a request to libfcgi, which can only read it from a descriptor: a file in memory, one for
/// each accepting thread. Not thread-safe.
struct HeadFile: ~Copyable {
    private let file: Descriptor

    init() throws(SystemError) {
        file = try Descriptor(owning: SystemError.check("memfd_create") { vi_memory_file("fastcgi-head") })
    }

    /// A request which has the parameters of `head` and writes to `connection`. Nil if memory has run out.
    ///
    /// The caller frees it with FCGX_Free(_, 0) and deallocates it. libfcgi never closes the connection: it would do it
    /// with OS_Close, which reads what still comes for as long as it comes in less than 2 s.
    func request(head: RequestHead, connection: Int32) -> UnsafeMutablePointer<FCGX_Request>? {
        let records = head.records
        // What an earlier, longer head left behind the records is never looked at.
        guard records.withUnsafeBytes({ pwrite(file.number, $0.baseAddress, $0.count, 0) }) == records.count,
            lseek(file.number, 0, SEEK_SET) == 0
        else { return nil }
        // On an error FCGX_Accept_r closes the descriptor it reads from, so it gets its own.
        let copy = fcntl(file.number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }

        let request = UnsafeMutablePointer<FCGX_Request>.allocate(capacity: 1)
        FCGX_InitRequest(request, -1, 0)
        request.pointee.ipcFd = copy
        // FCGX_Accept_r first ends the request before, and unless it was to be kept closes its connection: ipcFd.
        request.pointee.keepConnection = 1
        // With listen_sock -1 a failure ends in accept(-1) and EBADF instead of waiting for another connection.
        guard FCGX_Accept_r(request) == 0 else {
            request.deallocate()
            return nil
        }
        _ = close(copy)
        request.pointee.ipcFd = connection
        return request
    }
}

/// libfcgi as a whole.
enum Library {
    /// 0 after FCGX_Init has worked, which is done once.
    static let initialisation: Int32 = {
        var before: [(signal: Int32, action: sigaction)] = []
        for signal in [SIGTERM, SIGUSR1, SIGPIPE] {
            var action = sigaction()
            sigaction(signal, nil, &action)
            before.append((signal, action))
        }
        let result = FCGX_Init()
        // FCGX_Init replaces default and ignored actions of these three signals. SIGTERM and SIGUSR1 are not its
        // business. Its empty handler for SIGPIPE can stay in place of the default: unlike SIG_IGN it does not pass
        // on to child processes. os_unix.c, OS_InstallSignalHandlers().
        for var (signal, action) in before where signal != SIGPIPE || vi_is_default_action(&action) == 0 {
            sigaction(signal, &action, nil)
        }
        return result
    }()

    /// Runs `body` with all signals blocked but those that a fault of the thread itself causes, so that no system call
    /// in it ends early: libfcgi takes EINTR for a broken connection.
    static func withSignalsBlocked<Result>(_ body: () -> Result) -> Result {
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { sigdelset(&blocked, signal) }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
