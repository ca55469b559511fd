import TestSupport
import Testing
import Model

@testable import Intake

/// A refused guid's first chunk that comes again: its page begins anew, or has lost the reply and goes on with the others.
@Suite struct LateFirstChunkTests {
    private func page(_ count: Int = 3) -> PageUpload {
        var page = PageUpload(content: videoBytes(count * 1000 - 1))
        page.chunkSize = 1000
        return page
    }

    private func reason(_ reply: ReceivedReply) -> String? { reply.headers["x-intake-reason"] }

    /// A page whose first chunks were refused while its requests overlapped; there is room now.
    private func refused(
        _ page: PageUpload, _ chunks: [Int], at site: InProcessSite, overlapping: Bool = true
    ) throws {
        let other = self.page()
        #expect(try site.send(other.request(0)).code == 2)
        for chunk in chunks { #expect(reason(try site.send(page.request(chunk))) == "quota") }
        if overlapping { try site.execute("UPDATE refusal SET overlapped = 1") }
        for chunk in 1..<3 { _ = try site.send(other.request(chunk)) }
    }

    private func site() throws -> InProcessSite {
        try InProcessSite { $0.uploadLimits = UploadLimits(total: 1, perClient: 1) }
    }

    @Test("no other chunk comes: the first one gets the same refusal, and the guid stays refused")
    func lostReply() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let start = ContinuousClock.now
        let late = try site.begin(page.request(0))
        #expect(late.reply == nil)
        #expect(reason(try late.wait()) == "quota")
        #expect(ContinuousClock.now - start >= .seconds(IntakeService.joiningTime * 0.9))
        #expect(try site.send(page.request(1)).status == 409)
        #expect(try site.count("upload WHERE state = 'open'") == 0 && site.count("refusal") == 1)
    }

    @Test("two replies were lost, and not that of the second chunk: both get the refusal, and the guid stays refused")
    func lostReplies() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let both = try [0, 2].map { try site.begin(page.request($0)) }
        #expect(both.allSatisfy { $0.reply == nil })
        for exchange in both { #expect(reason(try exchange.wait()) == "quota") }
        #expect(try site.count("upload WHERE state = 'open'") == 0 && site.count("refusal") == 1)
    }

    @Test(
        "others come again before the second one: they are told to come again when it is there",
        arguments: [[0, 2], [2, 0]])
    func beforeSecond(chunks: [Int]) throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let both = try chunks.map { try site.begin(page.request($0)) }
        #expect(both.allSatisfy { $0.reply == nil })
        #expect(try site.send(page.request(1)).code == 2)
        for (chunk, exchange) in zip(chunks, both) {
            let reply = try exchange.wait()
            #expect(chunk == 0 ? reply.code == 2 : reply.status == 409, "chunk \(chunk): \(reply)")
        }
        #expect(try site.send(page.request(2)).code == 1)
    }

    @Test("the second chunk that was refused comes again too: the page begins anew")
    func beginsAnew() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let first = try site.begin(page.request(0))
        #expect(first.reply == nil)
        #expect(try site.send(page.request(1)).code == 2)
        #expect(try first.wait().code == 2)
        #expect(try site.send(page.request(2)).code == 1)
    }

    @Test("a page that goes on in the middle of its file does not begin anew")
    func goesOn() throws {
        let site = try site()
        let page = page(6)
        try refused(page, [0, 1, 2], at: site)
        let first = try site.begin(page.request(0))
        #expect(first.reply == nil)
        #expect(reason(try site.send(page.request(3))) == "quota")
        #expect(reason(try first.wait()) == "quota")
        #expect(reason(try site.send(page.request(4))) == "quota")
    }

    @Test("what tells them apart outlasts a restart")
    func restart() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let other = try site.another()
        let first = try other.begin(page.request(0))
        #expect(first.reply == nil)
        #expect(try other.send(page.request(1)).code == 2)
        #expect(try first.wait().code == 2)
    }

    @Test("not held: a page that sends one chunk at a time, one with only the first one refused, one that asks first")
    func notHeld() throws {
        for (chunks, overlapping, asks) in [([0, 1, 2], false, false), ([0], true, false), ([0, 1, 2], true, true)] {
            let site = try site()
            let page = page()
            try refused(page, chunks, at: site, overlapping: overlapping)
            if asks { _ = try site.send(page.chunksRequest()) }
            let first = try site.begin(page.request(0))
            #expect(first.reply?.code == 2)
        }
    }

    @Test("one first chunk of a guid is held: the one before gets its refusal, and too many of a client are not held")
    func bounds() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 1, perClient: 1) }
        let pages = (0..<20).map { _ in page() }
        let other = page()
        #expect(try site.send(other.request(0)).code == 2)
        for page in pages { for chunk in [0, 1] { #expect(reason(try site.send(page.request(chunk))) == "quota") } }
        try site.execute("UPDATE refusal SET overlapped = 1")
        let before = try site.begin(pages[0].request(0))
        let held = try pages.map { try site.begin($0.request(0)) }
        #expect(before.reply.flatMap(reason) == "quota")
        #expect(held.count { $0.reply == nil } == 16)
        for exchange in held { #expect(try ["quota", "retry"].contains(reason(exchange.wait()))) }
    }

    @Test(
        "a chunk that comes again before the first one waits for it, and is told to come again when that is there",
        arguments: [true, false])
    func beforeFirst(overlapping: Bool) throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site, overlapping: overlapping)
        let others = try [1, 2].map { try site.begin(page.request($0)) }
        #expect(others.allSatisfy { $0.reply == nil })
        #expect(try site.send(page.request(0)).code == 2)
        for exchange in others {
            let reply = try exchange.wait()
            #expect(reply.status == 409 && reply.code == -2 && reason(reply) == "retry", "\(reply)")
        }
        #expect(try [1, 2].map { try site.send(page.request($0)).code } == [2, 1])
    }

    @Test("so does one that was stored before the upload expired; one that was not is refused at once")
    func beforeFirstOfExpired() throws {
        let site = try site()
        let page = page(6)
        for chunk in [0, 1, 3] { #expect(try site.send(page.request(chunk)).code == 2) }
        site.clock.advance(by: 100_000)
        #expect(try site.service.sweep().expiredUploads == 1)
        try site.execute("UPDATE refusal SET overlapped = 1")
        let refused = try #require(try site.begin(page.request(4)).reply)
        #expect(refused.status == 200 && reason(refused) == "expired")
        let second = try site.begin(page.request(1))
        #expect(second.reply == nil)
        #expect(try site.send(page.request(0)).code == 2)
        #expect(try second.wait().status == 409)
        #expect(try (1..<6).map { try site.send(page.request($0)).code } == [2, 2, 2, 2, 1])
    }

    @Test("one that waits in vain is told to come again, and the guid stays refused")
    func withoutFirst() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let start = ContinuousClock.now
        let reply = try site.send(page.request(2))
        #expect(reply.status == 409 && reason(reply) == "retry", "\(reply)")
        #expect(ContinuousClock.now - start >= .seconds(IntakeService.joiningTime * 0.9))
        #expect(try site.count("refusal") == 1)
    }

    @Test("one that waits in vain twice gets the refusal: its page does not begin anew; not if the first came between")
    func withoutFirstTwice() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        #expect(try site.send(page.request(2)).status == 409)
        #expect(reason(try site.send(page.request(2))) == "quota")
        #expect(try site.send(page.request(2)).status == 409)
        #expect(reason(try site.send(page.request(0))) == "quota")
        #expect(try site.send(page.request(2)).status == 409)
    }

    @Test("so is one of a page that sends several at a time, even if none did so before; else it gets the same refusal")
    func withoutFirstUnknown() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site, overlapping: false)
        #expect(reason(try site.send(page.request(2))) == "quota")
        let both = try [1, 2].map { try site.begin(page.request($0)) }
        for exchange in both { #expect(try exchange.wait().status == 409) }
    }

    @Test("chunks that come for the first time are refused at once, in whichever order", arguments: [true, false])
    func anyOrder(overlapping: Bool) throws {
        let site = try site()
        let page = page(6)
        try refused(page, [0, 4], at: site, overlapping: overlapping)
        for chunk in [2, 1, 3, 5] {
            let reply = try #require(try site.begin(page.request(chunk)).reply)
            #expect(reply.status == 200 && reason(reply) == "quota", "chunk \(chunk): \(reply)")
        }
    }

    @Test("a chunk that comes while the first one is let go on is told to come again")
    func whileJoining() throws {
        let page = page()
        let sent: Locked<MemoryExchange?> = Locked(nil)
        let isArmed = Locked(false)
        let sender: Locked<InProcessSite?> = Locked(nil)
        let site = try self.site().another(atStatement: { statement in
            guard statement.contains("DELETE FROM refusal"), isArmed.withLock({ $0 }),
                let site = sender.withLock({ $0.take() })
            else { return }
            let exchange = try? site.begin(page.request(2))
            sent.withLock { $0 = exchange }
        })
        sender.withLock { $0 = site }
        try refused(page, [0, 1, 2], at: site)
        let held = try site.begin(page.request(0))
        isArmed.withLock { $0 = true }
        _ = try site.send(page.request(1))
        let reply = try #require(sent.withLock { $0 }).wait()
        #expect(reply.status == 409, "\(reply)")
        #expect(try held.wait().code == 2)
        #expect(try [1, 2].map { try site.send(page.request($0)).code } == [2, 1])
    }

    @Test("a chunk whose refusal is ended by the first one, before it is told, is told to come again")
    func endedRefusal() throws {
        let page = page()
        let sender: Locked<InProcessSite?> = Locked(nil)
        let began: Locked<Int?> = Locked(nil)
        let site = try site()
        let slow = try site.another(atStatement: { statement in
            // It has read that the guid is refused, and knows no other chunk that was.
            guard statement.contains("FROM refusal"), let site = sender.withLock({ $0.take() }) else { return }
            let code = try? site.send(page.request(0)).code
            began.withLock { $0 = code }
        })
        try refused(page, [0], at: site)
        sender.withLock { $0 = site }
        let reply = try slow.send(page.request(1))
        #expect(began.withLock { $0 } == 2)
        #expect(reply.status == 409, "\(reply)")
        #expect(try [1, 2].map { try slow.send(page.request($0)).code } == [2, 1])
    }

    @Test("where no first chunk can be held any more, it is told to come again")
    func noPlace() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let places = (0..<200).map { site.service.heldBodies.place(for: Client(recorded: "client \($0)")) }
        let reply = try #require(try site.begin(page.request(0)).reply)
        #expect(reply.status == 409 && reason(reply) == "retry", "\(reply)")
        withExtendedLifetime(places) {}
    }

    @Test("a chunk whose refusal could not be written is told it when it comes again, at once")
    func unwrittenRefusal() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1], at: site)
        let lost = try site.exchange(page.request(2))
        lost.leave()
        site.service.handle(lost)
        #expect(reason(try lost.wait()) == "quota")
        #expect(try site.begin(page.request(2)).reply.flatMap(reason) == "quota")
        // Its page has the reply now.
        #expect(try site.send(page.request(2)).status == 409)
    }

    @Test("so is the chunk that completed a file of other content")
    func unwrittenVerdict() throws {
        let site = try site()
        var page = page()
        page.md5 = md5Hex([])
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        let lost = try site.exchange(page.request(2))
        lost.leave()
        site.service.handle(lost)
        #expect(reason(try lost.wait()) == "md5")
        try site.execute("UPDATE refusal SET overlapped = 1")
        #expect(try site.begin(page.request(2)).reply.flatMap(reason) == "md5")
        #expect(try site.send(page.request(1)).status == 409)
    }

    @Test("requests of a guid that overlap are noted with its refusal")
    func overlaps() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1], at: site, overlapping: false)
        #expect(try site.count("refusal WHERE overlapped") == 0)
        let slow = try site.exchange(page.request(2))
        do {
            let call = Call(slow, .uploadFile, site.service)
            let form = try site.service.readForm(call)
            let request = try UploadRequest(form, owner: "", settings: call.settings)
            site.service.guidRequests.begin(GuidKey(request), call)
            #expect(try site.send(page.request(1)).status == 409)
            call.answer(Failure.length)
        }
        #expect(try site.count("refusal WHERE overlapped") == 1)
    }
}
