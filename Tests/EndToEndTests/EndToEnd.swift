import Foundation
import Testing
import TestSupport

/// The responder behind nginx. One test after the other: they share sites and look at what is left on disk.
@Suite(.serialized) enum EndToEnd {
    private struct Purpose: Hashable {
        let name: String
        let mode: InProcessSite.BodyMode
    }

    private static let sites: Locked<[Purpose: NginxSite]> = Locked([:])

    private static func site(_ name: String, _ mode: InProcessSite.BodyMode) throws -> NginxSite {
        try sites.withLock { sites in
            let purpose = Purpose(name: name, mode: mode)
            if let site = sites[purpose] { return site }
            let site = try NginxSite(mode)
            sites[purpose] = site
            return site
        }
    }

    /// The site that the tests of a body mode share. Each test is an owner of its own in it.
    static func site(_ mode: InProcessSite.BodyMode) throws -> NginxSite { try site("all", mode) }

    /// The site of the contract table, whose cases leave unfinished uploads and count them.
    static func contractSite(_ mode: InProcessSite.BodyMode) throws -> NginxSite { try site("contract", mode) }

    /// An owner that no other test has.
    static func newOwner() -> String { "owner-\(UUID().uuidString)" }
}

extension NginxSite {
    /// How many records there are of a video.
    func recordCount(_ upload: PageUpload) throws -> Int {
        try catalogueFile.count("video_info WHERE md5 = ? AND owner = ?", [upload.md5, upload.owner ?? ""])
    }

    /// Waits until requests and unfinished uploads have left nothing, and says what is left if they have.
    func leftovers(besides known: [String] = []) -> [String] {
        let left = { [self] in Set(bodyFiles() + incomingFiles()).subtracting(known) }
        eventually(within: 10) { left().isEmpty }
        return left().sorted()
    }
}

/// A reply that came for a chunk.
struct Arrival: Sendable {
    let chunk: Int
    let reply: ReceivedReply
    /// Whether the request was sent when a reply with code 1 had come already.
    let followsCompletion: Bool
    var time = ContinuousClock.now
}

extension [Arrival] {
    /// A reply that says that the video is whole, if there is one. On a busy machine it need not be the last one that a
    /// thread has noted, though it was the last to be sent.
    var completing: ReceivedReply? { last { $0.reply.code == 1 }?.reply }
}

extension PageUpload {
    /// Sends chunks as a page does: over so many kept connections, each taking the next chunk once its reply has come.
    ///
    /// - Parameter order: chunk numbers; all in order by default.
    /// - Returns: the replies in the order in which they arrived.
    func send(to site: NginxSite, order: [Int]? = nil, connections: Int = 3) throws -> [Arrival] {
        try send(to: site.port, order: order, connections: connections)
    }

    /// Sends chunks to a site that somebody else has started.
    func send(to port: UInt16, order: [Int]? = nil, connections: Int = 3) throws -> [Arrival] {
        struct State {
            var queue: ArraySlice<Int>
            var arrivals: [Arrival] = []
        }
        let order = order ?? Array(0..<chunks)
        let state = Locked(State(queue: order[...]))
        try onThreads(min(connections, order.count)) { _ in
            var connection: HTTPConnection?
            while let (chunk, follows) = state.withLock({ state in
                state.queue.popFirst().map { ($0, state.arrivals.contains { $0.reply.code == 1 }) }
            }) {
                let current = try connection ?? HTTPConnection(port: port)
                let reply = try current.send(request(chunk), isKept: true)
                let time = ContinuousClock.now
                connection = current.isKept ? current : nil
                // Before this thread sends again, so the order is the one in which a page hears of them.
                state.withLock {
                    $0.arrivals.append(Arrival(chunk: chunk, reply: reply, followsCompletion: follows, time: time))
                }
            }
        }
        return state.withLock { $0.arrivals }
    }
}

/// Runs `work` on so many threads at once and waits for all. Throws the first error of any.
@discardableResult
func onThreads<Result: Sendable>(_ count: Int, _ work: @escaping @Sendable (Int) throws -> Result) throws -> [Result] {
    let results: Locked<[Int: Swift.Result<Result, any Error>]> = Locked([:])
    let done = DispatchSemaphore(value: 0)
    for index in 0..<count {
        let thread = Thread {
            let result = Swift.Result { try work(index) }
            results.withLock { $0[index] = result }
            done.signal()
        }
        thread.stackSize = 1 << 20
        thread.start()
    }
    for _ in 0..<count { done.wait() }
    return try results.withLock { results in try (0..<count).map { try results[$0]!.get() } }
}

/// A file that begins like an mp4 and is different for each seed, made piece by piece.
struct SampleFile: Sendable {
    let size: Int
    let seed: UInt32

    init(size: Int, seed: UInt32 = .random(in: 0 ... .max)) {
        self.size = size
        self.seed = seed
    }

    private static let block: [UInt8] = {
        var generator = SystemRandomNumberGenerator()
        return (0..<1 << 17).flatMap { _ in withUnsafeBytes(of: generator.next(), Array.init) }
    }()

    /// The bytes of a range, which must be within the size.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        // Whole pages, each with its offset and the seed in it, so that no two are alike.
        let page = 4096
        let start = range.lowerBound / page * page
        let length = (range.upperBound + page - 1) / page * page - start
        let pages = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            let target = UnsafeMutableRawBufferPointer(buffer)
            Self.block.withUnsafeBytes { block in
                var offset = start
                while offset < start + length {
                    let position = offset % block.count
                    let step = min(block.count - position, start + length - offset)
                    target.baseAddress!.advanced(by: offset - start)
                        .copyMemory(from: block.baseAddress! + position, byteCount: step)
                    offset += step
                }
            }
            for offset in stride(from: 0, to: length, by: page) {
                let stamp = UInt64(start + offset) << 20 ^ UInt64(seed)
                target.storeBytes(of: stamp, toByteOffset: offset, as: UInt64.self)
            }
            if start == 0, length > 0 {
                target.copyBytes(from: [0, 0, 0, 0x20] + Array("ftyp".utf8))
                target.storeBytes(of: seed, toByteOffset: 8, as: UInt32.self)
            }
            count = length
        }
        if range.lowerBound == start && range.count == length { return pages }
        return Array(pages[range.lowerBound - start..<range.upperBound - start])
    }

    var bytes: [UInt8] { bytes(0..<size) }
}
