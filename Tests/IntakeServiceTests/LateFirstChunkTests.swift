import Catalogue
import TestSupport
import Testing
import Uploads

@testable import IntakeService

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

    @Test("no other chunk comes: the first one gets the same refusal, and the others too")
    func lostReply() throws {
        let site = try site()
        let page = page()
        try refused(page, [0, 1, 2], at: site)
        let start = ContinuousClock.now
        let late = try site.begin(page.request(0))
        #expect(late.reply == nil)
        #expect(reason(try late.wait()) == "quota")
        #expect(ContinuousClock.now - start >= .seconds(IntakeService.joiningTime * 0.9))
        #expect(reason(try site.send(page.request(1))) == "quota")
        #expect(try site.count("upload WHERE state = 'open'") == 0)
    }

    @Test("another chunk that was refused comes again too: the page begins anew")
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
        for exchange in held { #expect(reason(try exchange.wait()) == "quota") }
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
            #expect(reason(try site.send(page.request(1))) == "quota")
            call.answer(Failure.length)
        }
        #expect(try site.count("refusal WHERE overlapped") == 1)
    }
}
