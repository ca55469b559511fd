import SQLiteCatalogue
import ChunkStore
import Foundation
import Intake
import Testing
import Model
import TestSupport
import Model

extension InProcessSite {
    /// What /metrics says: each line but the comments, without `video_intake_`.
    func metrics() throws -> [String: String] {
        let reply = try send(SentRequest(method: "GET", "/metrics"))
        #expect(reply.status == 200 && reply.headers["content-type"] == "text/plain; version=0.0.4")
        let lines = String(decoding: reply.body, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.allSatisfy { $0.hasPrefix("video_intake_") })
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let end = line.lastIndex(of: " ")!
                return (String(line[..<end].dropFirst("video_intake_".count)), String(line[end...].dropFirst()))
            })
    }

    fileprivate func ready() throws -> ReceivedReply { try send(SentRequest(method: "GET", "/healthz?ready")) }
}

@Suite struct MonitoringTests {
    private static func page(owner: String? = nil) -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        page.owner = owner
        return page
    }

    @Test(
        "requests are counted by action, code and reason, and their bytes and times",
        arguments: InProcessSite.BodyMode.allCases)
    func requests(mode: InProcessSite.BodyMode) throws {
        let site = try InProcessSite(mode: mode)
        let before = try site.metrics()
        #expect(before[#"requests_total{action="upload_file",code="2",reason=""}"#] == "0")
        #expect(before[#"requests_total{action="upload_file",code="-3",reason="md5"}"#] == "0")
        #expect(before[#"requests_total{action="upload_file",code="-4",reason="login"}"#] == nil)
        #expect(before["chunk_seconds_count"] == "0" && before["completion_seconds_count"] == "0")

        let page = Self.page()
        var bytes = 0
        for chunk in 0..<3 {
            bytes += page.request(chunk).body.count
            _ = try site.send(page.request(chunk))
        }
        _ = try site.send(page.request(0))
        bytes += page.request(0).body.count
        _ = try site.send(SentRequest("/service/upload/nothing"))
        _ = try site.send(SentRequest(method: "GET", "/service/upload/upload_file"))
        _ = try site.send(SentRequest(method: "GET", "/play/?video_id=99"))
        let after = try site.metrics()
        #expect(after[#"requests_total{action="upload_file",code="2",reason=""}"#] == "2")
        #expect(after[#"requests_total{action="upload_file",code="1",reason=""}"#] == "2")
        #expect(after[#"requests_total{action="upload_file",code="-1",reason="method"}"#] == "1")
        #expect(after[#"requests_total{action="other",code="-1",reason="unknown-action"}"#] == "1")
        #expect(after[#"requests_total{action="play",code="-1",reason="no-such-video"}"#] == "1")
        #expect(after[#"requests_total{action="metrics",code="1",reason=""}"#] == "1")
        #expect(after["received_body_bytes_total"] == "\(bytes)")
        #expect(after["chunk_seconds_count"] == "2" && after["completion_seconds_count"] == "2")
        #expect(after[#"chunk_seconds_bucket{le="120.0"}"#] == "2" && after[#"chunk_seconds_bucket{le="+Inf"}"#] == "2")
        let sum = try #require(Double(after["completion_seconds_sum"] ?? ""))
        #expect(sum > 0 && sum < 60)
    }

    @Test("uploads, jobs, workers, events and the last check are as the catalogue has them")
    func gauges() throws {
        let site = try InProcessSite {
            $0.queuesTranscoding = true
            $0.webhookURL = "http://127.0.0.1:1/"
        }
        var metrics = try site.metrics()
        for (name, value) in [
            ("open_uploads", "0"), ("upload_received_bytes", "0"), ("upload_promised_bytes", "0"),
            (#"jobs{state="queued"}"#, "0"), (#"jobs{state="failed"}"#, "0"), ("oldest_queued_job_age_seconds", "0"),
            ("events_pending", "0"), ("oldest_pending_event_age_seconds", "0"), ("events_given_up_total", "0"),
            ("check_timestamp_seconds", "0"), ("check_findings", "0"), ("sync_failures_total", "0"),
            ("lost_files_total", "0"), ("memory_limit_bytes", "\(ResourceLimits().memory)"),
            ("open_files_limit", "\(ResourceLimits().openUploads)"),
            (#"probes{state="running"}"#, "0"), (#"probes{state="waiting"}"#, "0"),
            ("queued_job_clients", "0"), ("jobs_over_budget_total", "0"),
        ] { #expect(metrics[name] == value, "\(name)") }
        #expect(metrics[#"build_info{version="test",schema="\#(SQLiteCatalogue.schemaVersion)"}"#] == "1")

        let (first, second) = (Self.page(), Self.page())
        for chunk in [0, 2] { _ = try site.send(first.request(chunk)) }
        _ = try site.send(second.request(1))
        _ = try site.send(PageUpload(content: videoBytes(2000)).request())
        let now = site.clock.now
        try site.catalogue.noteWorker("host:1 \"a\"", WorkerCapacity(slots: 3, memory: 5000), now: now)
        try site.catalogue.noteCheck(findings: 3, now: now)
        site.clock.advance(by: 100)
        metrics = try site.metrics()
        #expect(metrics["open_uploads"] == "2")
        #expect(metrics["upload_received_bytes"] == "299999")
        #expect(metrics["upload_promised_bytes"] == "299999")
        #expect(metrics[#"jobs{state="queued"}"#] == "1" && metrics["events_pending"] == "1")
        for name in ["oldest_queued_job_age_seconds", "oldest_pending_event_age_seconds"] {
            let age = try #require(Int(metrics[name] ?? ""))
            #expect((100...160).contains(age), "\(name)")
        }
        #expect(metrics[#"worker_heartbeat_timestamp_seconds{worker="host:1 \"a\""}"#] == "\(now)")
        #expect(metrics[#"worker_slots{worker="host:1 \"a\""}"#] == "3")
        #expect(metrics["queued_job_clients"] == "1")
        #expect(metrics["check_timestamp_seconds"] == "\(now)" && metrics["check_findings"] == "3")
        let started = try #require(Int64(metrics["start_time_seconds"] ?? ""))
        #expect(started <= now && started > now - 600)
    }

    @Test("a file that is lost counts once, however often it is asked for")
    func lostFiles() throws {
        let site = try InProcessSite()
        let page = PageUpload(content: videoBytes(2000))
        let path = try #require(try site.send(page.request()).path)
        try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent(path))
        for _ in 0..<3 { #expect(try site.send(page.determineRequest()).code == 2) }
        #expect(try site.metrics()["lost_files_total"] == "1")
        #expect(site.log.lines.count { $0.message.contains("lost") } == 1)
    }

    @Test("what the caches find is counted")
    func caches() throws {
        let site = try InProcessSite()
        let page = PageUpload(content: videoBytes(2000))
        _ = try site.send(page.request())
        for _ in 0..<3 { _ = try site.send(page.determineRequest()) }
        let metrics = try site.metrics()
        #expect(metrics[#"cache_loads_total{cache="videos"}"#] == "1")
        #expect(Int(metrics[#"cache_hits_total{cache="videos"}"#] ?? "") ?? 0 >= 2)
        #expect(metrics[#"cache_misses_total{cache="uploads"}"#] != nil)
    }

    @Test("metrics come without what a broken catalogue cannot tell")
    func brokenCatalogue() throws {
        let site = try InProcessSite()
        try site.catalogueFile.run("ALTER TABLE fact RENAME TO gone")
        let metrics = try site.metrics()
        #expect(metrics["open_uploads"] == nil && metrics["start_time_seconds"] != nil)
        #expect(site.log.lines.contains { $0.level == .error })
    }

    @Test("a scrape with a thousand open uploads is cheap")
    func cheap() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 2000, perClient: 2000) }
        let now = site.clock.now
        try site.catalogueFile.run(
            (1...1000).map { number in
                (
                    """
                    INSERT INTO upload (owner, md5, size, chunks, state, video_id, chunk_size, received, received_bytes,
                        create_time, update_time)
                    VALUES ('', ?, 2000000000, 954, 'open', ?, 2097152, 500, 1048576000, ?, ?)
                    """, [md5Hex(Array("\(number)".utf8)), number, now, now]
                )
            })
        // And a year of videos, of which there is not much to count.
        try site.catalogueFile.run(
            """
            WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
            INSERT INTO job (path, state, not_before, create_time, update_time)
            SELECT 'upload/mp4/2026/11/original/' || n || '.mp4', 'done', 0, 0, 0 FROM number
            """)
        #expect(try site.metrics()["open_uploads"] == "1000")
        #expect(try site.metrics()["upload_received_bytes"] == "\(1000 * 500 * 2_097_152)")
        let times = try (0..<20).map { _ in
            let started = ContinuousClock.now
            _ = try site.metrics()
            return ContinuousClock.now - started
        }
        // The promise is 10 ms; other tests may be using the processors.
        let best = times.min()!
        print("a scrape with 1,000 open uploads: \(best)")
        #expect(best < .milliseconds(100))
    }

    @Test("ready while uploads can be taken")
    func ready() throws {
        let site = try InProcessSite()
        let reply = try site.ready()
        #expect(reply.status == 200 && reply.code == 1)
        #expect(reply.data?["ready"] as? Bool == true && reply.data?["reason"] as? String == "ok")
        #expect(reply.headers["x-intake-reason"] == nil)
        site.service.beginStopping()
        try expectNotReady(site, "stopping")
        // What it always said.
        let plain = try site.send(SentRequest(method: "GET", "/healthz"))
        #expect(plain.status == 200 && plain.json?["data"] is NSNull)
    }

    private func expectNotReady(_ site: InProcessSite, _ reason: String) throws {
        let reply = try site.ready()
        #expect(reply.status == 503 && reply.code == -2)
        #expect(reply.data?["ready"] as? Bool == false && reply.data?["reason"] as? String == reason)
        #expect(reply.headers["x-intake-code"] == "-2")
        #expect(reply.headers["x-intake-reason"] == (reason == "disk-full" ? reason : "unavailable"))
        let head = try site.send(SentRequest(method: "HEAD", "/healthz?ready"))
        #expect(head.status == 503)
    }

    @Test("not ready when a new upload would be refused for want of room")
    func diskFull() throws {
        let site = try InProcessSite(reserve: .bytes(1 << 50))
        try expectNotReady(site, "disk-full")
        let room = try #require(Int(try site.metrics()[#"free_bytes_above_reserve{file_system="data"}"#] ?? ""))
        #expect(room < 0)
        #expect(try site.metrics()[#"free_bytes_above_reserve{file_system="body"}"#] == nil)
    }

    @Test("not ready when the catalogue cannot be written")
    func catalogue() throws {
        let site = try InProcessSite()
        try site.catalogueFile.run(
            "CREATE TRIGGER broken BEFORE UPDATE ON id_sequence BEGIN SELECT raise(ABORT, 'broken'); END")
        try expectNotReady(site, "catalogue")
    }

    @Test("however many ask whether it is ready, the catalogue is written once a second")
    func askedOften() throws {
        let site = try InProcessSite()
        let before = site.trials.count
        for count in 1...2 {
            for _ in 0..<500 { #expect(try site.ready().status == 200) }
            #expect(site.trials.count == before + count)
            site.clock.advance(by: 1)
        }
        // While one who asks waits for the catalogue, others are answered: as before, and then that it cannot be written.
        try site.catalogueFile.whileLocked { unlock in
            let waiting = try site.exchange(SentRequest(method: "GET", "/healthz?ready"))
            let service = site.service
            Thread.detachNewThread { service.handle(waiting) }
            usleep(300_000)
            #expect(waiting.reply == nil)
            #expect(try site.ready().status == 200)
            site.clock.advance(by: 5)
            try expectNotReady(site, "catalogue")
            try unlock()
            #expect(try waiting.wait().status == 200)
        }
        #expect(try site.ready().status == 200)
    }
}
