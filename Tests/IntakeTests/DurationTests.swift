import Foundation
import Testing
import TestSupport

/// How long videos are, where it is found out after the reply.
@Suite struct DurationTests {
    /// A real video of 2.5 s, in chunks of 2,000 bytes.
    private func page() throws -> PageUpload {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("video.mp4")
        try makeVideo(file)
        var page = PageUpload(content: [UInt8](try Data(contentsOf: file)))
        page.chunkSize = 2000
        return page
    }

    private func send(_ page: PageUpload, to site: InProcessSite) throws {
        var codes: [Int?] = []
        for chunk in 0..<page.chunks { codes.append(try site.send(page.request(chunk)).code) }
        try #require(codes.last == 1)
    }

    private func duration(_ page: PageUpload, _ site: InProcessSite) throws -> Double? {
        try site.send(page.determineRequest()).data?["duration"] as? Double
    }

    @Test("a video that came in chunks has its duration soon after the reply, a copy that was made meanwhile too")
    func afterTheReply() throws {
        let site = try InProcessSite()
        let page = try page()
        try send(page, to: site)
        let copy = try site.send(page.determineRequest([("file_name", "copy")]))
        #expect(copy.code == 1)
        site.service.findDurations()
        #expect(try duration(page, site) == 2.5)
        var durations: [Double?] = []
        try site.catalogue.forEachVideo { durations.append($0.duration) }
        #expect(durations == [2.5, 2.5])
    }

    @Test("a duration that nobody had asked for at a crash is found out after the next start")
    func afterACrash() throws {
        let site = try InProcessSite()
        let page = try page()
        try send(page, to: site)
        site.service.findDurations()
        // As a crash after the reply leaves it.
        try site.execute("UPDATE video_info SET duration = 0, probed = 0")
        let restarted = try site.another()
        #expect(try duration(page, restarted) == 0)
        try restarted.recover()
        #expect(try duration(page, restarted) == 2.5)
    }

    @Test("a file that is lost keeps no other video from getting its duration, and is looked for once")
    func lostFile() throws {
        let site = try InProcessSite()
        let page = try page()
        try send(page, to: site)
        site.service.findDurations()
        try site.execute("UPDATE video_info SET duration = 0, probed = 0")
        try site.execute(
            """
            INSERT INTO video_info (video_id, owner, video_name, path, size, duration, probed, md5, create_time, update_time)
            VALUES (-1, '', 'lost', 'upload/lost.mp4', 1, 0, 0, '', 0, 0)
            """)
        site.service.findDurations()
        #expect(try site.catalogue.unprobedPaths(limit: 100) == [])
        #expect(try duration(page, try site.another()) == 2.5)
    }
}
