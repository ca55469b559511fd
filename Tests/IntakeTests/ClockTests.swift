import Maintenance
import Foundation
import Intake
import TestSupport
import Testing

/// A time of day that somebody sets, forwards and back.
@Suite struct ClockTests {
    private static let (hour, year): (Int64, Int64) = (3600, 365 * 24 * 3600)

    private func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    @Test(
        "nothing that is under way ends because the time of day is another one, also over a restart and for `gc`",
        arguments: [25 * hour, year, -year], [false, true])
    func jumps(by seconds: Int64, restarts: Bool) throws {
        var site = try InProcessSite { $0.webhookURL = "https://cms.example.com/" }
        let (open, done) = (page(), page())
        for chunk in 0..<3 { _ = try site.send(done.request(chunk)) }
        #expect(try site.send(open.request(0)).code == 2)
        let body = site.dataDirectory.appendingPathComponent("body/under-way")
        try Data([1]).write(to: body)
        _ = try site.service.sweep()

        site.clock.jump(by: seconds)
        if restarts { site = try site.another() }
        #expect(try site.service.sweep() == SweepReport())
        #expect(try site.another().service.sweep() == SweepReport())
        // The next sweep of a responder that goes on, ten minutes later.
        site.clock.advance(by: 600)
        #expect(try site.service.sweep() == SweepReport())
        #expect(try site.send(open.request(1)).code == 2)
        site.clock.jump(by: -seconds)
        if restarts { site = try site.another() }
        #expect(try site.service.sweep() == SweepReport())
        #expect(FileManager.default.fileExists(atPath: body.path))
        #expect(try site.send(open.request(2)).code == 1)
        // The guid of the other one still is its alias.
        #expect(try site.send(done.request(1)).code == 1)
    }

    @Test("what was sent while the time of day was wrong lives as long as anything else", arguments: [-year, year])
    func wrongFromTheStart(by seconds: Int64) throws {
        let site = try InProcessSite()
        site.clock.jump(by: seconds)
        let page = page()
        // With one chunk it would live for an hour only.
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        site.clock.jump(by: -seconds)
        site.clock.advance(by: 23 * Self.hour)
        #expect(try site.service.sweep() == SweepReport())
        site.clock.advance(by: 2 * Self.hour)
        #expect(try site.service.sweep().expiredUploads == 1)
    }

    @Test("time goes on over a restart of the process, and stands still while the machine is off") func off() throws {
        let site = try InProcessSite()
        let page = page()
        // With one chunk it would live for an hour only.
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        site.clock.advance(by: 20 * Self.hour)
        let restarted = try site.another()
        _ = try restarted.service.sweep()
        // The machine is off for two days: the clock of the next start begins anew.
        site.clock.jump(by: 48 * Self.hour)
        let next = try site.another(bootID: "next")
        #expect(try next.service.sweep() == SweepReport())
        next.clock.advance(by: 3 * Self.hour)
        #expect(try next.service.sweep().expiredUploads == 0)
        next.clock.advance(by: 2 * Self.hour)
        #expect(try next.service.sweep().expiredUploads == 1)
    }

    @Test("what no time server mends for a month is believed") func believed() throws {
        let site = try InProcessSite()
        let body = site.dataDirectory.appendingPathComponent("body/left-over")
        _ = try site.service.sweep()
        site.clock.jump(by: Self.year)
        try Data([1]).write(to: body)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: TimeInterval(site.clock.now))], ofItemAtPath: body.path)
        for _ in 0..<30 {
            #expect(try site.service.sweep().bodies.files == 0)
            site.clock.advance(by: 24 * Self.hour)
        }
        site.clock.advance(by: Self.hour)
        #expect(try site.service.sweep().bodies.files == 1)
    }
}
