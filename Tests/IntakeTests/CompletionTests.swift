import FileStore
import ChunkStore
import Foundation
import Testing
import TestSupport

/// A video of `chunks` chunks of 50 KB.
private func page(chunks: Int) -> PageUpload {
    var page = PageUpload(content: videoBytes(chunks * 50_000 - 7))
    page.chunkSize = 50_000
    return page
}

extension InProcessSite {
    /// Hands a request to the service on a thread of its own.
    fileprivate func start(_ request: SentRequest, writing: Bool = true) throws -> MemoryExchange {
        let exchange = try exchange(request)
        if !writing { exchange.delayWriting() }
        let service = service
        Thread.detachNewThread { service.handle(exchange) }
        return exchange
    }
}

extension InProcessSite {
    /// Sends the first chunk of the first upload, and then twice more at once: requests of it have overlapped then.
    fileprivate func overlap(_ page: PageUpload) throws {
        #expect(try send(page.request(0)).code == 2)
        // As another process that completes the file does: neither of the two gets on.
        let file = try FileChunkStore(directory: dataDirectory.path, reserve: .bytes(0)).openUpload(1)
        try file.lock(within: 5)
        let exchanges = try (0..<2).map { _ in try start(page.request(0)) }
        usleep(300_000)
        file.unlock()
        for exchange in exchanges { #expect(try exchange.wait().code == 2) }
    }
}

/// The four rules of which reply a page gets when a file becomes whole.
@Suite struct CompletionTests {
    // MARK: Rule 1

    @Test("rule 1: for 24 h and across restarts, every request of a complete file's guid gets code 1 and the same data")
    func completeStaysComplete() throws {
        let site = try InProcessSite()
        let page = page(chunks: 3)
        var last: ReceivedReply?
        for chunk in 0..<3 { last = try site.send(page.request(chunk)) }
        #expect(last?.code == 1)
        site.clock.advance(by: 24 * 3600 - 60)
        _ = try site.service.sweep()
        for site in [site, try site.another()] {
            for chunk in 0..<3 {
                let reply = try site.send(page.request(chunk))
                #expect(reply.code == 1 && reply.data?["chunk"] as? Int == chunk, "\(reply)")
                #expect(reply.videoID == last?.videoID && reply.path == last?.path)
            }
        }
        #expect(site.incomingFiles() == [])
    }

    // MARK: Rule 2

    @Test("rule 2: the completing reply waits until a code-2 reply under way is written")
    func completingReplyIsLast() throws {
        let site = try InProcessSite()
        let page = page(chunks: 2)
        let first = try site.start(page.request(0), writing: false)
        #expect(eventually { (try? site.catalogue.chunks(ofUpload: 1))?.count == 1 })
        usleep(50_000)
        let second = try site.start(page.request(1))
        #expect(eventually { site.publishedFiles().count == 1 })
        usleep(200_000)
        #expect(second.reply == nil, "code 1 overtook code 2")
        first.allowWriting()
        #expect(try first.wait().code == 2)
        #expect(try second.wait().code == 1)
    }

    // MARK: Rule 3

    @Test("rule 3: with overlapping requests, chunks that leave at most two missing wait and answer code 1 themselves")
    func heldUntilComplete() throws {
        let site = try InProcessSite { $0.holdTime = .seconds(10) }
        let page = page(chunks: 5)
        try site.overlap(page)
        #expect(try site.begin(page.request(1)).reply?.code == 2, "three are missing: answered at once")
        let held = try [2, 3].map { try site.begin(page.request($0)) }
        #expect(held.allSatisfy { $0.reply == nil })
        #expect(try site.send(page.request(4)).code == 1)
        for (index, exchange) in held.enumerated() {
            let reply = try exchange.wait()
            #expect(reply.code == 1 && reply.data?["chunk"] as? Int == index + 2, "\(reply)")
        }
    }

    @Test("rule 3: the wait is bounded, and then the answer is code 2")
    func heldForAWhile() throws {
        let site = try InProcessSite { $0.holdTime = .seconds(0.2) }
        let page = page(chunks: 3)
        try site.overlap(page)
        let held = try site.begin(page.request(1))
        #expect(held.reply == nil)
        #expect(try held.wait().code == 2)
        #expect(try site.send(page.request(2)).code == 1)
    }

    @Test("rule 3: a request does not overlap with one whose reply is being written")
    func replyIsTheEnd() throws {
        let site = try InProcessSite { $0.holdTime = .seconds(10) }
        let page = page(chunks: 3)
        let first = try site.start(page.request(0), writing: false)
        #expect(eventually { (try? site.catalogue.chunks(ofUpload: 1))?.count == 1 })
        usleep(50_000)
        #expect(try site.begin(page.request(1)).reply?.code == 2)
        first.allowWriting()
        #expect(try first.wait().code == 2)
        #expect(try site.send(page.request(2)).code == 1)
    }

    @Test("rule 3: a page that sends one chunk at a time is never held")
    func neverHeldOneAtATime() throws {
        let site = try InProcessSite { $0.holdTime = .seconds(10) }
        let page = page(chunks: 6)
        for chunk in 0..<6 {
            // But for its last one, which is answered when the file is complete.
            let sent = try site.begin(page.request(chunk))
            #expect(try (chunk < 5 ? sent.reply : sent.wait())?.code == (chunk < 5 ? 2 : 1), "chunk \(chunk)")
        }
    }

    // MARK: Rule 4

    @Test("names that others have taken beforehand keep no file out")
    func takenNames() throws {
        let site = try InProcessSite()
        func page(_ name: String) -> PageUpload {
            var page = PageUpload(fileName: name, content: videoBytes(2000))
            page.extraFields = [("keepFileName", "1")]
            return page
        }
        #expect(try site.send(page("movie.mp4").request()).code == 1)
        for number in 2..<9 { #expect(try site.send(page("movie-\(number + 8).mp4").request()).code == 1) }
        for _ in 0..<4 {
            let late = page("movie.mp4")
            let reply = try site.send(late.request())
            #expect(reply.code == 1, "\(reply)")
            #expect(try site.storedBytes(reply.path!) == late.content)
        }
    }

    @Test("rule 4: the video_id is allocated when the upload starts and is in every reply")
    func videoIDFromTheStart() throws {
        let site = try InProcessSite()
        let (one, other) = (page(chunks: 3), page(chunks: 3))
        var ids: [String: Set<Int>] = [:]
        for chunk in 0..<3 {
            for page in [one, other] {
                ids[page.guid, default: []].insert(try site.send(page.request(chunk)).videoID ?? 0)
            }
        }
        #expect(ids[one.guid]?.count == 1 && ids[other.guid]?.count == 1)
        #expect(ids[one.guid] != ids[other.guid])
        #expect(try site.send(one.determineRequest()).videoID == ids[one.guid]?.first)
    }

    // MARK: All of them

    @Test("eight clients hammer the last chunk: one record, and only code 1", arguments: 0..<5)
    func hammer(round: Int) throws {
        let site = try InProcessSite()
        let page = page(chunks: 3)
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        let exchanges = try (0..<8).map { _ in try site.start(page.request(2)) }
        let replies = try exchanges.map { try $0.wait() }
        #expect(replies.allSatisfy { $0.code == 1 })
        #expect(Set(replies.map(\.videoID)).count == 1)
        #expect(site.publishedFiles().count == 1)
        #expect(try site.recordCount() == 1)
    }

    @Test("all chunks at once, each twice, from two pages: one record, the right bytes", arguments: 0..<5)
    func everythingAtOnce(round: Int) throws {
        let site = try InProcessSite()
        let one = page(chunks: 12)
        var other = one
        other.guid = PageUpload.newGuid()
        // Both pages have begun: one that begins when the other's file is complete has an upload of its own.
        for page in [one, other] { #expect(try site.send(page.request(0)).code == 2) }
        let requests = (0..<12).flatMap { [one.request($0), one.request($0), other.request($0)] }.shuffled()
        let replies = try requests.map { try site.start($0) }.map { try $0.wait() }
        #expect(replies.allSatisfy { $0.code == 1 || $0.code == 2 }, "\(replies)")
        let path = try #require(replies.first { $0.code == 1 }?.path)
        #expect(try site.storedBytes(path) == one.content)
        #expect(try site.recordCount() == 1)
        #expect(site.incomingFiles() == [])
    }

    @Test("a page that sends no size completes with all its chunks at once", arguments: 0..<10)
    func withoutSizeAtOnce(round: Int) throws {
        let site = try InProcessSite()
        var page = page(chunks: 4)
        page.overrides["size"] = .some(nil)
        var replies = try [3, 0, 1, 2].map { try site.start(page.request($0)) }.map { try $0.wait() }
        // Before another one was recorded nothing told its place.
        if replies[0].status == 409 { replies.append(try site.send(page.request(3))) }
        let path = try #require(replies.first { $0.code == 1 }?.path, "\(replies)")
        #expect(try site.storedBytes(path) == page.content)
    }
}
