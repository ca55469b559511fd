import Maintenance
import Model
import Foundation
import Intake
import TestSupport
import Testing

/// A video of three chunks of 10 KB.
private func page(_ content: [UInt8] = videoBytes(29_999), owner: String? = nil) -> PageUpload {
    var page = PageUpload(content: content)
    page.chunkSize = 10_000
    page.owner = owner
    return page
}

/// A record whose file is lost, and an upload of the same content.
@Suite struct LostFileTests {
    /// A video of a page whose file is lost, and what else is done between the steps of the next sealing.
    private struct Loss {
        let site: InProcessSite
        let other: InProcessSite
        var page: PageUpload
        let id: Int64
        let path: String

        init(owner: String? = nil, at step: Step? = nil, _ body: @escaping @Sendable (InProcessSite, Int64) -> Void)
            throws
        {
            site = try InProcessSite()
            page = IntakeTests.page(owner: owner)
            path = try #require(try site.sendAll(page).path)
            let (id, first) = (try #require(try site.catalogue.videos(owner: nil, limit: 1).first?.id), site)
            self.id = id
            let isDone = Locked(false)
            other = try site.another(atStep: { now in
                let isFirst =
                    now == step
                    && isDone.withLock { done in
                        defer { done = true }
                        return !done
                    }
                if isFirst { body(first, id) }
            })
            try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent(path))
            page.guid = PageUpload.newGuid()
        }

        func expectInOrder() throws {
            _ = try site.service.sweep()
            site.clock.advance(by: 120)
            let findings = try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings
            #expect(findings == [])
            #expect(site.incomingFiles() == [])
        }
    }

    @Test(
        "whenever the record goes while its file is brought back, no file is left without a record",
        arguments: Step.ofSealing)
    func deletedMeanwhile(step: Step) throws {
        let loss = try Loss(at: step) { site, id in _ = try? site.service.maintainer.deleteVideo(id: id) }
        let last = try loss.other.sendAll(loss.page)
        #expect(last.code == 1, "\(last)")
        let isIdentical = try loss.site.storedBytes(last.path ?? "") == loss.page.content
        #expect(isIdentical)
        #expect(loss.site.publishedFiles().count == 1, "\(loss.site.publishedFiles())")
        try loss.expectInOrder()
    }

    @Test("a record of another owner gets no bytes that were not compared with its own")
    func otherOwner() throws {
        let loss = try Loss(owner: "alice") { _, _ in }
        try loss.site.execute(
            """
            INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time, update_time)
            SELECT 1000, 'bob', 'b', path, size, 1, md5, 1, 1 FROM video_info
            """)
        let last = try loss.other.sendAll(loss.page)
        #expect(last.code == 1 && last.path != loss.path, "\(last)")
        #expect(loss.site.publishedFiles().count == 1)
        let isIdentical = try loss.site.storedBytes(last.path ?? "") == loss.page.content
        #expect(isIdentical)
    }

    @Test("bytes that a record has got are changed no more, though its upload could not be sealed")
    func notSealed() throws {
        let loss = try Loss { _, _ in }
        try loss.site.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON video_info BEGIN SELECT raise(ABORT, 'broken'); END")
        #expect(try loss.other.sendAll(loss.page).code == -6)
        var wrong = loss.page.bytes(of: 0)
        wrong[9999] ^= 1
        let reply = try loss.other.send(loss.page.chunkRequest(0, bytes: wrong))
        #expect(reply.status == 409, "\(reply)")
        let isIdentical = try loss.site.storedBytes(loss.path) == loss.page.content
        #expect(isIdentical)
        try loss.site.execute("DROP TRIGGER broken")
        let last = try loss.other.send(loss.page.request(0))
        #expect(last.code == 1 && last.path == loss.path, "\(last)")
        try loss.expectInOrder()
    }

    @Test("a video's path is taken for its own only while the file that was compared is there")
    func replaced() throws {
        let site = try InProcessSite()
        var page = page()
        let path = try #require(try site.sendAll(page).path)
        page.guid = PageUpload.newGuid()
        // Other bytes of the same size take the file's place after the comparison.
        let file = site.dataDirectory.appendingPathComponent(path)
        let evil = videoBytes(29_999)
        let other = try site.another(atStep: { step in
            if step == .published { try? Data(evil).write(to: file, options: .atomic) }
        })
        let last = try other.sendAll(page)
        #expect(last.code == 1 && last.path != path, "\(last)")
        let isIdentical = try site.storedBytes(last.path ?? "") == page.content
        #expect(isIdentical)
    }
}
