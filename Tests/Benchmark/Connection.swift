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
    private var http: HTTPConnection?
    private(set) var samples: [Sample] = []

    /// After which a request has failed.
    private static let patience = Duration.seconds(300)

    init(port: UInt16) {
        self.port = port
    }

    /// Sends a request and waits for the reply.
    ///
    /// - Throws: `BenchmarkError` if the status is not 2xx.
    @discardableResult
    func send(_ request: Request, _ video: SampleVideo) throws -> ReceivedReply {
        let start = ContinuousClock.now
        let http = try http ?? HTTPConnection(port: port)
        http.deadline = start + Self.patience
        try http.send(request.head, hasMore: !request.part.isEmpty || !request.tail.isEmpty)
        try video.send(request.part, to: http.descriptor)
        try http.send(request.tail)
        let reply = try http.reply()
        self.http = http.isKept ? http : nil
        samples.append(Sample(start: start, duration: .now - start, isPart: !request.part.isEmpty))
        guard 200..<300 ~= reply.status else {
            let line = String(decoding: request.head.prefix { $0 != 13 }, as: UTF8.self)
            throw BenchmarkError("\(line): \(reply.description.prefix(500))")
        }
        return reply
    }
}
