import Foundation
import Glibc

/// One connection to a server, over TCP on the loopback interface or over a unix socket: exact bytes out, replies in.
///
/// Every call ends by the connection's time limit. For one thread at a time.
package final class HTTPConnection {
    /// What went wrong on the way.
    package enum Fault: Error, CustomStringConvertible {
        /// A system call failed with this `errno`.
        case system(call: String, code: Int32)
        /// The time limit passed.
        case timeLimit
        /// The server closed the connection before the reply was whole; these bytes had come.
        case closed(received: String)
        /// The reply is not HTTP.
        case malformed(String)

        package var description: String {
            switch self {
            case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
            case .timeLimit: "the time limit passed"
            case .closed(let received): "the server closed the connection after \"\(received)\""
            case .malformed(let what): "not HTTP: \(what)"
            }
        }
    }

    private let socket: LocalSocket
    /// When every call fails.
    package var deadline: ContinuousClock.Instant
    /// Bytes that have come and belong to no reply yet.
    private var received: [UInt8] = []
    /// Whether the server keeps the connection after the last reply.
    package private(set) var isKept = true

    /// Connects to 127.0.0.1.
    ///
    /// - Parameter source: the address that the other side sees.
    /// - Parameter timeLimit: seconds from now after which every call fails.
    package init(port: UInt16, from source: String = "127.0.0.1", timeLimit: Double = 120) throws {
        deadline = .now + .seconds(timeLimit)
        socket = try LocalSocket(connectedTo: port, from: source)
    }

    /// Connects to a unix socket.
    package init(unixSocket path: String, timeLimit: Double = 60) throws {
        deadline = .now + .seconds(timeLimit)
        socket = try LocalSocket(connectedTo: path)
    }

    /// Its socket, to send files.
    package var descriptor: Int32 { socket.descriptor }

    /// Waits until the socket can do what `events` says, or the time limit passes.
    private func wait(for events: Int32) throws {
        let left = deadline - .now
        let milliseconds = Int32(left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
        var descriptors = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        guard milliseconds > 0, poll(&descriptors, 1, milliseconds) != 0 else { throw Fault.timeLimit }
    }
}

// MARK: - Sending

extension HTTPConnection {
    /// Sends all bytes.
    ///
    /// - Parameter hasMore: whether more follow at once.
    package func send(_ bytes: [UInt8], hasMore: Bool = false) throws {
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT) | (hasMore ? Int32(MSG_MORE) : 0)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, flags)
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(for: POLLOUT)
            } else if errno != EINTR {
                throw Fault.system(call: "send", code: errno)
            }
        }
    }

    /// Sends bytes in pieces of `size`, with a pause of `microseconds` after each.
    package func send(_ bytes: [UInt8], pieces size: Int, pause microseconds: UInt32) throws {
        for start in stride(from: 0, to: bytes.count, by: size) {
            try send(Array(bytes[start..<min(start + size, bytes.count)]))
            usleep(microseconds)
        }
    }

    /// Tells the server that nothing more comes.
    package func endSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Makes the end of this connection a reset, as when a browser's process dies.
    package func resetAtEnd() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }
}

// MARK: - Receiving

extension HTTPConnection {
    /// Reads one reply.
    ///
    /// - Parameter method: of the request; a reply to HEAD has no body.
    package func reply(to method: String = "POST") throws -> ReceivedReply {
        var head = try takeHead()
        // An interim reply, like 100 Continue.
        while head.status / 100 == 1 { head = try takeHead() }
        let fields = ReceivedReply(status: head.status, headers: head.headers, body: []).headers
        isKept = fields["connection"]?.lowercased() != "close"
        let body: [UInt8]
        if method == "HEAD" || head.status == 204 || head.status == 304 {
            body = []
        } else if fields["transfer-encoding"]?.lowercased() == "chunked" {
            body = try takeChunks()
        } else if let text = fields["content-length"] {
            guard let length = Int(text), length >= 0 else { throw Fault.malformed("Content-Length \(text)") }
            body = try take(length)
        } else {
            isKept = false
            body = try rest()
        }
        return ReceivedReply(status: head.status, headers: head.headers, body: body)
    }

    /// Everything that comes until the server closes the connection.
    package func rest() throws -> [UInt8] {
        while try receive() {}
        defer { received = [] }
        return received
    }

    private func takeHead() throws -> (status: Int, headers: [(String, String)]) {
        let lines = try takeText(endingWith: "\r\n\r\n", limit: 65_536).components(separatedBy: "\r\n")
        let first = lines[0].split(separator: " ")
        guard first.count >= 2, first[0].hasPrefix("HTTP/1."), let status = Int(first[1]) else {
            throw Fault.malformed(lines[0])
        }
        let headers = try lines.dropFirst().map { line in
            guard let colon = line.firstIndex(of: ":") else { throw Fault.malformed(line) }
            return (String(line[..<colon]), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        return (status, headers)
    }

    private func takeChunks() throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let line = try takeText(endingWith: "\r\n", limit: 100)
            guard let length = Int(line.prefix { $0 != ";" }, radix: 16), length >= 0 else {
                throw Fault.malformed("chunk length \(line)")
            }
            body += try take(length)
            guard try takeText(endingWith: "\r\n", limit: 2).isEmpty else { throw Fault.malformed("chunk end") }
            if length == 0 { return body }
        }
    }

    private func takeText(endingWith end: String, limit: Int) throws -> String {
        let end = Array(end.utf8)
        var searched = 0
        while true {
            while searched + end.count <= received.count {
                if received[searched..<searched + end.count].elementsEqual(end) {
                    let text = String(decoding: received[..<searched], as: UTF8.self)
                    received.removeFirst(searched + end.count)
                    return text
                }
                searched += 1
            }
            guard searched <= limit else { throw Fault.malformed("no end within \(limit) bytes") }
            guard try receive() else { throw closed }
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while received.count < count { guard try receive() else { throw closed } }
        defer { received.removeFirst(count) }
        return Array(received.prefix(count))
    }

    private var closed: Fault { .closed(received: String(decoding: received.prefix(200), as: UTF8.self)) }

    /// Receives some bytes. Returns false at the end.
    private func receive() throws -> Bool {
        try wait(for: POLLIN)
        return try withUnsafeTemporaryAllocation(byteCount: 262_144, alignment: 16) { buffer in
            let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { received.append(contentsOf: buffer[..<count]) }
            if count < 0 && errno != EAGAIN && errno != EINTR { throw Fault.system(call: "recv", code: errno) }
            return count != 0
        }
    }
}
