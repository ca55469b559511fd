import ChunkStore
import Foundation
import Glibc
import TestSupport

/// A request: bytes, a range of a video, bytes.
struct Request {
    var head: [UInt8]
    var part: Range<Int> = 0..<0
    var tail: [UInt8] = []

    /// A request without a video's bytes.
    init(_ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8] = []) {
        head = Self.head(method, target, headers, length: body.count) + body
    }

    /// A request with a video's bytes between others.
    init(
        _ method: String, _ target: String, headers: [(String, String)], before: [UInt8] = [], part: Range<Int>,
        after: [UInt8] = []
    ) {
        head = Self.head(method, target, headers, length: before.count + part.count + after.count) + before
        self.part = part
        tail = after
    }

    private static func head(
        _ method: String, _ target: String, _ headers: [(String, String)], length: Int
    ) -> [UInt8] {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1"]
        lines += headers.map { "\($0): \($1)" }
        if method != "GET", method != "HEAD" { lines.append("Content-Length: \(length)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}

/// What one request of an upload took.
struct Sample: Sendable {
    let start: ContinuousClock.Instant
    let duration: Duration
    /// Whether it brought a part of the video.
    let isPart: Bool
}

/// A connection that stays open between requests, as a browser's do. For one thread at a time.
// SAFETY: the rule above; `Client` keeps to it.
final class Connection: @unchecked Sendable {
    private let port: UInt16
    private var socket: Int32 = -1
    private(set) var samples: [Sample] = []

    /// Seconds without a byte after which a request has failed.
    private static let patience = 300

    init(port: UInt16) {
        self.port = port
    }

    deinit { disconnect() }

    /// Sends a request and waits for the reply.
    ///
    /// - Throws: `BenchmarkError` if the status is not 2xx.
    @discardableResult
    func send(_ request: Request, _ video: SampleVideo) throws -> ReceivedReply {
        let start = ContinuousClock.now
        if socket < 0 { try connect() }
        let more = request.part.isEmpty && request.tail.isEmpty ? 0 : Int32(MSG_MORE)
        try send(request.head, flags: more)
        try video.send(request.part, to: socket)
        try send(request.tail, flags: 0)
        let reply = try receive()
        samples.append(Sample(start: start, duration: .now - start, isPart: !request.part.isEmpty))
        guard 200..<300 ~= reply.status else {
            let line = String(decoding: request.head.prefix { $0 != 13 }, as: UTF8.self)
            throw BenchmarkError("\(line): \(reply.description.prefix(500))")
        }
        return reply
    }

    private func connect() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw HTTPConnection.Fault.system(call: "connect", code: errno) }
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var time = timeval(tv_sec: Self.patience, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    private func disconnect() {
        if socket >= 0 { close(socket) }
        socket = -1
    }

    private func send(_ bytes: [UInt8], flags: Int32) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL) | flags)
            }
            guard count > 0 else { throw HTTPConnection.Fault.system(call: "send", code: errno) }
            sent += count
        }
    }

    private func receive() throws -> ReceivedReply {
        var bytes: [UInt8] = []
        var end: Int?
        while end == nil {
            try receive(into: &bytes)
            end = bytes.firstRange(of: [13, 10, 13, 10])?.upperBound
        }
        let lines = String(decoding: bytes[..<end!], as: UTF8.self).split(separator: "\r\n")
        let headers = lines.dropFirst().compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let values = Dictionary(headers) { _, last in last }
        var body = Array(bytes[end!...])
        if values["transfer-encoding"] == "chunked" {
            while !body.reversed().starts(with: [10, 13, 10, 13, 48]) { try receive(into: &body) }
            body = Self.unchunked(body)
        } else if status != 204 {
            while body.count < Int(values["content-length"] ?? "0") ?? 0 { try receive(into: &body) }
        }
        if values["connection"]?.lowercased() == "close" { disconnect() }
        return ReceivedReply(status: status, headers: headers, body: body)
    }

    private static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
        var content: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstRange(of: [13, 10]) {
            let count = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16) ?? 0
            if count == 0 { break }
            content += rest[end.upperBound...].prefix(count)
            rest = rest[end.upperBound...].dropFirst(count + 2)
        }
        return content
    }

    private func receive(into bytes: inout [UInt8]) throws {
        try withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 16) { buffer in
            let count = recv(socket, buffer.baseAddress, buffer.count, 0)
            if count == 0 { throw HTTPConnection.Fault.closed(received: String(decoding: bytes, as: UTF8.self)) }
            guard count > 0 else { throw HTTPConnection.Fault.system(call: "recv", code: errno) }
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}
