import Foundation
import TestSupport

/// A page that does not give up: what is answered with 409 it sends again, after a refusal it starts afresh with the same
/// guid, and after a death of the responder it sends what is missing. It throws when a promise of a reply is broken.
/// What the responder has of a file of unknown size it cannot ask.
///
/// For one thread at a time.
final class PersistentPage {
    /// A reply said what is not so, or the upload does not get on.
    struct BrokenPromise: Error, CustomStringConvertible {
        let what: String
        let history: [String]
        var description: String { "\(what); before that: \(history.joined(separator: ", "))" }
    }

    let upload: PageUpload
    private let site: NginxSite
    /// Whether the responder can tell what it has.
    private let isDiskGood: () -> Bool
    /// Chunks answered with code 2 since the last refusal.
    private var acknowledged: Set<Int> = []
    /// Chunks to send.
    private var queue: [Int]
    /// Whether every further reply must have code 1.
    private var isComplete = false
    private var history: [String] = []

    private static let requestLimit = 150

    init(_ upload: PageUpload, to site: NginxSite, isDiskGood: @escaping () -> Bool) {
        self.upload = upload
        self.site = site
        self.isDiskGood = isDiskGood
        queue = Array(0..<upload.chunks)
    }

    /// Sends the first so many chunks, which must be acknowledged.
    func acknowledge(first count: Int) throws {
        for chunk in queue.prefix(count) {
            let reply = try site.send(upload.request(chunk))
            guard try !take(reply, to: chunk), reply.code == 2 else { throw broken("chunk \(chunk): \(reply)") }
        }
    }

    /// Sends the upload until a reply has code 1.
    ///
    /// - Parameter afterReply: runs after each reply. It may have the responder restarted, and calls `resume` then.
    func run(afterReply: (ReceivedReply) throws -> Void = { _ in }) throws {
        for _ in 0..<Self.requestLimit {
            let chunk = queue[0]
            let reply = try site.send(upload.request(chunk))
            note("\(chunk): \(reply.status)/\(reply.code.map(String.init) ?? "-")")
            let isOver = try take(reply, to: chunk)
            try afterReply(reply)
            if isOver { return }
            guard !queue.isEmpty else { throw broken("every chunk is acknowledged and none completed the file") }
            try checkAcknowledged()
        }
        throw broken("no end after \(Self.requestLimit) requests")
    }

    /// Takes in a reply. Returns whether it ends the upload.
    private func take(_ reply: ReceivedReply, to chunk: Int) throws -> Bool {
        switch (reply.status, reply.code ?? .max) {
        case (200, 1):
            try check(reply)
            return true
        case (200, 2):
            guard !isComplete else { throw broken("the video exists, but the reply was \(reply)") }
            acknowledged.insert(chunk)
            queue.removeFirst()
        case (200, ..<0):
            // The bytes sent are the right ones.
            guard reply.message?.contains("(md5)") != true else { throw broken("reply \(reply)") }
            acknowledged = []
            queue = Array(0..<upload.chunks)
        case (409, -2):
            usleep(5_000)
        default:
            throw broken("reply \(reply)")
        }
        return false
    }

    /// Checks the promise of a reply with code 1.
    private func check(_ reply: ReceivedReply) throws {
        isComplete = true
        guard let path = reply.path else { throw broken("code 1 without a path: \(reply)") }
        guard (try? site.storedBytes(path)) == upload.content else { throw broken("\(path) has not the bytes sent") }
        let count = try site.recordCount(upload)
        guard count == 1 else { throw broken("code 1 and \(count) records") }
    }

    /// Takes up the upload after a death of the responder: sends what it says is missing.
    func resume() throws {
        note("resumed")
        if let received = try received() {
            note("has \(received.sorted())")
            guard acknowledged.isSubset(of: received) else { throw lost(acknowledged.subtracting(received)) }
            guard !isComplete else { throw broken("code 1, and then an upload under way") }
            queue = (0..<upload.chunks).filter { !received.contains($0) }
        } else if try site.send(upload.determineRequest()).code == 1 {
            isComplete = true
            queue = []
        } else {
            guard acknowledged.isEmpty else { throw lost(acknowledged) }
            guard !isComplete else { throw broken("code 1, and then no video") }
            queue = Array(0..<upload.chunks)
        }
        // Nothing is missing: the last one once more.
        if queue.isEmpty { queue = [upload.chunks - 1] }
    }

    /// Checks, after the upload's end, that it still is what the reply said.
    func checkComplete() throws {
        let video = try site.send(upload.determineRequest())
        guard video.code == 1 else { throw broken("code 1, and then determine_video_exist says \(video)") }
        let reply = try site.send(upload.request(upload.chunks - 1))
        guard reply.status == 200, reply.code == 1 else { throw broken("code 1, and then \(reply)") }
        try check(reply)
    }

    private func checkAcknowledged() throws {
        guard !acknowledged.isEmpty, !isComplete else { return }
        if let received = try received() {
            guard acknowledged.isSubset(of: received) else { throw lost(acknowledged.subtracting(received)) }
        } else if isDiskGood(), upload.overrides["size"] == nil,
            try site.send(upload.determineRequest()).code != 1
        {
            throw lost(acknowledged)
        }
    }

    /// The chunks that the responder says it has; `nil` if no such upload is under way, or it cannot tell.
    private func received() throws -> Set<Int>? {
        var reply = try site.send(upload.chunksRequest())
        // A read that failed for once was the question's own.
        if reply.status == 409 { reply = try site.send(upload.chunksRequest()) }
        return reply.receivedChunks
    }

    private func note(_ event: String) {
        history.append(event)
    }

    func broken(_ what: String) -> BrokenPromise { BrokenPromise(what: what, history: history) }

    private func lost(_ chunks: Set<Int>) -> BrokenPromise {
        broken("acknowledged, and then missing: \(chunks.sorted())")
    }
}
