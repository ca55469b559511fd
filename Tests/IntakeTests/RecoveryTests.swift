import Maintenance
import Foundation
import Intake
import Testing
import TestSupport

/// A video of three chunks of 100 KB.
private func page() -> PageUpload {
    var page = PageUpload(content: videoBytes(299_999))
    page.chunkSize = 100_000
    return page
}

extension InProcessSite {
    /// Changes the bytes of the only unfinished upload's file.
    fileprivate func change(_ change: (FileHandle) throws -> Void) throws {
        let name = try #require(incomingFiles().first)
        let file = try FileHandle(forUpdating: dataDirectory.appendingPathComponent("incoming/" + name))
        try change(file)
        try file.close()
    }

    func execute(_ sql: String) throws {
        try catalogueFile.run(sql)
    }

    /// What determine_chunk_exist says is there of an upload, `nil` if it knows no such upload.
    fileprivate func received(_ page: PageUpload) throws -> String? {
        try send(page.chunksRequest()).data?["received"] as? String
    }
}

/// What an upload survives.
@Suite struct RecoveryTests {
    @Test(
        "after a reboot the chunks whose bytes are not there are forgotten, and only those", arguments: [false, true])
    func reboot(isRecovered: Bool) throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in [2, 0, 1].prefix(2) { #expect(try site.send(page.request(chunk)).code == 2) }
        try site.change {
            try $0.seek(toOffset: 250_000)
            try $0.write(contentsOf: [UInt8](repeating: 0, count: 4096))
        }
        let rebooted = try site.another(bootID: "second")
        // A page may ask before the recovery has come to its upload.
        if isRecovered { try rebooted.recover() }
        #expect(try rebooted.received(page) == "0")
        #expect(try rebooted.send(page.request(1)).code == 2)
        let last = try rebooted.send(page.request(2))
        #expect(last.code == 1)
        #expect(try site.storedBytes(last.path!) == page.content)
    }

    @Test("a file that was cut by power loss keeps the chunks that are in it")
    func cutFile() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
        try site.change { try $0.truncate(atOffset: 150_000) }
        let rebooted = try site.another(bootID: "second")
        try rebooted.recover()
        #expect(try rebooted.received(page) == "0")
        for chunk in 1..<3 { #expect(try rebooted.send(page.request(chunk)).code == (chunk == 2 ? 1 : 2)) }
        #expect(try site.storedBytes(site.publishedFiles().map { "upload/" + $0 }[0]) == page.content)
    }

    @Test("an upload whose file is gone starts afresh")
    func lostFile() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
        let name = try #require(site.incomingFiles().first)
        try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent("incoming/" + name))
        let restarted = try site.another()
        try restarted.recover()
        #expect(try restarted.received(page) == "")
        let replies = try (0..<3).map { try restarted.send(page.request($0)).code }
        #expect(replies == [2, 2, 1])
    }

    @Test("an upload that was whole when the service died is completed without a request", arguments: [nil, "second"])
    func wholeUpload(bootID: String?) throws {
        let site = try InProcessSite()
        var page = page()
        page.title = "whole"
        try site.failRecords(named: "whole")
        let codes = try (0..<3).map { try site.send(page.request($0)).code }
        #expect(codes == [2, 2, -6])
        // Published but not recorded: what a crash between the two leaves.
        #expect(site.publishedFiles().count == 1 && site.incomingFiles().count == 1)
        try site.execute("DROP TRIGGER fail_whole")

        let restarted = try site.another(bootID: bootID)
        try restarted.recover()
        #expect(try site.recordCount() == 1)
        #expect(site.publishedFiles().count == 1 && site.incomingFiles() == [])
        let late = try restarted.send(page.request(1))
        #expect(late.code == 1 && late.path?.contains(page.guid) == true)
        #expect(try site.storedBytes(late.path!) == page.content)
        #expect(try restarted.send(page.determineRequest()).data?["video_name"] as? String == "whole")
    }

    @Test("an upload that a request completes before its turn to be taken up leaves nothing behind")
    func completedMeanwhile() throws {
        let site = try InProcessSite()
        var page = page()
        page.title = "whole"
        try site.failRecords(named: "whole")
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        try site.execute("DROP TRIGGER fail_whole")
        let restarted = try site.another()
        let unfinished = try restarted.service.maintainer.recover()
        #expect(unfinished.count == 1)
        #expect(try restarted.send(page.request(2)).code == 1)
        restarted.service.takeUp(unfinished)
        #expect(site.incomingFiles() == [])
        #expect(try restarted.send(page.request(1)).code == 1)
        #expect(site.incomingFiles() == [] && site.publishedFiles().count == 1)
    }

    @Test("a publication that was never recorded goes with its upload when that expires")
    func expiredPublication() throws {
        let site = try InProcessSite()
        var page = page()
        page.title = "whole"
        try site.failRecords(named: "whole")
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        #expect(site.publishedFiles().count == 1)
        site.clock.advance(by: 25 * 3600)
        let report = try site.service.sweep()
        #expect(report.expiredUploads == 1)
        #expect(site.publishedFiles() == [] && site.incomingFiles() == [])
    }

    @Test("the first name of a finished video goes, if a crash has left it")
    func finishedUpload() throws {
        let site = try InProcessSite()
        let page = page()
        var path = ""
        for chunk in 0..<3 { path = try site.send(page.request(chunk)).path ?? "" }
        try FileManager.default.linkItem(
            at: site.dataDirectory.appendingPathComponent(path),
            to: site.dataDirectory.appendingPathComponent("incoming/1.part"))
        #expect(try site.service.sweep(isDryRun: true).finished.files == 1)
        #expect(site.incomingFiles() == ["1.part"])
        #expect(try site.service.sweep().finished.files == 1)
        #expect(site.incomingFiles() == [])
        #expect(try site.storedBytes(path) == page.content)
    }

    @Test(
        "files that belong to no upload are set aside after a minute, whole",
        arguments: ["77.part", "notes", "1.part.bak"])
    func orphans(name: String) throws {
        let site = try InProcessSite()
        let page = page()
        _ = try site.send(page.request(0))
        try Data("mine".utf8).write(to: site.dataDirectory.appendingPathComponent("incoming/" + name))
        #expect(try site.service.sweep() == SweepReport(), "it may just be coming")
        site.clock.advance(by: 120)
        #expect(try site.service.sweep(isDryRun: true).setAside.files == 1)
        #expect(site.incomingFiles().count == 2)
        #expect(try site.service.sweep().setAside.files == 1)
        #expect(site.incomingFiles() == ["1.part"])
        #expect(try site.storedBytes("set-aside/" + name) == Array("mine".utf8))
        #expect(try site.send(page.request(1)).code == 2)
    }

    @Test("request bodies that a killed nginx has left go after a day")
    func leftBodies() throws {
        let site = try InProcessSite()
        try Data("body".utf8).write(to: site.dataDirectory.appendingPathComponent("body/0000000001"))
        #expect(try site.service.sweep().bodies.files == 0)
        site.clock.advance(by: 25 * 3600)
        #expect(try site.service.sweep(isDryRun: true).bodies.files == 1)
        #expect(site.bodyFiles().count == 1)
        #expect(try site.service.sweep().bodies.files == 1)
        #expect(site.bodyFiles() == [])
    }

    @Test("a thousand unfinished uploads are taken up again, without looking at their bytes")
    func thousandUploads() throws {
        let site = try InProcessSite()
        let pages = (0..<1000).map { _ in
            var page = PageUpload(content: videoBytes(9_999))
            page.chunkSize = 5_000
            return page
        }
        // A service keeps the files of its uploads open for a while.
        for start in stride(from: 0, to: 1000, by: 200) {
            let service = try site.another()
            for page in pages[start..<start + 200] { #expect(try service.send(page.request(0)).code == 2) }
        }
        let restarted = try site.another()
        let start = ContinuousClock.now
        #expect(try restarted.service.maintainer.recover().isEmpty)
        print("recovered 1000 unfinished uploads in \(ContinuousClock.now - start)")
        for page in pages.shuffled().prefix(20) { #expect(try restarted.received(page) == "0") }

        let rebooted = try site.another(bootID: "second")
        #expect(try rebooted.service.maintainer.recover().count == 1000)
        #expect(try rebooted.received(pages[500]) == "0")
    }
}

/// Two services on one directory, as in a rolling restart or by mistake.
@Suite struct TwoServiceTests {
    @Test("a chunk that another service has replaced is looked at again before the file is complete")
    func replaced() throws {
        let one = try InProcessSite()
        let other = try one.another()
        let page = page()
        var wrong = page.bytes(of: 0)
        wrong[50_000] ^= 1
        #expect(try one.send(page.chunkRequest(0, bytes: wrong)).code == 2)
        #expect(try one.send(page.request(1)).code == 2)
        #expect(try other.send(page.request(0)).code == 2)
        let out = try one.send(page.request(2))
        #expect(out.status == 409 && out.code == -2, "what it knew was out of date: \(out)")
        let last = try one.send(page.request(2))
        #expect(last.code == 1)
        #expect(try one.storedBytes(last.path!) == page.content)
    }

    @Test("a service that still has a finished upload's file open does not touch the video")
    func straggler() throws {
        let one = try InProcessSite()
        let other = try one.another()
        let page = page()
        #expect(try other.send(page.request(0)).code == 2)
        var last: ReceivedReply?
        for chunk in 0..<3 { last = try one.send(page.request(chunk)) }
        #expect(last?.code == 1)
        var wrong = page.bytes(of: 1)
        wrong[0] ^= 1
        let late = try other.send(page.chunkRequest(1, bytes: wrong))
        #expect(late.code == 1 && late.videoID == last?.videoID)
        #expect(try one.storedBytes(last!.path!) == page.content)
        #expect(try one.recordCount() == 1)
    }
}

/// How many uploads may be unfinished.
@Suite struct UploadLimitTests {
    @Test("an owner with too many unfinished uploads is told so; others and finished ones do not count")
    func perOwner() throws {
        let site = try InProcessSite { $0.uploadLimits.perClient = 2 }
        func newPage(_ owner: String) -> PageUpload {
            var page = page()
            page.owner = owner
            return page
        }
        let first = newPage("alice")
        #expect(try site.send(first.request(0)).code == 2)
        #expect(try site.send(newPage("alice").request(0)).code == 2)
        let refused = newPage("alice")
        let reply = try site.send(refused.request(0))
        #expect(reply.status == 200 && reply.code == -3 && reply.message?.contains("(too many uploads)") == true)
        #expect(site.incomingFiles().count == 2)
        #expect(try site.send(newPage("bob").request(0)).code == 2)
        for chunk in 1..<3 { _ = try site.send(first.request(chunk)) }
        #expect(try site.send(refused.request(0)).code == 2)
    }
}
