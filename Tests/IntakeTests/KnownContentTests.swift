import Foundation
import Synchronization
import Testing
import TestSupport

@testable import Intake

/// A video of three chunks of 100 KB.
private func page(_ content: [UInt8] = videoBytes(299_999)) -> PageUpload {
    var page = PageUpload(content: content)
    page.chunkSize = 100_000
    return page
}

extension InProcessSite {
    fileprivate func expect(_ path: String?, has content: [UInt8], _ comment: Comment = "") throws {
        let isIdentical = try storedBytes(try #require(path, comment)) == content
        #expect(isIdentical, comment)
    }
}

/// Content with the md5 and size of a video that is there.
@Suite struct KnownContentTests {
    @Test("the same bytes are stored and verified, and dropped when they are whole", arguments: [true, false])
    func same(sendsSize: Bool) throws {
        let site = try InProcessSite()
        let first = try site.sendAll(page())
        var second = page(try site.storedBytes(first.path ?? ""))
        if !sendsSize { second.overrides["size"] = .some(nil) }
        for chunk in 0..<2 { #expect(try site.send(second.request(chunk)).code == 2) }
        #expect(site.incomingFiles().count == 1)
        #expect(try site.catalogue.promisedBytes() == 0)
        let last = try site.send(second.request(2))
        #expect(last.code == 1 && last.path == first.path && last.videoID != first.videoID)
        #expect(site.publishedFiles().count == 1 && site.incomingFiles() == [])
    }

    /// A known record whose file has other bytes of the same size stands for a collision of md5s.
    @Test("other bytes with the same md5 and size have a file of their own: neither is refused, both are right")
    func collision() throws {
        let site = try InProcessSite()
        let good = page()
        var evil = try site.sendAll(good).path ?? ""
        var bytes = good.content
        bytes[250_000] ^= 1
        try Data(bytes).write(to: site.dataDirectory.appendingPathComponent(evil))
        var again = good
        for round in 0..<3 {
            again.guid = PageUpload.newGuid()
            let stored = try site.sendAll(again)
            #expect(stored.code == 1 && stored.path != evil, "round \(round)")
            try site.expect(stored.path, has: good.content)
            try site.expect(evil, has: bytes)
        }
        #expect(site.publishedFiles().count == 2)
        // The name that it would have is the other one's.
        again.guid = String(evil.split(separator: "/").last!.dropLast(4))
        try site.execute("DELETE FROM upload")
        try site.execute("DELETE FROM video_info WHERE path <> '\(evil)'")
        let renamed = try site.sendAll(again)
        #expect(renamed.code == 1 && renamed.path?.hasSuffix("-\(renamed.videoID ?? 0).mp4") == true)
        try site.expect(renamed.path, has: good.content)
        evil = ""
    }

    @Test("a chunk of known content that comes again with other bytes is compared again")
    func replaced() throws {
        let site = try InProcessSite()
        let first = try site.sendAll(page())
        var second = page(try site.storedBytes(first.path ?? ""))
        second.guid = PageUpload.newGuid()
        var wrong = second.bytes(of: 0)
        wrong[99_999] ^= 1
        #expect(try site.send(second.chunkRequest(0, bytes: wrong)).code == 2)
        #expect(try site.send(second.request(1)).code == 2)
        #expect(try site.send(second.request(0)).code == 2)
        let last = try site.send(second.request(2))
        #expect(last.code == 1 && last.path == first.path)
        #expect(site.publishedFiles().count == 1)
    }

    @Test("content that only claims to be known is refused, and the video stays as it is")
    func claimed() throws {
        let site = try InProcessSite()
        let first = page()
        let path = try site.sendAll(first).path
        var second = first
        second.guid = PageUpload.newGuid()
        second.content[0 + 250_000] ^= 1
        let refused = try site.sendAll(second)
        #expect(refused.code == -3 && refused.headers["x-intake-reason"] == "md5")
        try site.expect(path, has: first.content)
        #expect(site.incomingFiles() == [])
    }

    @Test("two uploads of one content that are whole at the same time keep one file")
    func atOnce() throws {
        let waiting = Locked(0)
        let bothThere = DispatchSemaphore(value: 0)
        let site = try InProcessSite(atStep: { step in
            // Neither knows of the other's video when it looks.
            guard step == .compared,
                waiting.withLock({
                    $0 += 1; return $0
                }) <= 2
            else { return }
            if waiting.withLock({ $0 }) == 2 {
                bothThere.signal()
                bothThere.signal()
            }
            _ = bothThere.wait(timeout: .now() + 10)
        })
        let one = page()
        var other = one
        other.guid = PageUpload.newGuid()
        other.chunkSize = 110_000
        for chunk in 0..<2 {
            #expect(try site.send(one.request(chunk)).code == 2)
            #expect(try site.send(other.request(chunk)).code == 2)
        }
        let last = try [one, other].map { try site.begin($0.request(2)) }.map { try $0.wait() }
        #expect(last.map(\.code) == [1, 1] && last[0].path == last[1].path, "\(last)")
        #expect(site.publishedFiles().count == 1 && site.incomingFiles() == [])
    }

    @Test("a chunk that is replaced by another page is told with both guids and addresses; so is what comes of it")
    func spoiled() throws {
        let site = try InProcessSite()
        let good = page()
        var evil = good
        evil.guid = PageUpload.newGuid()
        #expect(try site.send(good.request(0)).code == 2)
        var wrong = good.bytes(of: 0)
        wrong[99_999] ^= 1
        #expect(try site.send(evil.chunkRequest(0, bytes: wrong)).code == 2)
        let line = try #require(site.log.lines.last { $0.message.contains("other bytes") })
        #expect(line.values["before"] == "\(good.guid) (192.0.2.1)")
        #expect(line.values["from"] == "\(evil.guid) (192.0.2.1)")
        for chunk in 1..<3 { _ = try site.send(good.request(chunk)) }
        let end = try #require(site.log.lines.last { $0.message.contains("md5") && $0.level == .warning })
        for guid in [good.guid, evil.guid] { #expect(end.values["from"]?.contains(guid) == true) }
        // A page that sends its own chunk again with other bytes is nobody else.
        let alone = page()
        _ = try site.send(alone.chunkRequest(0, bytes: wrong))
        _ = try site.send(alone.request(0))
        #expect(site.log.lines.count { $0.message.contains("other bytes") } == 1)
    }

    @Test("a chunk that another page was replacing when the process died is not missing: the file ends in md5")
    func diedReplacing() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        try site.service.catalogue.doubt(chunk: 0, upload: 1)
        let file = try FileHandle(forUpdating: URL(filePath: site.dataDirectory.path + "/incoming/1.part"))
        try file.write(contentsOf: [1, 2, 3])
        try file.close()
        let restarted = try site.another()
        #expect(try restarted.send(page.chunksRequest()).data?["received"] as? String == "0-1")
        #expect(try restarted.send(page.request(2)).headers["x-intake-reason"] == "md5")
    }

    @Test("such a chunk is replaced by one that comes again, also by the same bytes", arguments: [false, true])
    func replacedAfterDeath(isWhole: Bool) throws {
        let site = try InProcessSite()
        let page = page()
        var wrong = page.bytes(of: 0)
        wrong[0] ^= 1
        #expect(try site.send(page.chunkRequest(0, bytes: isWhole ? page.bytes(of: 0) : wrong)).code == 2)
        try site.service.catalogue.doubt(chunk: 0, upload: 1)
        let restarted = try site.another()
        #expect(try restarted.send(page.request(0)).code == 2)
        #expect(try site.count("upload_chunk WHERE crc32c IS NULL") == 0)
        #expect(try restarted.send(page.chunksRequest()).data?["received"] as? String == "0")
        #expect(try [1, 2].map { try restarted.send(page.request($0)).code } == [2, 1])
    }

    @Test("a chunk that could not be replaced is not missing: the file ends in md5")
    func failedReplacing() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        let upload = try #require(site.service.uploads.with(ids: [1]).first)
        guard case .compare = upload.claim(0) else {
            Issue.record("it is not there")
            return
        }
        try site.service.catalogue.doubt(chunk: 0, upload: 1)
        upload.replace(0)
        #expect(upload.stored(chunk: 0) == nil)
        let file = try FileHandle(forUpdating: URL(filePath: site.dataDirectory.path + "/incoming/1.part"))
        try file.write(contentsOf: [1, 2, 3])
        try file.close()
        upload.release(0)
        #expect(try site.send(page.request(2)).headers["x-intake-reason"] == "md5")
    }
}

/// Completions beside the threads of requests.
@Suite struct SlowCompletionTests {
    @Test("a completion that takes longer than a reply may wait goes on; the chunk comes again and finds it done")
    func late() throws {
        let mayGoOn = DispatchSemaphore(value: 0)
        let site = try InProcessSite {
            $0.completionTime = .seconds(0.5)
            $0.holdTime = .seconds(0.1)
        } atStep: {
            if $0 == .verified { mayGoOn.wait() }
        }
        let slow = page()
        for chunk in 0..<2 { #expect(try site.send(slow.request(chunk)).code == 2) }
        // The thread is free again at once.
        let last = try site.begin(slow.request(2))
        #expect(last.reply == nil)
        #expect(try site.send(page().request(0)).code == 2)
        for exchange in [last, try site.begin(slow.request(1)), try site.begin(slow.request(2))] {
            let reply = try exchange.wait()
            #expect(reply.status == 409 && reply.headers["x-intake-reason"] == "retry", "\(reply)")
        }
        mayGoOn.signal()
        var again: ReceivedReply?
        for _ in 0..<50 where again?.code != 1 { again = try site.send(slow.request(2)) }
        #expect(again?.code == 1)
        try site.expect(again?.path, has: slow.content)
        #expect(try site.recordCount() == 1)
    }

    @Test("of one client only its share runs at once, of all no more than the limit; nobody's work is forgotten")
    func pool() throws {
        let pool = WorkPool(threadLimit: 6, clientLimit: 2)
        let running: Locked<[String: Int]> = Locked([:])
        let most: Locked<[String: Int]> = Locked([:])
        let done = DispatchGroup()
        let gate = DispatchSemaphore(value: 0)
        func submit(_ client: String, waits: Bool) {
            done.enter()
            pool.submit(client: client) {
                let count = running.withLock { running -> Int in
                    running[client, default: 0] += 1
                    return running[client]!
                }
                most.withLock { $0[client] = max($0[client] ?? 0, count) }
                if waits { gate.wait() }
                running.withLock { $0[client]! -= 1 }
                done.leave()
            }
        }
        for _ in 0..<20 { submit("greedy", waits: true) }
        usleep(100_000)
        #expect(running.withLock(\.self) == ["greedy": 2])
        // Others do not wait for it.
        let others = DispatchGroup()
        for number in 0..<50 {
            others.enter()
            pool.submit(client: "other \(number % 3)") { others.leave() }
        }
        #expect(others.wait(timeout: .now() + 20) == .success)
        #expect(running.withLock { $0["greedy"] } == 2)
        for _ in 0..<20 { gate.signal() }
        #expect(done.wait(timeout: .now() + 20) == .success)
        #expect(most.withLock(\.self) == ["greedy": 2])
    }
}

/// The turns of clients at work that may take long.
@Suite struct WorkPoolTurnsTests {
    @Test("a client's first work waits for one of each other client, however much those have waiting")
    func turns() {
        let pool = WorkPool(threadLimit: 2, clientLimit: 1)
        let mayGoOn = DispatchSemaphore(value: 0)
        let order: Locked<[String]> = Locked([])
        let done = DispatchGroup()
        for client in ["one", "two"] { pool.submit(client: client) { mayGoOn.wait() } }
        usleep(50_000)
        func submit(_ client: String) {
            done.enter()
            pool.submit(client: client) {
                order.withLock { $0.append(client) }
                usleep(1000)
                done.leave()
            }
        }
        for _ in 0..<50 { for client in ["one", "two", "three", "four"] { submit(client) } }
        submit("late")
        for _ in 0..<2 { mayGoOn.signal() }
        #expect(done.wait(timeout: .now() + 20) == .success)
        let place = order.withLock { $0.firstIndex(of: "late")! }
        #expect(place < 10, "\(place)")
    }
}

/// A disk without room, in the middle of an upload.
@Suite struct NoRoomTests {
    @Test("an upload that has chunks is told to come again, one that has none is refused; what is there stays")
    func fullDisk() throws {
        let site = try InProcessSite()
        let begun = page()
        #expect(try site.send(begun.request(0)).code == 2)
        let full = try site.another(reserve: .bytes(1 << 60))
        for _ in 0..<2 {
            let later = try full.send(begun.request(1))
            #expect(later.status == 409 && later.code == -2, "\(later)")
            #expect(later.headers["x-intake-reason"] == "disk-full" && later.headers["x-intake-code"] == "-2")
        }
        // Counted as it was answered.
        let counts = try full.metrics()
        #expect(counts[#"requests_total{action="upload_file",code="-2",reason="disk-full"}"#] == "2")
        #expect(counts[#"requests_total{action="upload_file",code="-3",reason="disk-full"}"#] == "0")
        // What is there needs no room.
        #expect(try full.send(begun.request(0)).code == 2)
        let new = try full.send(page().request(0))
        #expect(new.status == 200 && new.code == -3 && new.headers["x-intake-reason"] == "disk-full")
        for chunk in 1..<3 { #expect(try site.send(begun.request(chunk)).code == (chunk == 1 ? 2 : 1)) }
        #expect(site.incomingFiles() == [])
    }

    @Test("a greedy announcement takes no more of the disk than its chunks")
    func announced() throws {
        let site = try InProcessSite()
        var greedy = page()
        greedy.overrides["size"] = "2000000001"
        greedy.overrides["chunks"] = "2001"
        greedy.overrides["chunk"] = "2000"
        greedy.content = Array(greedy.content.prefix(1))
        #expect(try site.send(greedy.chunkRequest(0)).code == 2)
        #expect(try site.catalogue.promisedBytes() == 2_000_000_000)
        let file = site.dataDirectory.appendingPathComponent("incoming/" + site.incomingFiles()[0])
        let allocated = try file.resourceValues(forKeys: [.totalFileAllocatedSizeKey]).totalFileAllocatedSize
        #expect(allocated ?? .max <= 65_536)
    }
}
