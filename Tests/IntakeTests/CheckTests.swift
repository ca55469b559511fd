import Maintenance
import Model
import Foundation
import Intake
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
        try Check(site.service.maintainer, isDeep: isDeep, isRepairing: isRepairing).run()
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

    @Test("what transcoding made and is gone is found, and made anew")
    func media() throws {
        let site = try InProcessSite { $0.queuesTranscoding = true }
        let id = Int64(try #require(try site.send(PageUpload(content: videoBytes(50_000)).wholeRequest()).videoID))
        let path = try #require(try site.catalogue.video(id: id)).path
        let directory = StorageLayout.results(ofOriginal: path)
        let url = site.dataDirectory.appendingPathComponent(directory)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try Data("x".utf8).write(to: url.appendingPathComponent("poster.jpg"))
        let now = site.clock.now
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 60, now: now))
        var facts = MediaFacts()
        facts.posterPath = directory + "/poster.jpg"
        facts.mp4Path = directory + "/video.mp4"
        #expect(try site.catalogue.finishJob(job, media: facts, duration: nil, now: now) != nil)

        let finding = try #require(
            try Check(site.service.maintainer, isDeep: false, isRepairing: false).run().findings.first)
        #expect(finding.kind == .media && finding.text.contains("video.mp4") && !finding.text.contains("poster"))
        #expect(try site.catalogue.job(id: job.id)?.state == .done)
        _ = try Check(site.service.maintainer, isDeep: false, isRepairing: true).run()
        #expect(try site.catalogue.job(id: job.id)?.state == .queued)
        #expect(try Check(site.service.maintainer, isDeep: false, isRepairing: false).run().findings == [])
    }

    @Test("what a claim has made that no record names is found and removed; what goes on, is named or is garbage stays")
    func claims() throws {
        let site = try InProcessSite { $0.queuesTranscoding = true }
        let id = Int64(try #require(try site.send(PageUpload(content: videoBytes(50_000)).wholeRequest()).videoID))
        let path = try #require(try site.catalogue.video(id: id)).path
        let above = StorageLayout.results(ofOriginal: path)
        func make(_ name: String) throws {
            let url = site.dataDirectory.appendingPathComponent("\(above)/\(name)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
        func check(isRepairing: Bool = false) throws -> [CheckReport.Finding] {
            try Check(site.service.maintainer, isDeep: false, isRepairing: isRepairing).run().findings
        }
        func claim() throws -> Job {
            let now = site.clock.now
            let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 60, now: now))
            try make(StorageLayout.name(of: job))
            return job
        }
        func finish(_ job: Job) throws {
            var facts = MediaFacts()
            facts.directory = StorageLayout.results(of: job)
            let now = site.clock.now
            #expect(try site.catalogue.finishJob(job, media: facts, duration: nil, now: now) != nil)
        }
        let first = try claim()
        site.clock.advance(by: 120)
        #expect(try check() == [])
        try finish(first)
        #expect(try check() == [])
        #expect(try site.catalogue.retryJob(id: first.id, now: site.clock.now))
        try finish(try claim())
        for name in ["1.9", "77.1", "hls"] { try make(name) }
        site.clock.advance(by: 120)
        let found = try check()
        #expect(found.map(\.kind) == [.orphan, .orphan] && found.allSatisfy { $0.text.contains("no record names it") })
        #expect(try check(isRepairing: true) == found)
        #expect(try check() == [])
        func names() throws -> [String] { try site.store.publishedNames(in: above).sorted() }
        #expect(try names() == ["1.1", "1.2", "hls"])

        // The first one's time comes, and it is nothing wrong that it waits for a sweep; for a day it would be.
        site.clock.advance(by: Garbage.retention)
        #expect(try check() == [])
        site.clock.advance(by: Garbage.retention)
        #expect(try check().map(\.kind) == [.leftover])
        #expect(try site.service.sweep().garbage.files == 1)
        #expect(try names() == ["1.2", "hls"] && check() == [])
    }

    @Test("what was made of a video that is gone is found and removed, what is young or of another video stays")
    func transcodedOrphan() throws {
        let fixture = try Fixture()
        let month = fixture.video.components(separatedBy: "/original/")[0]
        let paths = ["gone.mp4", fixture.video.components(separatedBy: "/original/")[1]].map {
            "\(month)/transcoded/\($0)"
        }
        for path in paths {
            try FileManager.default.createDirectory(
                at: fixture.url(path + "/hls"), withIntermediateDirectories: true)
        }
        fixture.site.clock.advance(by: -120)
        #expect(try fixture.check().findings == [])
        fixture.site.clock.advance(by: 120)
        let finding = try #require(try fixture.check().findings.first)
        #expect(finding.kind == .orphan && finding.text.hasPrefix(paths[0]) && finding.repair != nil)
        #expect(try fixture.check(isRepairing: true).findings == [finding])
        #expect(!FileManager.default.fileExists(atPath: fixture.url(paths[0]).path))
        #expect(FileManager.default.fileExists(atPath: fixture.url(paths[1]).path))
        #expect(try fixture.check().findings == [])
    }
}
