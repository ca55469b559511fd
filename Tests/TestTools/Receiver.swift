import Foundation
import Glibc

/// An HTTP server on 127.0.0.1 that notes every request and answers as it is told.
package final class Receiver: Sendable {
    package struct Request: Sendable {
        /// Of the connections, from 0.
        package let connection: Int
        /// The request line and the headers, as they came.
        package let head: String
        package let body: String

        /// The value of a header; `nil` if there is none or more than one.
        package subscript(name: String) -> String? {
            let prefix = "\(name): ".lowercased()
            let lines = head.split(separator: "\r\n").filter { $0.lowercased().hasPrefix(prefix) }
            return lines.count == 1 ? String(lines[0].dropFirst(prefix.count)) : nil
        }

        /// A member of the body, which is JSON.
        package func member<Value>(_ name: String, as type: Value.Type = Value.self) -> Value? {
            ((try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any])?[name] as? Value
        }

        /// Like `upload.completed 3`.
        package var name: String {
            "\(member("kind", as: String.self) ?? "?") \(member("video_id", as: Int.self) ?? 0)"
        }
    }

    package enum Answer: Sendable {
        case status(Int)
        /// Bytes, and then the connection is closed.
        case bytes(String)
        /// Bytes without end, after what is given.
        case endless(String)
        /// None.
        case silence
    }

    private struct State {
        var requests: [Request] = []
        var connections: [Int32] = []
        var answers: [Answer] = []
    }

    package let port: Int
    private let socket: LocalSocket
    private let state = Locked(State())
    private let answer: @Sendable (Request, Int) -> Answer

    /// - Parameters:
    ///   - isUp: whether it listens at once; without that, its port refuses connections.
    ///   - answer: to a request, whose number counts from 0.
    package init(isUp: Bool = true, answer: @escaping @Sendable (Request, Int) -> Answer = { _, _ in .status(204) })
        throws
    {
        self.answer = answer
        socket = try LocalSocket()
        port = Int(socket.port)
        if isUp { start() }
    }

    deinit {
        shutdown(socket.descriptor, Int32(SHUT_RDWR))
    }

    package var url: String { "http://127.0.0.1:\(port)/hook?a=b" }

    package var requests: [Request] { state.withLock(\.requests) }

    /// How many connections there were.
    package var connections: Int { state.withLock(\.connections.count) }

    /// The requests' events, as `Request.name` has them.
    package var names: [String] { requests.map(\.name) }

    package func start() {
        try? socket.listen(16)
        let listening = socket
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listening.descriptor, nil, nil)
                guard connection >= 0 else { return }
                guard let self else {
                    close(connection)
                    return
                }
                let number = self.state.withLock {
                    $0.connections.append(connection)
                    return $0.connections.count - 1
                }
                Thread.detachNewThread { [weak self] in
                    while self?.serve(connection, number) == true {}
                    close(connection)
                }
            }
        }
    }

    /// Reads one request and answers it. Returns whether another one may follow.
    private func serve(_ connection: Int32, _ number: Int) -> Bool {
        guard let request = Self.read(connection, number) else { return false }
        let index = state.withLock {
            $0.requests.append(request)
            return $0.requests.count - 1
        }
        switch answer(request, index) {
        case .status(let status):
            return Self.write(connection, "HTTP/1.1 \(status) X\r\nContent-Length: 2\r\n\r\nok")
        case .bytes(let text):
            _ = Self.write(connection, text)
            return false
        case .endless(let text):
            guard Self.write(connection, text) else { return false }
            while Self.write(connection, String(repeating: "x: y\r\n", count: 1000)) {}
            return false
        case .silence:
            // Until the other side gives up.
            var byte: UInt8 = 0
            _ = recv(connection, &byte, 1, 0)
            return false
        }
    }

    private static func write(_ connection: Int32, _ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func read(_ connection: Int32, _ number: Int) -> Request? {
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            if let end = data.firstRange(of: Data("\r\n\r\n".utf8)) {
                let head = String(decoding: data[..<end.lowerBound], as: UTF8.self)
                let length = head.firstMatch(of: /(?i)\r\ncontent-length: (\d+)/).flatMap { Int($0.1) } ?? 0
                if data.count >= end.upperBound + length {
                    let body = data[end.upperBound..<end.upperBound + length]
                    return Request(connection: number, head: head, body: String(decoding: body, as: UTF8.self))
                }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            data += buffer[..<count]
        }
    }
}
