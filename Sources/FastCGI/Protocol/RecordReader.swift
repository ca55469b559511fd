import CFastCGI
import Glibc

/// The eight bytes in front of every FastCGI record.
///
///     0        1      2            4                6                7
///     version  type   request id   content length   padding length   reserved     (big endian)
///
/// https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.3
struct RecordHeader {
    static let size = Int(FCGI_HEADER_LEN)

    /// FCGI_BEGIN_REQUEST and so on; a number which is not in the specification is possible.
    let type: Int32
    /// 0 in a management record, which belongs to no request.
    let requestId: UInt16
    /// Bytes, at most 65,535.
    let contentLength: Int
    /// Bytes after the content which mean nothing, at most 255.
    let paddingLength: Int

    /// Takes the first eight of `bytes`. Nil if they are of another version than 1.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes[0] == UInt8(FCGI_VERSION_1) else { return nil }
        type = Int32(bytes[1])
        requestId = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        contentLength = Int(bytes[4]) << 8 | Int(bytes[5])
        paddingLength = Int(bytes[6])
    }

    /// A record without padding.
    static func record(_ type: Int32, _ requestId: UInt16, _ content: some Collection<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(FCGI_VERSION_1), UInt8(type)]
        bytes += [UInt8(requestId >> 8), UInt8(requestId & 0xff)]
        bytes += [UInt8(content.count >> 8), UInt8(content.count & 0xff), 0, 0]
        bytes += content
        return bytes
    }
}

/// The encoding of FastCGI's name-value pairs: length of the name, length of the value, name, value. A length is one
/// byte up to 127, else four bytes, big endian, with the highest bit set.
///
/// https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.4
enum ParameterBytes {
    /// Where names and values are. Nil unless `bytes` are whole pairs, exactly.
    static func pairs(_ bytes: [UInt8]) -> [(name: Range<Int>, value: Range<Int>)]? {
        var pairs: [(name: Range<Int>, value: Range<Int>)] = []
        var index = 0
        while index < bytes.count {
            guard let name = length(bytes, &index), let value = length(bytes, &index),
                name <= bytes.count - index, value <= bytes.count - index - name
            else { return nil }
            pairs.append((index..<index + name, index + name..<index + name + value))
            index += name + value
        }
        return pairs
    }

    private static func length(_ bytes: [UInt8], _ index: inout Int) -> Int? {
        guard index < bytes.count else { return nil }
        let first = Int(bytes[index])
        if first < 0x80 {
            index += 1
            return first
        }
        guard bytes.count - index >= 4 else { return nil }
        defer { index += 4 }
        return (first & 0x7f) << 24 | Int(bytes[index + 1]) << 16 | Int(bytes[index + 2]) << 8 | Int(bytes[index + 3])
    }
}

/// Reads FastCGI records from a connection. Not thread-safe; the descriptor stays its owner's.
///
/// libfcgi has a reader of its own which is not used: records made for it end the process. Name and value lengths that
/// add up to more than INT_MAX run into an assertion (what CVE-2025-23016's fix leaves), and FCGI_GET_VALUES with a
/// name more than thrice overflows a buffer of 64 bytes on the stack. It also reads 8 KiB at a time.
struct RecordReader: ~Copyable {
    private static let bufferSize = 16 << 10

    private let descriptor: Int32
    /// What was received and not taken yet is at `start..<end`.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    private var start = 0
    private var end = 0
    /// While it is set, nothing is received once it is over. A receive under way ends by the socket's own time limit.
    var deadline: Deadline?
    /// While there is a deadline: a descriptor that is readable once the server stops. What has not come shortly after
    /// that does not come any more.
    private let stop: Int32

    /// Seconds that a peer has to go on with a request's head when the server stops.
    private static let stopPatience = 1.0

    init(descriptor: Int32, stop: Int32) {
        self.descriptor = descriptor
        self.stop = stop
    }

    deinit { buffer.deallocate() }

    /// Whether `header` will not wait.
    var hasHeader: Bool { end - start >= RecordHeader.size }

    /// The next record's header; the content and the padding are next in line.
    mutating func header() throws(ConnectionFault) -> RecordHeader {
        while !hasHeader {
            if start > 0 {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
                end -= start
                start = 0
            }
            let free = UnsafeMutableRawBufferPointer(rebasing: buffer[end...])
            end += try receive(into: free, then: UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
        guard let header = RecordHeader(UnsafeRawBufferPointer(rebasing: buffer[start..<end])) else {
            throw .malformed
        }
        start += RecordHeader.size
        return header
    }

    /// Stores what has come, at least one byte and at most `target.count`, which must not be 0.
    mutating func read(into target: UnsafeMutableRawBufferPointer) throws(ConnectionFault) -> Int {
        precondition(!target.isEmpty)
        if start == end {
            // Straight to the caller's memory, and what follows (padding, the next header) with the same system call.
            let count = try receive(into: target, then: buffer)
            start = 0
            end = max(count - target.count, 0)
            return min(count, target.count)
        }
        let count = min(target.count, end - start)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<start + count]))
        start += count
        return count
    }

    /// The next `count` bytes.
    mutating func bytes(_ count: Int) throws(ConnectionFault) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            // A typed throw does not pass through withUnsafeMutableBytes without help, hence the Result.
            let outcome = result.withUnsafeMutableBytes { target in
                Result { () throws(ConnectionFault) in
                    try read(into: UnsafeMutableRawBufferPointer(rebasing: target[filled...]))
                }
            }
            filled += try outcome.get()
        }
        return result
    }

    /// Passes over the next `count` bytes.
    mutating func skip(_ count: Int) throws(ConnectionFault) {
        var left = count
        while left > 0 {
            if start == end {
                end = try receive(into: buffer, then: UnsafeMutableRawBufferPointer(start: nil, count: 0))
                start = 0
            }
            let step = min(left, end - start)
            start += step
            left -= step
        }
    }

    /// Sends `bytes` outside of what libfcgi writes: before the reply, from the thread that reads.
    func send(_ bytes: [UInt8]) throws(ConnectionFault) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { source in
                Glibc.send(descriptor, source.baseAddress! + sent, source.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.fault(errno)
            }
            sent += count
        }
    }

    /// At least one byte; the second buffer takes what does not fit in the first.
    private func receive(
        into first: UnsafeMutableRawBufferPointer, then second: UnsafeMutableRawBufferPointer
    ) throws(ConnectionFault) -> Int {
        while true {
            if let deadline { try waitForBytes(until: deadline) }
            var parts = (
                iovec(iov_base: first.baseAddress, iov_len: first.count),
                iovec(iov_base: second.baseAddress, iov_len: second.count)
            )
            let count = withUnsafePointer(to: &parts) { pointer in
                pointer.withMemoryRebound(to: iovec.self, capacity: 2) { readv(descriptor, $0, 2) }
            }
            if count > 0 { return count }
            if count == 0 { throw .closed }
            if errno != EINTR { throw Self.fault(errno) }
        }
    }

    private func waitForBytes(until deadline: Deadline) throws(ConnectionFault) {
        var events = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
        ]
        if poll(&events, 2, deadline.milliseconds) > 0, events[0].revents == 0 {
            _ = poll(&events, 1, min(deadline.milliseconds, Deadline(after: Self.stopPatience).milliseconds))
        }
        if events[0].revents == 0 { throw .timedOut }
    }

    private static func fault(_ code: Int32) -> ConnectionFault {
        switch code {
        case EAGAIN: .timedOut
        case ECONNRESET, EPIPE: .closed
        default: .system(code)
        }
    }

    // MARK: - What belongs to no request, or to another one

    /// Takes the record after `header` if it does not belong to the request `current` (nil: none has begun), and
    /// answers it where the specification asks for an answer. Returns false, and takes nothing, if it does belong to it.
    ///
    /// https://fastcgi-archives.github.io/FastCGI_Specification.html#S4
    mutating func takesOther(_ header: RecordHeader, current: UInt16?) throws(ConnectionFault) -> Bool {
        if header.requestId == UInt16(FCGI_NULL_REQUEST_ID) {
            try answerManagement(header)
            return true
        }
        if header.requestId == current { return false }
        if header.type == FCGI_BEGIN_REQUEST {
            guard current != nil else { return false }
            try sendEnd(of: header.requestId, status: FCGI_CANT_MPX_CONN)
        }
        // "Records with a request ID that is not active are ignored" (section 3.3).
        try skip(header.contentLength + header.paddingLength)
        return true
    }

    /// Sends an FCGI_END_REQUEST record for a request that was not taken on.
    func sendEnd(of requestId: UInt16, status: Int32) throws(ConnectionFault) {
        try send(RecordHeader.record(FCGI_END_REQUEST, requestId, [0, 0, 0, 0, UInt8(status), 0, 0, 0]))
    }

    /// FCGI_GET_VALUES gets the one value that is fixed here, any other management record FCGI_UNKNOWN_TYPE. How many
    /// connections are served at a time is left out, which the specification allows.
    private mutating func answerManagement(_ header: RecordHeader) throws(ConnectionFault) {
        guard header.type == FCGI_GET_VALUES else {
            try skip(header.contentLength + header.paddingLength)
            let content = [UInt8(header.type), 0, 0, 0, 0, 0, 0, 0]
            return try send(RecordHeader.record(FCGI_UNKNOWN_TYPE, 0, content))
        }
        let content = try bytes(header.contentLength)
        try skip(header.paddingLength)
        guard let names = ParameterBytes.pairs(content)?.map(\.name) else { throw .malformed }
        var values: [UInt8] = []
        let name = Array(FCGI_MPXS_CONNS.utf8)
        if names.contains(where: { content[$0].elementsEqual(name) }) {
            values = [UInt8(name.count), 1] + name + [UInt8(ascii: "0")]
        }
        try send(RecordHeader.record(FCGI_GET_VALUES_RESULT, 0, values))
    }
}

// MARK: - Head

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

    private static func begin(_ reader: inout RecordReader, _ budget: inout Int) throws(ConnectionFault) -> UInt16 {
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
        let begin = [0, UInt8(FCGI_RESPONDER), UInt8(FCGI_KEEP_CONN), 0, 0, 0, 0, 0]
        var bytes = RecordHeader.record(FCGI_BEGIN_REQUEST, requestId, begin)
        bytes.reserveCapacity(bytes.count + parameters.count + 64)
        var rest = parameters[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int(FCGI_MAX_LENGTH))
            rest = rest.dropFirst(part.count)
            bytes += RecordHeader.record(FCGI_PARAMS, requestId, part)
        }
        return bytes + RecordHeader.record(FCGI_PARAMS, requestId, [])
    }
}
