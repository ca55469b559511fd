import Foundation
import Testing
import TestSupport

/// Uploads of every shape, sent to a responder whose changes are recorded, and at which length of the record each reply
/// arrived.
final class PowerLossScenario {
    /// One file, and what the replies to it have promised when.
    struct Story {
        let name: String
        let upload: PageUpload
        /// The record's length before the first request.
        let begin: Int
        /// For each chunk answered with code 2 the record's lengths after its replies.
        var acknowledged: [Int: [Int]] = [:]
        /// The chunk that came with other bytes first, and the record's lengths before its right bytes were sent and after
        /// their reply.
        var replaced: (chunk: Int, from: Int, to: Int)?
        /// The record's length after the first reply with code 1.
        var completed: Int?
    }

    let changes: [RecordedChange]
    let stories: [Story]
    /// The disk before the first change.
    let disk: PowerLoss

    /// - Parameter durability: the level, as the setting has it.
    init(durability: String, mode: InProcessSite.BodyMode) throws {
        let faults = try FaultLibrary(isRecording: true)
        let site = try NginxSite(mode, flags: ["--durability", durability], faults: faults)
        let recorder = Recorder(site, faults)
        try recorder.inOrder()
        // Under way while others are completed, whose syncs make its records durable.
        try recorder.unfinished()
        try recorder.shuffledWithADuplicate()
        try recorder.withAReplacedChunk()
        try recorder.whole()
        // SQLite puts its log into the database and begins another one.
        try site.restartResponder()
        try recorder.interleaved()
        try recorder.afterAReload()
        try recorder.inParallel()
        try recorder.unfinished()
        site.stop()
        stories = recorder.stories.withLock { $0 }
        changes = try RecordedChange.all(at: #require(faults.recordPath))
        disk = try PowerLoss(site.dataDirectory, before: changes)
    }
}

/// Sends the uploads.
private final class Recorder {
    private let site: NginxSite
    private let faults: FaultLibrary
    let stories: Locked<[PowerLossScenario.Story]> = Locked([])

    init(_ site: NginxSite, _ faults: FaultLibrary) {
        self.site = site
        self.faults = faults
    }

    /// A story's number. Its file has so many chunks of 64 KiB, the last of them shorter.
    private func begin(_ name: String, chunks: Int) -> Int {
        var upload = PageUpload(content: SampleFile(size: chunks * 65_536 - 12_345).bytes)
        upload.chunkSize = 65_536
        upload.owner = EndToEnd.newOwner()
        return stories.withLock { stories in
            stories.append(PowerLossScenario.Story(name: name, upload: upload, begin: faults.recordLength))
            return stories.count - 1
        }
    }

    private func upload(_ story: Int) -> PageUpload { stories.withLock { $0[story].upload } }

    /// Sends chunks of a story and notes what the replies promise.
    private func send(_ chunks: [Int], of story: Int, guid: String? = nil) throws {
        var upload = upload(story)
        upload.guid = guid ?? upload.guid
        for chunk in chunks { try note(site.send(upload.request(chunk)), to: chunk, of: story) }
    }

    private func note(_ reply: ReceivedReply, to chunk: Int, of story: Int) throws {
        let position = faults.recordLength
        try #require(reply.status == 200 && (reply.code == 1 || reply.code == 2), "\(reply)")
        stories.withLock { stories in
            if reply.code == 2 {
                stories[story].acknowledged[chunk, default: []].append(position)
            } else {
                stories[story].completed = min(position, stories[story].completed ?? .max)
            }
        }
    }

    /// The story must have been completed by its last chunk.
    private func end(_ story: Int) throws {
        let story = stories.withLock { $0[story] }
        try #require(story.completed != nil, "\(story.name) is not complete")
    }

    func inOrder() throws {
        let story = begin("in order", chunks: 3)
        try send([0, 1, 2], of: story)
        try end(story)
    }

    func shuffledWithADuplicate() throws {
        let story = begin("shuffled with a duplicate", chunks: 4)
        try send([2, 0, 2, 3, 1], of: story)
        try end(story)
    }

    func withAReplacedChunk() throws {
        let story = begin("with a replaced chunk", chunks: 3)
        let upload = upload(story)
        try send([0], of: story)
        let wrong = SampleFile(size: upload.chunkSize).bytes
        try note(site.send(upload.chunkRequest(1, bytes: wrong)), to: 1, of: story)
        let from = faults.recordLength
        try send([1], of: story)
        stories.withLock { $0[story].replaced = (1, from, faults.recordLength) }
        try send([2], of: story)
        try end(story)
    }

    func whole() throws {
        let story = begin("whole", chunks: 1)
        try send([0], of: story)
        try end(story)
    }

    func interleaved() throws {
        let (first, second) = (begin("interleaved 1", chunks: 3), begin("interleaved 2", chunks: 3))
        for chunk in 0..<3 {
            try send([chunk], of: first)
            try send([chunk], of: second)
        }
        try end(first)
        try end(second)
    }

    func afterAReload() throws {
        let story = begin("after a reload", chunks: 4)
        try send([0, 3], of: story)
        try send([2, 1], of: story, guid: PageUpload.newGuid())
        try end(story)
    }

    func inParallel() throws {
        let story = begin("in parallel", chunks: 9)
        let upload = upload(story)
        let queue = Locked(Array((0..<9).shuffled()))
        let site = site
        let replies = Locked<[(chunk: Int, reply: ReceivedReply, position: Int)]>([])
        let faults = faults
        try onThreads(3) { _ in
            while let chunk = queue.withLock({ $0.popLast() }) {
                let reply = try site.send(upload.request(chunk))
                replies.withLock { $0.append((chunk, reply, faults.recordLength)) }
            }
        }
        for (chunk, reply, position) in replies.withLock({ $0 }) {
            try #require(reply.status == 200, "\(reply)")
            stories.withLock { stories in
                if reply.code == 2 {
                    stories[story].acknowledged[chunk, default: []].append(position)
                } else {
                    stories[story].completed = min(position, stories[story].completed ?? .max)
                }
            }
        }
        try end(story)
    }

    func unfinished() throws {
        try send([2, 0], of: begin("unfinished", chunks: 4))
    }
}
