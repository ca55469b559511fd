import Foundation
import Testing
import TestSupport

/// A video of three chunks of 100 KB.
private func page() -> PageUpload {
    var page = PageUpload(content: videoBytes(299_999))
    page.chunkSize = 100_000
    return page
}

/// An upload that goes on after a reload of the page, a restart, or from another page.
@Suite struct ResumeTests {
    @Test("an upload goes on after a restart, in either body mode", arguments: InProcessSite.BodyMode.allCases)
    func restart(mode: InProcessSite.BodyMode) throws {
        let site = try InProcessSite(mode: mode)
        let page = page()
        let started = try site.send(page.request(2))
        let restarted = try site.another()
        #expect(try restarted.send(page.request(0)).code == 2)
        let last = try restarted.another().send(page.request(1))
        #expect(last.code == 1 && last.videoID == started.videoID)
        #expect(try site.storedBytes(last.path!) == page.content)
    }

    @Test("two services on one directory complete a file once")
    func twoServices() throws {
        let one = try InProcessSite()
        let other = try one.another()
        let page = page()
        #expect(try one.send(page.request(0)).code == 2)
        #expect(try other.send(page.request(1)).code == 2)
        let last = try one.send(page.request(2))
        #expect(last.code == 1)
        #expect(try other.send(page.request(1)).videoID == last.videoID)
        #expect(try one.recordCount() == 1)
        #expect(try one.storedBytes(last.path!) == page.content)
    }

    @Test("while a file is completed, the chunks that are there are all of them or no upload is under way, never fewer")
    func asksDuringCompletion() throws {
        let site = try InProcessSite()
        var questions = 0
        for _ in 0..<60 {
            let page = page()
            for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
            let last = try site.exchange(page.request(2))
            Thread.detachNewThread { site.service.handle(last) }
            while last.reply == nil {
                let reply = try site.send(page.chunksRequest())
                questions += 1
                guard reply.code == 1 else { continue }
                let received = reply.data?["received"] as? String
                #expect(received == "0-1" || received == "0-2")
            }
            #expect(try last.wait().code == 1)
        }
        #expect(questions > 60)
    }

    @Test("a reloaded page, with a new guid, continues the old upload")
    func reload() throws {
        let site = try InProcessSite()
        var page = page()
        let first = try site.send(page.request(1))
        page.guid = PageUpload.newGuid()
        #expect(try site.send(page.request(0)).videoID == first.videoID)
        let last = try site.send(page.request(2))
        #expect(last.code == 1 && last.path?.contains(page.guid) == true)
    }

    @Test("files whose guids collide stay apart")
    func collision() throws {
        let site = try InProcessSite()
        let one = page()
        var other = page()
        other.guid = one.guid
        for chunk in 0..<2 {
            #expect(try site.send(one.request(chunk)).code == 2)
            #expect(try site.send(other.request(chunk)).code == 2)
        }
        let replies = try [site.send(one.request(2)), site.send(other.request(2))]
        #expect(try site.storedBytes(replies[0].path!) == one.content)
        #expect(try site.storedBytes(replies[1].path!) == other.content)
    }

    @Test(
        "a chunk that comes again with other bytes replaces the old one, also where the digest has been",
        arguments: 0...1)
    func replaced(chunk: Int) throws {
        let site = try InProcessSite()
        let page = page()
        var wrong = page.bytes(of: chunk)
        wrong[wrong.count - 1] ^= 0xFF
        #expect(try site.send(page.chunkRequest(chunk, bytes: wrong)).code == 2)
        #expect(try site.send(page.request(1 - chunk)).code == 2)
        #expect(try site.send(page.request(chunk)).code == 2)
        let last = try site.send(page.request(2))
        #expect(last.code == 1, "\(last)")
        #expect(try site.storedBytes(last.path ?? "") == page.content)
    }

    @Test("24 h after its last chunk an upload is gone, with its bytes; a finished video stays")
    func expiry() throws {
        let site = try InProcessSite()
        let (page, finished) = (page(), page())
        for chunk in 0..<3 { _ = try site.send(finished.request(chunk)) }
        for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
        site.clock.advance(by: 24 * 3600 - 60)
        _ = try site.service.sweep()
        #expect(site.incomingFiles().count == 1)
        site.clock.advance(by: 120)
        _ = try site.service.sweep()
        #expect(site.incomingFiles() == [])
        // Its space is free only when nobody has it open any more; the digest may just be reading it.
        let incoming = site.dataDirectory.path + "/incoming/"
        let isClosed = try eventually {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").allSatisfy {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0))?.hasPrefix(incoming)
                    != true
            }
        }
        #expect(isClosed)
        let late = try site.send(page.request(2))
        #expect(late.code == -3 && late.headers["x-intake-reason"] == "expired")
        #expect(try site.send(page.request(0)).code == 2, "it starts afresh")
        #expect(try site.send(finished.determineRequest()).code == 1)
        #expect(site.publishedFiles().count == 1)
    }

    @Test("an upload that expired without a sweep is gone when it is touched", arguments: [false, true])
    func lazyExpiry(isRestarted: Bool) throws {
        let site = try InProcessSite()
        let page = page()
        let old = try site.send(page.request(0))
        site.clock.advance(by: 24 * 3600 + 60)
        let site2 = try isRestarted ? site.another() : site
        let late = try site2.send(page.request(1))
        #expect(late.code == -3 && late.headers["x-intake-reason"] == "expired")
        #expect(site.incomingFiles().isEmpty)
        let new = try site2.send(page.request(0))
        #expect(new.code == 2 && new.videoID != old.videoID)
        #expect(site.incomingFiles().count == 1)
    }

    @Test("a video whose file was lost gets it back from the next upload")
    func lostFile() throws {
        let site = try InProcessSite()
        var page = page()
        var path = ""
        for chunk in 0..<3 { path = try site.send(page.request(chunk)).path ?? "" }
        try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent(path))
        #expect(try site.send(page.determineRequest()).code == 2, "the page must go on")
        page.guid = PageUpload.newGuid()
        var last: ReceivedReply?
        for chunk in 0..<3 { last = try site.send(page.request(chunk)) }
        #expect(last?.code == 1 && last?.path == path, "\(last!)")
        #expect(try site.storedBytes(path) == page.content)
    }

    @Test("owners' uploads stay apart, even with the same file and guid")
    func owners() throws {
        let site = try InProcessSite()
        var (alice, bob) = (page(), page())
        bob.content = alice.content
        bob.md5 = alice.md5
        bob.guid = alice.guid
        (alice.owner, bob.owner) = ("alice", "bob")
        for chunk in 0..<2 { #expect(try site.send(alice.request(chunk)).code == 2) }
        #expect(try site.send(bob.request(2)).code == 2)
        let done = try site.send(alice.request(2))
        #expect(done.code == 1)
        #expect(try site.send(bob.determineRequest()).code == 2)
        for chunk in 0..<2 { _ = try site.send(bob.request(chunk)) }
        let other = try site.send(bob.determineRequest())
        #expect(other.code == 1 && other.videoID != done.videoID)
        #expect(site.publishedFiles().count == 2)
    }
}
