import Foundation
import Intake
import Testing
import TestSupport

/// Addresses that cannot be guessed.
@Suite struct RandomPathTests {
    private func page(_ size: Int = 299_999) -> PageUpload {
        var page = PageUpload(content: videoBytes(size))
        page.chunkSize = 100_000
        return page
    }

    @Test("a path has 22 characters that no two videos share, behind the guid or the file's own name")
    func paths() throws {
        let site = try InProcessSite { $0.hasRandomPaths = true }
        var parts: Set<Substring> = []
        for number in 0..<20 {
            var page = page(number % 2 == 0 ? 299_999 : 50_000)
            if number % 4 == 1 { page.extraFields = [("keepFileName", "1")] }
            let path = try #require(try site.sendAll(page).path)
            let name = number % 4 == 1 ? "holiday" : page.guid
            let match = try #require(
                path.wholeMatch(of: /upload\/mp4\/\d{4}\/\d\d\/original\/(.+)-([A-Za-z0-9]{22})\.mp4/), "\(path)")
            #expect(match.1 == name)
            parts.insert(match.2)
            let isIdentical = try site.storedBytes(path) == page.content
            #expect(isIdentical)
        }
        #expect(parts.count == 20)
    }

    @Test("an attempt to complete that failed and the one that follows give one name, also after a restart")
    func oneName() throws {
        let site = try InProcessSite { $0.hasRandomPaths = true }
        for isAnotherPage in [false, true] {
            var page = page()
            page.title = "fails"
            try site.failRecords(named: "fails")
            #expect(try site.sendAll(page).code == -6)
            #expect(site.publishedFiles().count == (isAnotherPage ? 2 : 1))
            var again = page
            again.title = "works"
            if isAnotherPage { again.guid = PageUpload.newGuid() }
            let reply = try (isAnotherPage ? site : site.another()).send(again.request(2))
            let path = try #require(reply.path, "\(reply)")
            #expect(path.contains(again.guid))
            if !isAnotherPage { #expect(site.publishedFiles() == [String(path.dropFirst("upload/".count))]) }
        }
    }

    @Test("the setting takes effect with the next upload, and what is there stays") func reload() throws {
        let site = try InProcessSite()
        let first = page()
        let old = try #require(try site.sendAll(first).path)
        #expect(old.hasSuffix("/\(first.guid).mp4"))
        var settings = IntakeSettings()
        settings.hasRandomPaths = true
        site.service.reload(settings)
        let second = page()
        let new = try #require(try site.sendAll(second).path)
        #expect(!new.hasSuffix("/\(second.guid).mp4"))
        #expect(try site.send(first.request(2)).path == old)
        #expect(try site.send(second.request(2)).path == new)
    }
}
