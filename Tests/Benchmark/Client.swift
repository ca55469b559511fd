import TestSupport

/// A page that uploads one video over some connections.
///
/// A contestant's `upload` uses it: parts on all connections at once, everything else on the first. For one thread.
struct Client: Sendable {
    let video: SampleVideo
    private let connections: [Connection]

    /// WebUploader's.
    static let partSize = 2 * 1024 * 1024

    init(_ video: SampleVideo, port: UInt16, connections: Int) {
        self.video = video
        self.connections = (0..<connections).map { _ in Connection(port: port) }
    }

    /// The ranges of the video's parts, all but the last of this length.
    func parts(of size: Int = Client.partSize) -> [Range<Int>] {
        stride(from: 0, to: video.size, by: size).map { $0..<min(video.size, $0 + size) }
    }

    /// Sends a request on the first connection.
    @discardableResult
    func send(_ request: Request) throws -> ReceivedReply {
        try connections[0].send(request, video)
    }

    /// Sends a request for each part on all connections: each takes the next one when it is free.
    func sendAll(
        _ parts: [Range<Int>], _ request: @escaping @Sendable (Int, Range<Int>) throws -> Request,
        reply: @escaping @Sendable (ReceivedReply) throws -> Void = { _ in }
    ) throws {
        let next = Locked(0)
        let (connections, video) = (connections, video)
        try inParallel(connections.count) { lane in
            while true {
                let index = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                guard index < parts.count else { return }
                try reply(connections[lane].send(request(index, parts[index]), video))
            }
        }
    }

    /// What each request took, in the order of their starts.
    var samples: [Sample] {
        connections.flatMap(\.samples).sorted { $0.start < $1.start }
    }
}
