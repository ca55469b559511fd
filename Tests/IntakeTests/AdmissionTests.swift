import Foundation
import TestSupport
import Testing
import Model

@testable import Intake

/// A file of three chunks, sent from an address.
private func page(_ address: String = "192.0.2.1", _ size: Int = 299_999, chunkSize: Int = 100_000) -> PageUpload {
    var page = PageUpload(content: videoBytes(size))
    page.chunkSize = chunkSize
    page.address = address
    return page
}

private func reason(_ reply: ReceivedReply) -> String? { reply.headers["x-intake-reason"] }

/// Limits are by client.
@Suite struct AdmissionTests {
    @Test("one attacker with all the uploads there may be keeps nobody out, and all is free again after an hour")
    func oneAttacker() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 100, perClient: 100) }
        var refused = 0
        /// First chunks of files that never end.
        func attack(_ count: Int) throws {
            for _ in 0..<count {
                let reply = try site.send(page("198.51.100.66", 5000, chunkSize: 2000).request(0))
                if reason(reply) == "quota" { refused += 1 } else { #expect(reply.code == 2) }
            }
        }
        try attack(150)
        #expect(refused == 50)
        let honest = (0..<10).map { page("192.0.2.\($0)") }
        for chunk in 0..<3 {
            for page in honest {
                let reply = try site.send(page.request(chunk))
                #expect(reply.code == (chunk < 2 ? 2 : 1), "\(reply)")
                try attack(5)
            }
        }
        #expect(try site.metrics()[#"ended_uploads_total{by="eviction"}"#] == "10")
        #expect(try site.metrics()[#"ended_uploads_total{by="expiry"}"#] == "0")
        let before = try site.metrics()["open_uploads"]
        #expect(try site.metrics()["largest_client_uploads"].flatMap { Int($0) } ?? 0 <= 100)
        #expect(try site.recordCount() == 10)
        #expect(site.incomingFiles().count <= 100 && !site.incomingFiles().isEmpty)
        site.clock.advance(by: 3601)
        _ = try site.service.sweep()
        #expect(site.incomingFiles().isEmpty)
        #expect(try site.metrics()["open_uploads"] == "0" && site.metrics()["upload_promised_bytes"] == "0")
        #expect(try site.metrics()[#"ended_uploads_total{by="eviction"}"#] == "10")
        #expect(try site.metrics()[#"ended_uploads_total{by="expiry"}"#] == before)
    }

    @Test("an upload whose life was over is not said to have given way")
    func expired() throws {
        let site = try InProcessSite()
        let page = page()
        #expect(try site.send(page.request(0)).code == 2)
        site.clock.advance(by: 3601)
        #expect(reason(try site.send(page.request(1))) == "expired")
        #expect(try site.send(page.request(0)).code == 2)
        #expect(try site.metrics()[#"ended_uploads_total{by="expiry"}"#] == "1")
        #expect(try site.metrics()[#"ended_uploads_total{by="eviction"}"#] == "0")
        #expect(site.log.lines.allSatisfy { !$0.message.contains("gave way") })
    }

    @Test("200 pages behind one address with ten files each: nothing is refused")
    func office() throws {
        let site = try InProcessSite()
        let files = (0..<2000).map { _ in page("192.0.2.1", 3000, chunkSize: 2000) }
        for file in files { #expect(try site.send(file.request(0)).code == 2) }
        #expect(try site.metrics()["open_uploads"] == "2000" && site.metrics()["upload_clients"] == "1")
        for file in files { #expect(try site.send(file.request(1)).code == 1) }
        #expect(try site.recordCount() == 2000)
    }

    @Test("an upload that gives way in the middle of a file: expired for every chunk, and the first one begins afresh")
    func evicted() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 2, perClient: 2) }
        let (one, two) = (page(), page())
        for page in [one, two] { #expect(try site.send(page.request(0)).code == 2) }
        #expect(try site.send(one.request(1)).code == 2)
        #expect(try site.send(page("192.0.2.2").request(0)).code == 2)
        for chunk in [1, 2, 1, 2] {
            let reply = try site.send(two.request(chunk))
            #expect(reply.status == 200 && reply.code == -3 && reason(reply) == "expired", "\(reply)")
        }
        #expect(site.incomingFiles().count == 2)
        // The one that is left goes on.
        #expect(try site.send(one.request(2)).code == 1)
        for chunk in 0..<3 { #expect(try site.send(two.request(chunk)).code == (chunk < 2 ? 2 : 1)) }
    }

    @Test(
        "chunks that promised nothing take the room of who holds more than a share, as new uploads do",
        arguments: [false, true])
    func unpromised(isKnown: Bool) throws {
        let site = try InProcessSite()
        var honest = page()
        if isKnown {
            for chunk in 0..<3 { _ = try site.send(honest.request(chunk)) }
            honest.guid = PageUpload.newGuid()
            honest.address = "192.0.2.2"
        } else {
            honest.overrides = ["size": nil]
        }
        #expect(try site.send(honest.request(0)).code == 2)
        /// All there is, and more, is promised to another client.
        func attack(_ number: Int) throws -> Int64 {
            let start = try site.catalogue.beginUpload(
                UploadKey(
                    owner: "", md5: md5Hex([7]), extent: .size(1 << 60 + number), chunks: 1 << 20, chunkSize: 1 << 40),
                isFirst: true,
                draft: VideoDraft(name: "v", guid: "attacker\(number)", path: "upload/\(number).mp4", classID: nil),
                bootID: "boot",
                terms: UploadTerms(
                    client: Client(owner: "", address: "198.51.100.66"), limits: .none,
                    room: { DiskRoom(free: 1 << 61) }),
                expiry: UploadExpiry(now: site.catalogue.clock, lifetime: 3600))
            guard case .unfinished(let upload, _, _) = start else { return 0 }
            return upload.id
        }
        for chunk in 1..<3 {
            let attacker = try attack(chunk)
            #expect(try site.catalogue.states(ofUploads: [attacker]) == [attacker: .open])
            // What another process has admitted is known a second later.
            site.clock.advance(by: 1)
            let reply = try site.send(honest.request(chunk))
            #expect(reply.code == (chunk < 2 ? 2 : 1), "\(reply)")
            #expect(try site.catalogue.states(ofUploads: [attacker]).isEmpty)
        }
    }

    @Test("a sweep ends more uploads than go at once, with their files")
    func sweepOfMany() throws {
        let site = try InProcessSite()
        for _ in 0..<220 { #expect(try site.send(page("192.0.2.1", 3000, chunkSize: 2000).request(0)).code == 2) }
        site.clock.advance(by: 3601)
        #expect(try site.service.sweep(isDryRun: true).expiredUploads == 220)
        let report = try site.service.sweep()
        #expect(report.expiredUploads == 220 && report.expired.files == 220 && report.setAside.files == 0)
        #expect(site.incomingFiles().isEmpty)
    }

    @Test("a call that waits for the completion learns that its upload gave way")
    func heldCall() throws {
        let site = try InProcessSite {
            $0.uploadLimits = UploadLimits(total: 2, perClient: 2)
            $0.holdTime = .seconds(25)
        }
        // The other one has more, and stays.
        let (one, other) = (page(), page("192.0.2.1", 499_999))
        for chunk in 0..<4 { #expect(try site.send(other.request(chunk)).code == 2) }
        // Overlapping requests are held when two chunks are missing.
        let slow = try site.exchange(one.request(0))
        slow.delayWriting()
        let writing = Thread { site.service.handle(slow) }
        writing.start()
        #expect(eventually { site.incomingFiles().count == 2 })
        let held = try site.begin(one.request(1))
        slow.allowWriting()
        #expect(try slow.wait().code == 2)
        if held.reply == nil {
            #expect(try site.send(page("192.0.2.2").request(0)).code == 2)
            #expect(reason(try held.wait()) == "expired")
        } else {
            // The first one was written before the second came: nothing overlapped.
            #expect(held.reply?.code == 2)
        }
    }

    @Test("what cannot begin for number is refused for good, until its first chunk comes again")
    func quota() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 1, perClient: 1) }
        let (first, second) = (page(), page())
        #expect(try site.send(first.request(0)).code == 2)
        // Chunks are on their way at the same time, in any order.
        for chunk in [1, 0, 2] { #expect(reason(try site.send(second.request(chunk))) == "quota") }
        for chunk in 1..<3 { _ = try site.send(first.request(chunk)) }
        #expect(reason(try site.send(second.request(2))) == "quota", "there is room now, but two chunks were refused")
        #expect(reason(try site.another().send(second.request(1))) == "quota", "it outlasts a restart")
        for chunk in 0..<3 { #expect(try site.send(second.request(chunk)).code == (chunk < 2 ? 2 : 1)) }
    }

    @Test("a page that asks which chunks are there may begin with any")
    func chunkQuestion() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 1, perClient: 1) }
        let (first, second) = (page(), page())
        #expect(try site.send(first.request(0)).code == 2)
        #expect(reason(try site.send(second.request(1))) == "quota")
        for chunk in 1..<3 { _ = try site.send(first.request(chunk)) }
        #expect(try site.send(second.chunksRequest()).code == 2)
        #expect(try site.send(second.request(1)).code == 2)
    }

    @Test("without room a refusal sticks without a row")
    func noRoom() throws {
        let site = try InProcessSite(reserve: .bytes(1 << 60))
        let page = page()
        for chunk in [1, 0, 2, 1] { #expect(reason(try site.send(page.request(chunk))) == "disk-full") }
        #expect(site.service.refusedGuids.count == 1)
        #expect(try site.count("refusal") == 0 && site.count("upload") == 0 && site.count("upload_guid") == 0)
        #expect(try site.metrics()["refused_guids"] == "1")
        #expect(try site.send(page.chunksRequest()).code == 2)
        #expect(site.service.refusedGuids.count == 0)
    }

    @Test("first chunks that are no video leave a bounded number of rows of a client behind, and no upload")
    func noVideos() throws {
        let site = try InProcessSite()
        for number in 0..<Refusal.clientLimit + 10 {
            var bad = page("198.51.100.66", 15_000, chunkSize: 10_000)
            bad.guid = "bad\(number)"
            #expect(
                reason(try site.send(bad.chunkRequest(0, bytes: [UInt8](repeating: 7, count: 10_000)))) == "container")
        }
        #expect(try site.count("upload") == 0 && site.count("upload_guid") == 0)
        #expect(try site.count("refusal") == Refusal.clientLimit)
        #expect(site.incomingFiles().isEmpty)
    }

    @Test("a first chunk that is no video refuses its own guid, not another one's")
    func container() throws {
        let site = try InProcessSite()
        let good = page()
        var bad = good
        bad.guid = PageUpload.newGuid()
        #expect(try site.send(good.request(0)).code == 2)
        let noVideo = [UInt8](repeating: 7, count: 100_000)
        #expect(reason(try site.send(bad.chunkRequest(0, bytes: noVideo))) == "container")
        for chunk in 1..<3 { #expect(reason(try site.send(bad.request(chunk))) == "container") }
        #expect(try site.send(good.request(1)).code == 2)
        // The only alias takes its upload along.
        #expect(reason(try site.send(good.chunkRequest(0, bytes: noVideo))) == "container")
        #expect(site.incomingFiles().isEmpty)
        #expect(reason(try site.send(good.request(2))) == "container")
        for chunk in 0..<3 { #expect(try site.send(good.request(chunk)).code == (chunk < 2 ? 2 : 1)) }
    }

    @Test("content with another md5 refuses every later chunk with the same reason")
    func md5() throws {
        let site = try InProcessSite()
        var wrong = page()
        wrong.md5 = md5Hex([1])
        for chunk in 0..<2 { #expect(try site.send(wrong.request(chunk)).code == 2) }
        for chunk in [2, 1, 2] { #expect(reason(try site.send(wrong.request(chunk))) == "md5") }
        #expect(try site.send(wrong.request(0)).code == 2)
    }

    @Test("chunks of an upload that is known are not looked up among the refusals")
    func noLookup() throws {
        let site = try InProcessSite()
        let page = page("192.0.2.1", 1_000_000, chunkSize: 100_000)
        #expect(try site.send(page.request(0)).code == 2)
        let before = site.refusalLookups.count
        #expect(before > 0)
        for chunk in 1..<9 { #expect(try site.send(page.request(chunk)).code == 2) }
        #expect(site.refusalLookups.count == before)
    }

    @Test("a client records 5,000 videos at once and then one every 10 s, copies and new ones together")
    func records() throws {
        let site = try InProcessSite()
        var video = page()
        for chunk in 0..<3 { _ = try site.send(video.request(chunk)) }
        let permit = site.service.recordRate.permit(for: Client(owner: "", address: "192.0.2.1"))
        for _ in 0..<4998 { permit.use() }
        func copy(_ name: String) throws -> ReceivedReply {
            try site.send(video.determineRequest([("file_name", name)]))
        }
        #expect(try copy("a").code == 1)
        for _ in 0..<3 { #expect(reason(try copy("b")) == "quota") }
        #expect(try copy("a").code == 1, "it is there")
        #expect(reason(try site.send(page().request(0))) == "quota")
        #expect(try site.send(page("192.0.2.2").request(0)).code == 2)
        video.address = "192.0.2.2"
        #expect(try copy("c").code == 1)
        video.address = "192.0.2.1"
        site.clock.advance(by: 10)
        #expect(try copy("b").code == 1)
        #expect(reason(try copy("d")) == "quota")
        #expect(try site.recordCount() == 4)
    }

    @Test("buckets are bounded in number; the emptiest are remembered")
    func buckets() {
        let rate = RecordRate(ticker: .system, limit: 100)
        let attacker = rate.permit(for: Client(owner: "attacker", address: ""))
        for _ in 0..<5000 { attacker.use() }
        for number in 0..<1000 { rate.permit(for: Client(owner: "\(number)", address: "")).use() }
        #expect(rate.count <= 100)
        #expect(!attacker.isGiven())
    }

    @Test("guids without end for one upload leave 64 aliases")
    func aliases() throws {
        let site = try InProcessSite()
        var page = page()
        for number in 0..<100 {
            page.guid = "g\(number)"
            #expect(try site.send(page.request(0)).code == 2)
        }
        #expect(try site.count("upload_guid") == 64)
        for chunk in 1..<3 { #expect(try site.send(page.request(chunk)).code == (chunk < 2 ? 2 : 1)) }
    }
}

/// Refusals that no row is kept of.
@Suite struct RefusedGuidTests {
    @Test("they are bounded: a client loses its oldest, and the client with the most when there are too many in all")
    func bounds() {
        let guids = RefusedGuids(limit: 20, clientLimit: 10)
        func add(_ client: String, _ count: Int) {
            for number in 0..<count {
                guids.add(
                    Refusal(
                        owner: "", md5: "m", guid: "\(client)\(number)", reason: "quota", hasFirst: true,
                        client: Client(owner: client, address: ""), time: 1, isRecorded: false))
            }
        }
        add("a", 15)
        #expect(guids.count == 10)
        for client in ["b", "c", "d"] { add(client, 6) }
        #expect(guids.count == 20)
        guids.expire(before: 1)
        #expect(guids.count == 0)
    }
}

/// A proxy in front of nginx that nginx does not know of.
@Suite struct ProxyWatchTests {
    private func send(_ site: InProcessSite, _ forwardedFor: String?, from address: String) throws -> String? {
        var request = page(address, 5000, chunkSize: 2000).request(0)
        if let forwardedFor { request.headers = [("X-Forwarded-For", forwardedFor)] }
        #expect(try site.send(request).code == 2)
        return try site.catalogueFile.all(
            "SELECT client FROM upload ORDER BY upload_id DESC LIMIT 1", as: String.self
        ).first
    }

    @Test("three different headers from one private address turn its share off, and 10 minutes without on again")
    func proxy() throws {
        let site = try InProcessSite()
        #expect(try send(site, "198.51.100.1", from: "10.0.0.1") == "10.0.0.1")
        #expect(try send(site, "198.51.100.2", from: "10.0.0.1") == "10.0.0.1")
        #expect(try send(site, "198.51.100.3", from: "10.0.0.1") == "")
        #expect(try send(site, nil, from: "10.0.0.1") == "")
        // Nobody else is concerned.
        #expect(try send(site, "198.51.100.3", from: "10.0.0.2") == "10.0.0.2")
        #expect(try send(site, "198.51.100.3", from: "192.0.2.1") == "192.0.2.1")
        let remedy = "set_real_ip_from 10.0.0.1; real_ip_header X-Forwarded-For;"
        #expect(site.log.lines.filter { $0.level == .warning }.map { $0.values["add"] } == [remedy])
        let metrics = try site.metrics()
        #expect(metrics["proxies_without_real_ip"] == "1")
        #expect(metrics[#"proxy_without_real_ip{address="10.0.0.1"}"#] == "1")
        site.clock.advance(by: 600)
        #expect(try send(site, "198.51.100.4", from: "10.0.0.1") == "10.0.0.1")
        #expect(try site.metrics()["proxies_without_real_ip"] == "0")
    }

    @Test("a browser with one made-up header, or a public address with many, turns nothing off")
    func honest() throws {
        let site = try InProcessSite()
        for _ in 0..<20 { #expect(try send(site, "1.2.3.4", from: "192.168.1.7") == "192.168.1.7") }
        for number in 0..<20 { #expect(try send(site, "1.2.3.\(number)", from: "192.0.2.7") == "192.0.2.7") }
        #expect(site.log.lines.isEmpty)
    }

    @Test("the addresses that are remembered are bounded")
    func bounds() {
        let watch = ProxyWatch(ticker: .system, limit: 10)
        for number in 0..<100 {
            for header in ["a", "b", "c"] {
                _ = watch.look(at: "10.0.0.\(number)", forwardedFor: header)
            }
        }
        #expect(watch.addresses.count == 10)
    }
}

extension InProcessSite {
    func count(_ table: String) throws -> Int {
        try catalogueFile.count(table)
    }
}
