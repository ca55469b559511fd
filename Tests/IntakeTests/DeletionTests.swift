import Model
import Foundation
import Intake
import Testing
import TestSupport

/// What goes with a video, and what others see of it afterwards.
@Suite struct DeletionTests {
    /// A video of three chunks of 100 KB.
    private func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    @Test("the file and what was made of it go with the last video that points to it")
    func files() throws {
        let site = try InProcessSite { $0.queuesTranscoding = true }
        let page = page()
        let first = Int64(try #require(try site.sendAll(page).videoID))
        let copy = try site.send(page.determineRequest([("file_name", "copy")]))
        let second = Int64(try #require(copy.videoID))
        let video = try #require(try site.catalogue.video(id: first))
        // As transcoding leaves it.
        let made = site.dataDirectory.appendingPathComponent(StorageLayout.results(ofOriginal: video.path))
        try FileManager.default.createDirectory(
            at: made.appendingPathComponent("hls"), withIntermediateDirectories: true)
        try Data(count: 4096).write(to: made.appendingPathComponent("hls/0.m4s"))

        let shared = try #require(try site.service.maintainer.deleteVideo(id: first))
        #expect(shared.isFileShared && shared.freed == 0)
        #expect(site.publishedFiles().count == 2)
        let last = try #require(try site.service.maintainer.deleteVideo(id: second))
        #expect(!last.isFileShared && last.left.isEmpty && last.freed >= 299_999 + 4096)
        #expect(site.publishedFiles() == [])
        #expect(!FileManager.default.fileExists(atPath: made.path))
        #expect(try site.service.maintainer.deleteVideo(id: second) == nil)
        #expect(try site.recordCount() == 0)
    }

    @Test("a deleted video is no longer found, also by a service that knew it, and the same content comes again")
    func comesAgain() throws {
        let site = try InProcessSite()
        let other = try site.another()
        let page = page()
        let id = Int64(try #require(try site.sendAll(page).videoID))
        for site in [site, other] { #expect(try site.send(page.determineRequest()).code == 1) }
        _ = try site.service.maintainer.deleteVideo(id: id)
        for site in [site, other] {
            #expect(try site.send(page.determineRequest()).code == 2)
            #expect(try site.send(page.determineRequest([("file_name", "copy")])).code == 2)
        }
        // With the same guid, which was an alias of the deleted one.
        let again = try other.sendAll(page)
        #expect(again.code == 1 && again.videoID != Int(id))
        let isIdentical = try site.storedBytes(again.path ?? "") == page.content
        #expect(isIdentical)
        // That there is none is remembered for so long by who has not stored it.
        site.clock.advance(by: 2)
        for site in [site, other] { #expect(try site.send(page.determineRequest()).code == 1) }
    }

    /// Three pages that send the same file: the first one brings one chunk and hears of the end from the second one's.
    @Test("a guid that had code 1 gets no code 2 once its video is deleted, and begins afresh with its first chunk")
    func refusedAfterwards() throws {
        let site = try InProcessSite()
        let (other, third) = (try site.another(), try site.another())
        let one = page()
        var (two, late) = (one, one)
        two.guid = PageUpload.newGuid()
        late.guid = PageUpload.newGuid()
        // The third process still works on the upload when it has become a video, and no video any more.
        #expect(try site.send(one.request(0)).code == 2)
        #expect(try third.send(late.request(1)).code == 2)
        let id = Int64(try #require(try site.sendAll(two).videoID))
        #expect(try site.send(one.request(1)).code == 1)
        _ = try other.service.maintainer.deleteVideo(id: id)
        for site in [site, other, third] {
            for page in [one, two, late] {
                for chunk in [1, 2] {
                    let reply = try site.send(page.request(chunk))
                    #expect(reply.status == 200 && reply.code == -3, "\(reply)")
                    #expect(reply.headers["x-intake-reason"] == "expired")
                }
            }
        }
        #expect(try site.count("upload") == 0 && site.count("refusal") == 3)
        // The first chunk of this one has not come: it is not for the first time again.
        #expect(try site.send(late.request(0)).code == -3)
        for page in [one, two, late] { #expect(try site.sendAll(page).code == 1) }
    }

    @Test("so it is where its record was deleted by SQL")
    func deletedBySQL() throws {
        let site = try InProcessSite()
        let page = page()
        #expect(try site.sendAll(page).code == 1)
        try site.execute("DELETE FROM video_info")
        for chunk in [1, 2] { #expect(try site.send(page.request(chunk)).code == -3) }
        #expect(try site.sendAll(page).code == 1)
    }

    @Test("the guids of deleted videos are bounded as all that are refused")
    func boundedAfterwards() throws {
        let site = try InProcessSite()
        var page = page()
        page.address = "192.0.2.1"
        let id = Int64(try #require(try site.sendAll(page).videoID))
        try site.execute(
            """
            INSERT INTO upload_guid (guid, upload_id)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
            SELECT 'g' || i, (SELECT upload_id FROM upload) FROM n
            """)
        _ = try site.service.maintainer.deleteVideo(id: id)
        #expect(try site.count("refusal") == Refusal.clientLimit && site.count("upload_guid") == 0)
    }

    @Test("who still knows a deleted video makes no copy of it, though its file is not removed yet")
    func staleCopy() throws {
        let site = try InProcessSite()
        let other = try site.another()
        let page = page()
        let id = Int64(try #require(try site.sendAll(page).videoID))
        #expect(try other.send(page.determineRequest()).code == 1)
        // Between the two steps of a deletion.
        _ = try site.catalogue.deleteVideo(id: id, now: 1)
        #expect(try other.send(page.determineRequest([("file_name", "copy")])).code == 2)
        #expect(try site.recordCount() == 0)
    }

    @Test("an upload of content that is there is a video of its own when the first one is deleted meanwhile")
    func comparedWithDeleted() throws {
        let site = try InProcessSite()
        let first = page()
        let id = Int64(try #require(try site.sendAll(first).videoID))
        var second = PageUpload(content: first.content)
        second.chunkSize = first.chunkSize
        for chunk in 0..<2 { #expect(try site.send(second.request(chunk)).code == 2) }
        _ = try site.service.maintainer.deleteVideo(id: id)
        let reply = try site.send(second.request(2))
        #expect(reply.code == 1)
        #expect(try site.recordCount() == 1)
        let isIdentical = try site.storedBytes(reply.path ?? "") == second.content
        #expect(isIdentical)
    }

    @Test("a record whose file lies elsewhere goes, and the file is named")
    func elsewhere() throws {
        let site = try InProcessSite()
        try site.execute(
            """
            INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time, update_time)
            VALUES (7, '', 'old', '../old.mp4', 1, 1, '', 0, 0)
            """)
        let deleted = try #require(try site.service.maintainer.deleteVideo(id: 7))
        #expect(deleted.left.first?.path == "../old.mp4")
        #expect(try site.recordCount() == 0)
    }

    @Test("old events are forgotten by the sweep")
    func sweptEvents() throws {
        let site = try InProcessSite { $0.webhookURL = "http://127.0.0.1/" }
        _ = try site.sendAll(page())
        let event = try #require(
            try site.catalogue.claimEvents(limit: 9, lease: 60, now: site.clock.now).first)
        #expect(event.kind == .uploadCompleted)
        try site.catalogue.noteDelivered(event, now: site.clock.now)
        #expect(try site.service.sweep().events == ExpiredEvents(delivered: 0, undelivered: 0))
        site.clock.advance(by: 7 * 24 * 3600 + 1)
        #expect(try site.service.sweep(isDryRun: true).events.delivered == 1)
        #expect(try site.service.sweep().lines.contains { $0 == ("forgotten events that were delivered", "1") })
    }
}
