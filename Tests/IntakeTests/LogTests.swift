import Foundation
import Synchronization
import Testing
import TestSupport

@testable import Intake

@Suite struct LogTests {
    private static func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    @Test("of many refusals one a minute is told, with how many there were")
    func refusalLog() {
        let now = Atomic<Int64>(1_000)
        let log = RefusalLog { now.load(ordering: .relaxed) }
        #expect(log.note(.diskFull) == 1)
        for _ in 0..<5 { #expect(log.note(.diskFull) == nil) }
        // Each reason by itself.
        #expect(log.note(.quota) == 1)
        #expect(log.overdue().isEmpty)
        now.add(59, ordering: .relaxed)
        #expect(log.note(.diskFull) == nil)
        now.add(1, ordering: .relaxed)
        #expect(log.note(.diskFull) == 7)
        #expect(log.note(.diskFull) == nil)
        now.add(60, ordering: .relaxed)
        let overdue = log.overdue()
        #expect(overdue.map(\.reason) == [.diskFull] && overdue.map(\.refused) == [1])
        // A clock that is set back does not keep it silent.
        now.store(10, ordering: .relaxed)
        #expect(log.note(.diskFull) == 1)
    }

    @Test("of other reasons so many lines are written in a minute, and the rest is counted")
    func manyRefusals() throws {
        let site = try InProcessSite()
        let request = PageUpload(fileName: "a.exe", content: videoBytes(2000)).request()
        for _ in 0..<100 { #expect(try site.send(request).code == -3) }
        func lines() -> [LogRecord.Line] { site.log.lines.filter { $0.values["reason"] == "extension" } }
        #expect(lines().count == 60 && lines().allSatisfy { $0.level == .info && $0.values["refused"] == nil })
        site.clock.advance(by: 61)
        site.service.logRefusals()
        #expect(lines().count == 61 && lines().last?.values["refused"] == "40" && lines().last?.level == .info)
        #expect(try site.metrics()[#"requests_total{action="upload_file",code="-3",reason="extension"}"#] == "100")
    }

    @Test("a full disk is one warning a minute, with a count; the rest is told a minute later, or at the stop")
    func diskFull() throws {
        let site = try InProcessSite(reserve: .bytes(1 << 50))
        for _ in 0..<10 { #expect(try site.send(Self.page().request(0)).code == -3) }
        func warnings() -> [LogRecord.Line] { site.log.lines.filter { $0.level == .warning } }
        #expect(warnings().map { $0.values["refused"] } == ["1"])
        #expect(warnings().first?.values["reason"] == "disk-full")
        #expect(site.log.lines.count == 1)
        site.clock.advance(by: 61)
        site.service.logRefusals()
        #expect(warnings().map { $0.values["refused"] } == ["1", "9"])
        #expect(warnings().last?.values["reason"] == "disk-full")
        #expect(try site.send(Self.page().request(0)).code == -3)
        site.service.logRefusals()
        #expect(warnings().count == 2)
        site.service.stopped()
        #expect(warnings().map { $0.values["refused"] } == ["1", "9", "1"])
    }

    @Test("a finished file that is sent again and again, and a chunk that two pages replace by turns, bring few lines")
    func repeats() throws {
        let site = try InProcessSite()
        let whole = PageUpload(content: videoBytes(2000))
        for _ in 0..<50 { #expect(try site.send(whole.request()).code == 1) }
        #expect(eventually { site.log.lines.count { $0.values["code"] == "1" } == 1 })
        var pages = [Self.page(), Self.page()]
        pages[1].md5 = pages[0].md5
        for number in 0..<50 { #expect(try site.send(pages[number % 2].request(1)).code == 2) }
        let lines = site.log.lines.filter { $0.values["before"] != nil }
        #expect(lines.count == 10 && lines.allSatisfy { $0.values["times"] == "1" })
        site.clock.advance(by: 61)
        #expect(try site.send(pages[0].request(1)).code == 2)
        #expect(site.log.lines.filter { $0.values["before"] != nil }.last?.values["times"] == "40")
    }

    @Test("an upload that is refused for number is a warning too")
    func quota() throws {
        let site = try InProcessSite { $0.uploadLimits.total = 0 }
        let pages = (0..<3).map { _ in Self.page() }
        for page in pages { #expect(try site.send(page.request(0)).code == -3) }
        #expect(site.log.lines.map(\.level) == [.warning])
        let values = site.log.lines.first?.values ?? [:]
        #expect(values["limit"] == "uploads")
        #expect(values["reason"] == "quota" && values["client"] == "192.0.2.1" && values["guid"] == pages[0].guid)
        #expect(try site.metrics()[#"refusal_timestamp_seconds{reason="quota"}"#] == "\(site.clock.now)")
        #expect(try site.metrics()[#"refusal_timestamp_seconds{reason="disk-full"}"#] == "0")
    }

    @Test("a slow request is a warning that says of what it was; with 0 none is", arguments: [1e-9, 0])
    func slow(slowTime: Double) throws {
        let site = try InProcessSite { $0.slowTime = .seconds(slowTime) }
        let page = Self.page()
        #expect(try site.send(page.request(1)).code == 2)
        guard slowTime > 0 else {
            #expect(site.log.lines.isEmpty)
            return
        }
        let line = try #require(site.log.lines.first)
        #expect(line.level == .warning && line.message.hasPrefix("slow"))
        #expect(line.values["action"] == "upload_file" && line.values["guid"] == page.guid)
        #expect(line.values["chunk"] == "1")
        let (read, all) = (Double(line.values["read_ms"] ?? ""), Double(line.values["ms"] ?? ""))
        #expect(try #require(read) > 0 && #require(read) <= #require(all))
    }

    @Test("slow requests bring few lines, which tell of the others")
    func manySlow() throws {
        let site = try InProcessSite { $0.slowTime = .nanoseconds(1) }
        let page = Self.page()
        for _ in 0..<50 { #expect(try site.send(page.request(1)).code == 2) }
        func slow() -> [LogRecord.Line] { site.log.lines.filter { $0.message.hasPrefix("slow") } }
        #expect(eventually { slow().count == 10 })
        site.clock.advance(by: 61)
        #expect(try site.send(page.request(1)).code == 2)
        #expect(eventually { slow().last?.values["times"] == "41" })
    }

    @Test("content with another md5 is logged once, with both digests")
    func digests() throws {
        let site = try InProcessSite()
        var page = Self.page()
        page.md5 = md5Hex([1, 2, 3])
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        let lines = site.log.lines.filter { $0.values["computed"] != nil }
        #expect(lines.map(\.level) == [.warning])
        let values = lines.first?.values ?? [:]
        #expect(values["computed"] == md5Hex(page.content) && values["announced"] == page.md5)
        #expect(values["guid"] == page.guid && values["size"] == "299999")
    }

    @Test("a request's line has its reason, and a client that broke off is no error")
    func reasons() throws {
        let site = try InProcessSite()
        _ = try site.send(PageUpload(fileName: "a.exe", content: videoBytes(2000)).request())
        var cut = Self.page().request(1)
        cut.body.removeLast(50_000)
        #expect(try site.send(cut).status == 409)
        #expect(site.log.lines.map { $0.values["reason"] } == ["extension", "retry"])
        #expect(site.log.lines.map(\.level) == [.info, .info])
        try site.failRecords(named: "unsaveable")
        _ = try site.send(PageUpload(title: "unsaveable", content: videoBytes(2000)).request())
        // The line of a request that completes an upload follows its reply.
        #expect(eventually { site.log.lines.contains { $0.level == .error && $0.values["reason"] == "record" } })
    }
}
