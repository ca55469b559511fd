import CFastCGI
import CSystem
import Glibc
import System

/// The beginning of a request: who asks for what, up to the end of its parameters, checked.
struct RequestHead {
    let requestId: UInt16
    /// Whole name-value pairs, as in `ParameterBytes`; no name has "=" or NUL in it.
    let parameters: [UInt8]
    /// The values with a NUL in them, where libfcgi would end: of each name the first one.
    let cut: [String: [UInt8]]

    /// Reads the records up to and including the empty FCGI_PARAMS record, at most `limit` bytes of them.
    static func read(from reader: inout RecordReader, limit: Int) throws(ConnectionFault) -> RequestHead {
        var budget = limit
        let requestId = try begin(&reader, &budget)
        let parameters = try parameters(&reader, requestId, &budget)
        guard let pairs = ParameterBytes.pairs(parameters) else { throw .malformed }
        // libfcgi keeps "name=value" C strings: such a name would pass for another one.
        guard pairs.allSatisfy({ name, _ in !parameters[name].contains { $0 == UInt8(ascii: "=") || $0 == 0 } }) else {
            throw .malformed
        }
        var cut: [String: [UInt8]] = [:]
        for (name, value) in pairs.reversed() {
            let isCut = parameters.withUnsafeBufferPointer { $0[value].contains(0) }
            guard isCut || !cut.isEmpty else { continue }
            cut[String(decoding: parameters[name], as: UTF8.self)] = isCut ? Array(parameters[value]) : nil
        }
        return RequestHead(requestId: requestId, parameters: parameters, cut: cut)
    }

    private static func begin(
        _ reader: inout RecordReader, _ budget: inout Int
    ) throws(ConnectionFault) -> UInt16 {
        while true {
            let header = try header(&reader, &budget)
            if try reader.takesOther(header, current: nil) { continue }
            guard header.contentLength == 8 else { throw .malformed }
            let body = try reader.bytes(8)
            try reader.skip(header.paddingLength)
            guard Int32(body[0]) << 8 | Int32(body[1]) == FCGI_RESPONDER else {
                try reader.sendEnd(of: header.requestId, status: FCGI_UNKNOWN_ROLE)
                throw .otherRole
            }
            return header.requestId
        }
    }

    private static func parameters(
        _ reader: inout RecordReader, _ requestId: UInt16, _ budget: inout Int
    ) throws(ConnectionFault) -> [UInt8] {
        var parameters: [UInt8] = []
        while true {
            let header = try header(&reader, &budget)
            if try reader.takesOther(header, current: requestId) { continue }
            if header.type == FCGI_ABORT_REQUEST { throw .aborted }
            guard header.type == FCGI_PARAMS else { throw .malformed }
            parameters += try reader.bytes(header.contentLength)
            try reader.skip(header.paddingLength)
            if header.contentLength == 0 { return parameters }
        }
    }

    private static func header(
        _ reader: inout RecordReader, _ budget: inout Int
    ) throws(ConnectionFault) -> RecordHeader {
        let header = try reader.header()
        budget -= RecordHeader.size + header.contentLength + header.paddingLength
        guard budget >= 0 else { throw .malformed }
        return header
    }

    /// The head again, as libfcgi wants to read it: without padding (it does not skip the last record's), without
    /// records in between, and with FCGI_KEEP_CONN set (else it closes the connection itself, see `HeadFile`).
    var records: [UInt8] {
        let begin = RecordHeader(type: FCGI_BEGIN_REQUEST, requestId: requestId, contentLength: 8)
        var bytes = begin.record([0, UInt8(FCGI_RESPONDER), UInt8(FCGI_KEEP_CONN), 0, 0, 0, 0, 0])
        bytes.reserveCapacity(bytes.count + parameters.count + 64)
        var rest = parameters[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int(FCGI_MAX_LENGTH))
            rest = rest.dropFirst(part.count)
            bytes += RecordHeader(type: FCGI_PARAMS, requestId: requestId, contentLength: part.count).record(part)
        }
        return bytes + RecordHeader(type: FCGI_PARAMS, requestId: requestId, contentLength: 0).record([])
    }
}

// MARK: - For libfcgi

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
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] {
            sigdelset(&blocked, signal)
        }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
