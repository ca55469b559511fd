import CFastCGI
import Foundation
import Glibc

/// A FastCGI client on a real socket: builds records by hand, so that it can also build wrong ones.
///
/// For one thread, or one for each direction.
package final class FastCGIClient: Sendable {
    package let socket: LocalSocket

    /// What a server sent until it closed the connection.
    package struct Reply: Equatable {
        package var stdout: [UInt8] = []
        /// Every record that is not FCGI_STDOUT: its type and content.
        package var others: [(type: UInt8, content: [UInt8])] = []
        /// Whether the connection ended in an error, or within a record.
        package var isBroken = false

        package var ended: Bool { others.contains { $0.type == UInt8(FCGI_END_REQUEST) } }
        package var head: String { String(decoding: stdout[..<(split ?? stdout.count)], as: UTF8.self) }
        package var body: [UInt8] { split.map { Array(stdout[($0 + 4)...]) } ?? [] }
        package var text: String { String(decoding: body, as: UTF8.self) }

        /// The service's reply; `nil` if it is not whole.
        package var received: ReceivedReply? {
            guard ended, !isBroken, split != nil else { return nil }
            let status = head.components(separatedBy: "\r\n").first { $0.hasPrefix("Status: ") }
                .flatMap { Int($0.dropFirst(8).prefix(3)) }
            return ReceivedReply(status: status ?? 200, headers: [], body: body)
        }

        private var split: Int? {
            stdout.indices.first { stdout[$0] == 13 && stdout[$0...].starts(with: [13, 10, 13, 10]) }
        }

        package static func == (left: Self, right: Self) -> Bool {
            left.stdout == right.stdout && left.isBroken == right.isBroken
        }
    }

    /// - Parameters:
    ///   - path: of the server's socket.
    ///   - timeLimit: seconds after which a call fails.
    package init(_ path: String, timeLimit: Int = 20) throws {
        socket = try LocalSocket(connectedTo: path)
        socket.limitWaiting(seconds: timeLimit)
    }

    private var descriptor: Int32 { socket.descriptor }

    /// Returns whether all could be sent.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    package func endSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Reads until the server closes the connection.
    package func reply() -> Reply {
        var reply = Reply()
        while true {
            guard let header = receive(8) else { return reply }
            let length = Int(header[4]) << 8 | Int(header[5])
            guard header.count == 8, let rest = receive(length + Int(header[6])),
                rest.count == length + Int(header[6])
            else {
                reply.isBroken = true
                return reply
            }
            if header[1] == UInt8(FCGI_STDOUT) {
                reply.stdout += rest.prefix(length)
            } else {
                reply.others.append((header[1], Array(rest.prefix(length))))
            }
        }
    }

    /// One record. Nil at the end.
    package func record() -> (type: UInt8, content: [UInt8])? {
        guard let header = receive(8), header.count == 8 else { return nil }
        let length = Int(header[4]) << 8 | Int(header[5])
        guard let content = receive(length + Int(header[6])) else { return nil }
        return (header[1], Array(content.prefix(length)))
    }

    private func receive(_ wanted: Int) -> [UInt8]? {
        if wanted == 0 { return [] }
        var bytes = [UInt8](repeating: 0, count: wanted)
        var count = 0
        while count < wanted {
            let step = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + count, wanted - count, 0) }
            if step <= 0 { break }
            count += step
        }
        return count == 0 ? nil : Array(bytes[..<count])
    }
}

/// What a FastCGI client sends, as https://fastcgi-archives.github.io/FastCGI_Specification.html has it.
package enum FCGI {
    /// A record with any header.
    package static func record(
        _ type: Int32, _ content: [UInt8] = [], id: Int = 1, padding: Int = 0, version: UInt8 = 1, length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? content.count
        return [
            version, UInt8(type), UInt8(id >> 8), UInt8(id & 255), UInt8(length >> 8), UInt8(length & 255),
            UInt8(padding), 0,
        ] + content + [UInt8](repeating: 0xee, count: padding)
    }

    package static func begin(id: Int = 1, role: UInt8 = 1, flags: UInt8 = 0, padding: Int = 0) -> [UInt8] {
        record(FCGI_BEGIN_REQUEST, [0, role, flags, 0, 0, 0, 0, 0], id: id, padding: padding)
    }

    /// Name-value pairs, the empty record that ends them included.
    package static func parameters(
        _ pairs: KeyValuePairs<String, String>, id: Int = 1, padding: Int = 0
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in pairs {
            for count in [name.utf8.count, value.utf8.count] {
                bytes += count < 128 ? [UInt8(count)] : [128, 0, UInt8(count >> 8), UInt8(count & 255)]
            }
            bytes += Array(name.utf8) + Array(value.utf8)
        }
        let end = record(FCGI_PARAMS, id: id, padding: padding)
        return bytes.isEmpty ? end : record(FCGI_PARAMS, bytes, id: id, padding: padding) + end
    }

    /// A body in records of at most `size` bytes, the empty record that ends it included.
    package static func body(_ bytes: [UInt8], size: Int = 32_768, id: Int = 1, padding: Int = 0) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + (bytes.count / size + 2) * (8 + padding))
        for start in stride(from: 0, to: bytes.count, by: size) {
            let part = bytes[start..<min(start + size, bytes.count)]
            result += record(FCGI_STDIN, id: id, padding: padding, length: part.count).prefix(8)
            result += part
            result += repeatElement(0xee, count: padding)
        }
        return result + record(FCGI_STDIN, id: id)
    }

    /// A whole request with its body on standard input, as nginx sends it without hand-off.
    package static func request(_ request: SentRequest) -> [UInt8] {
        let query = request.target.split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
        return begin()
            + parameters([
                "REQUEST_METHOD": request.method, "REQUEST_URI": request.target, "QUERY_STRING": query,
                "CONTENT_TYPE": request.contentType ?? "", "CONTENT_LENGTH": "\(request.body.count)",
                // An empty one is none.
                "UPLOAD_OWNER": request.owner ?? "",
            ]) + body(request.body)
    }
}
