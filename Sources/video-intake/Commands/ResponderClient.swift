import CSystem
import Foundation
import Glibc

/// Asks a responder, over its socket, as nginx does: https://fastcgi-archives.github.io/FastCGI_Specification.html
enum ResponderClient {
    struct Answer {
        let status: Int
        let body: String
    }

    /// No answer: a system call has failed, or none came in time.
    struct Silence: Error {
        let code: Int32

        var cause: String { code == EAGAIN ? "no answer in time" : String(cString: strerror(code)) }
    }

    /// Seconds that the responder may take.
    private static let patience = 5
    /// Bytes. No answer is as long.
    private static let limit = 16 << 20

    private enum Record {
        static let beginRequest: UInt8 = 1, endRequest: UInt8 = 3, parameters: UInt8 = 4, input: UInt8 = 5
        static let output: UInt8 = 6
        static let headerLength = 8
    }

    /// - Parameter target: path and query.
    static func get(_ target: String, socket path: String) throws(Silence) -> Answer {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Silence(code: errno) }
        defer { close(descriptor) }
        var time = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        try connect(descriptor, path)
        try send(request(target), over: descriptor)
        return try answer(try readOutput(descriptor))
    }

    /// Whether a responder, or systemd for it, listens there.
    static func isAnybodyListening(on path: String) -> Bool {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        do {
            try connect(descriptor, path)
            return true
        } catch {
            // The backlog is full.
            return error.code == EAGAIN
        }
    }

    private static func connect(_ descriptor: Int32, _ path: String) throws(Silence) {
        guard vi_unix_connect(descriptor, path) == 0 else { throw Silence(code: errno) }
    }

    /// A whole request without a body. All lengths are below 128, which take one byte.
    private static func request(_ target: String) -> [UInt8] {
        let query = target.firstIndex(of: "?").map { String(target[$0...].dropFirst()) } ?? ""
        var parameters: [UInt8] = []
        for (name, value) in [("REQUEST_METHOD", "GET"), ("REQUEST_URI", target), ("QUERY_STRING", query)] {
            parameters += [UInt8(name.utf8.count), UInt8(value.utf8.count)]
            parameters += Array(name.utf8) + Array(value.utf8)
        }
        func record(_ type: UInt8, _ content: [UInt8] = []) -> [UInt8] {
            [1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
        }
        return record(Record.beginRequest, [0, 1, 0, 0, 0, 0, 0, 0]) + record(Record.parameters, parameters)
            + record(Record.parameters) + record(Record.input)
    }

    private static func send(_ bytes: [UInt8], over descriptor: Int32) throws(Silence) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 || errno == EINTR else { throw Silence(code: errno) }
            rest = rest.dropFirst(max(count, 0))
        }
    }

    /// What the records up to the end of the request carry as output.
    private static func readOutput(_ descriptor: Int32) throws(Silence) -> [UInt8] {
        var (received, output) = ([UInt8](), [UInt8]())
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while received.count + output.count < limit {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Silence(code: errno) }
            // It has closed before the request ended.
            guard count > 0 else { throw Silence(code: ECONNRESET) }
            received += buffer[..<count]
            var start = 0
            while received.count - start >= Record.headerLength {
                let header = received[start..<start + Record.headerLength]
                let length = Int(header[start + 4]) << 8 | Int(header[start + 5])
                let content = start + Record.headerLength..<start + Record.headerLength + length
                let end = content.upperBound + Int(header[start + 6])
                guard received.count >= end else { break }
                if header[start + 1] == Record.endRequest { return output }
                if header[start + 1] == Record.output { output += received[content] }
                start = end
            }
            received.removeFirst(start)
        }
        throw Silence(code: EMSGSIZE)
    }

    private static func answer(_ output: [UInt8]) throws(Silence) -> Answer {
        let text = String(decoding: output, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw Silence(code: EBADMSG) }
        let status = text[..<end.lowerBound].split(separator: "\r\n").first { $0.hasPrefix("Status: ") }
            .flatMap { Int($0.dropFirst(8).prefix(3)) }
        return Answer(status: status ?? 200, body: String(text[end.upperBound...]))
    }
}
