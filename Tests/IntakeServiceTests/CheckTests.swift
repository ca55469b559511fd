import Foundation
import IntakeService
import Testing
import TestSupport

/// A site with one finished video and an upload that lacks its last chunk.
private struct Fixture {
    let site: InProcessSite
    let video: String
    let unfinished: PageUpload

    init() throws {
        site = try InProcessSite()
        unfinished = Self.page()
        let finished = Self.page()
        var path = ""
        for chunk in 0..<3 { path = try site.send(finished.request(chunk)).path ?? "" }
        for chunk in 0..<2 { _ = try site.send(unfinished.request(chunk)) }
        video = path
        // What is younger may be half done.
        site.clock.advance(by: 120)
    }

    private static func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    func check(isDeep: Bool = false, isRepairing: Bool = false) throws -> CheckReport {
        try Check(site.service, isDeep: isDeep, isRepairing: isRepairing).run()
    }

    func url(_ path: String) -> URL { site.dataDirectory.appendingPathComponent(path) }

    func change(_ path: String, at offset: UInt64) throws {
        let file = try FileHandle(forUpdating: url(path))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0])
        try file.close()
    }
}

@Suite struct CheckTests {
    @Test("nothing is found where nothing is wrong", arguments: [false, true])
    func clean(isDeep: Bool) throws {
        let report = try Fixture().check(isDeep: isDeep, isRepairing: true)
        #expect(report.findings == [])
        #expect(report.videos == 1 && report.uploads == 1 && report.bytes == 299_999)
    }

    @Test("a video whose file is gone is missing, and cannot be repaired")
    func missing() throws {
        let fixture = try Fixture()
        try FileManager.default.removeItem(at: fixture.url(fixture.video))
        let findings = try fixture.check(isRepairing: true).findings
        #expect(findings.map(\.kind) == [.missing] && findings[0].repair == nil)
    }

    @Test("a file of another size, or with other bytes where every byte is read, is found")
    func damaged() throws {
        let fixture = try Fixture()
        try fixture.change(fixture.video, at: 150_000)
        #expect(try fixture.check().findings == [])
        #expect(try fixture.check(isDeep: true).findings.map(\.kind) == [.md5])
        try FileHandle(forUpdating: fixture.url(fixture.video)).truncate(atOffset: 1000)
        #expect(try fixture.check(isDeep: true).findings.map(\.kind) == [.size])
    }

    @Test("a file that no record points to is found and left alone")
    func orphan() throws {
        let fixture = try Fixture()
        let path = fixture.video.replacing(".mp4", with: "-old.mp4")
        try Data("old".utf8).write(to: fixture.url(path))
        fixture.site.clock.advance(by: 120)
        let findings = try fixture.check(isRepairing: true).findings
        #expect(findings.map(\.kind) == [.orphan] && findings[0].text.contains(path))
        #expect(try fixture.site.storedBytes(path) == Array("old".utf8))
    }

    @Test("a file that is published and about to be recorded is no orphan")
    func publishing() throws {
        let fixture = try Fixture()
        let path = fixture.video.replacing(".mp4", with: "-new.mp4")
        try FileManager.default.linkItem(
            at: fixture.url("incoming/" + fixture.site.incomingFiles()[0]), to: fixture.url(path))
        fixture.site.clock.advance(by: 120)
        #expect(try fixture.check().findings == [])
    }

    @Test("chunks whose bytes are others are found where every byte is read; repaired, they come again")
    func chunks() throws {
        let fixture = try Fixture()
        try fixture.change("incoming/" + fixture.site.incomingFiles()[0], at: 150_000)
        #expect(try fixture.check(isRepairing: true).findings == [])
        let found = try fixture.check(isDeep: true).findings
        #expect(found.map(\.kind) == [.chunks] && found[0].text.contains("chunks 1:"))
        #expect(try fixture.check(isDeep: true, isRepairing: true).findings == found)
        #expect(try fixture.check(isDeep: true).findings == [])
        // The service that goes on serving believed to have the chunk.
        let page = fixture.unfinished
        var last: ReceivedReply?
        for chunk in [2, 2, 1] { last = try fixture.site.send(page.request(chunk)) }
        #expect(last?.code == 1, "\(last!)")
        #expect(try fixture.site.storedBytes(last?.path ?? "") == page.content)
    }

    @Test("an upload without its file is found; repaired, it starts afresh")
    func file() throws {
        let fixture = try Fixture()
        try FileManager.default.removeItem(at: fixture.url("incoming/" + fixture.site.incomingFiles()[0]))
        let found = try fixture.check(isRepairing: true).findings
        #expect(found.map(\.kind) == [.file] && found[0].text.contains("chunks 0-1:"))
        #expect(try fixture.check().findings == [])
        let restarted = try fixture.site.another()
        let codes = try (0..<3).map { try restarted.send(fixture.unfinished.request($0)).code }
        #expect(codes == [2, 2, 1])
    }

    @Test("leftovers are found; repaired, they are where an operator finds them")
    func leftovers() throws {
        let fixture = try Fixture()
        try Data("mine".utf8).write(to: fixture.url("incoming/99.part"))
        try FileManager.default.linkItem(at: fixture.url(fixture.video), to: fixture.url("incoming/1.part"))
        fixture.site.clock.advance(by: 120)
        #expect(try fixture.check().findings.map(\.kind) == [.leftover, .leftover])
        #expect(try fixture.check(isRepairing: true).findings.count == 2)
        #expect(try fixture.check().findings == [])
        #expect(try fixture.site.storedBytes("set-aside/99.part") == Array("mine".utf8))
        #expect(fixture.site.incomingFiles() == ["2.part"])
    }
}
