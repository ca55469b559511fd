import Model
import Foundation
import TestSupport
import Testing

/// Whose job is next.
@Suite struct FairQueueTests {
    /// A queue with jobs that are named by their numbers.
    private final class Queue {
        let fixture: CatalogueFixture
        var now: Int64 = 1_000_000
        private var count = 0

        init() throws { fixture = try CatalogueFixture(queuesJobs: true) }

        /// Queues a job. Returns its number.
        @discardableResult
        func add(_ client: String, size: Int = 100) throws -> Int64 {
            count += 1
            let video = try fixture.record("v\(count)", content: count, now: now)
            let job = try #require(try fixture.catalogue.job(ofFile: video.path))
            try fixture.execute("UPDATE job SET client = '\(client)', size = \(size) WHERE job_id = \(job.id)")
            return job.id
        }

        func claim(_ lane: Job.Lane = .any) throws -> Job? {
            try fixture.catalogue.claimJob(worker: "w", lane: lane, lease: 60, now: now) { _ in true }
        }

        /// Lets a job run for so long, and be done.
        func run(_ job: Job, seconds: Int64) throws {
            for _ in stride(from: 0, to: seconds, by: 2) {
                now += 2
                #expect(try fixture.catalogue.heartbeat(job, lease: 60, progress: 0, standsStill: false, now: now))
            }
            _ = try fixture.catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: now)
        }

        func client(of job: Job) throws -> String {
            try fixture.text("SELECT client FROM job WHERE job_id = \(job.id)")
        }

        /// Claims and does the next job. Returns whose it was.
        func doNext(seconds: Int64) throws -> String? {
            guard let job = try claim() else { return nil }
            let client = try client(of: job)
            try run(job, seconds: seconds)
            return client
        }
    }

    @Test("who comes with one job does not wait for the many of another client")
    func turns() throws {
        let queue = try Queue()
        for _ in 0..<20 { try queue.add("many") }
        try queue.add("one")
        try queue.add("two")
        let order = try (0..<5).map { _ in try queue.doNext(seconds: 100) }
        #expect(order == ["many", "one", "two", "many", "many"])
    }

    @Test("clients with many jobs each get equal time, whatever their jobs take")
    func shares() throws {
        let queue = try Queue()
        for _ in 0..<200 {
            try queue.add("long")
            try queue.add("short")
        }
        var seconds: [String: Int64] = [:]
        for _ in 0..<100 {
            guard let job = try queue.claim() else { break }
            let client = try queue.client(of: job)
            let time: Int64 = client == "long" ? 300 : 30
            try queue.run(job, seconds: time)
            seconds[client, default: 0] += time
        }
        let ratio = Double(seconds["long"] ?? 0) / Double(seconds["short"] ?? 1)
        #expect((0.7...1.5).contains(ratio), "\(seconds)")
    }

    @Test("a client whose job runs is behind one that has none, before any time is counted")
    func running() throws {
        let queue = try Queue()
        for _ in 0..<3 { try queue.add("many") }
        try queue.add("one")
        let clients = try (0..<2).map { _ in try queue.client(of: #require(try queue.claim())) }
        #expect(clients == ["many", "one"])
    }

    @Test("of one client the shortest file is first, but one that has waited for 6 h is before it")
    func shortest() throws {
        let queue = try Queue()
        let large = try queue.add("a", size: 1000)
        let small = try queue.add("a", size: 10)
        let middle = try queue.add("a", size: 100)
        #expect(try queue.claim()?.id == small)
        try queue.fixture.execute("UPDATE job SET create_time = create_time - 21601 WHERE job_id = \(large)")
        #expect(try queue.claim()?.id == large)
        #expect(try queue.claim()?.id == middle)
    }

    @Test("a job that waits while clients come without end has its turn when its client's use is forgotten")
    func noStarvation() throws {
        let queue = try Queue()
        // It has had the workers for an hour.
        for _ in 0..<2 { try queue.add("a") }
        #expect(try queue.doNext(seconds: 3600) == "a")
        let start = queue.now
        for number in 0..<2000 {
            try queue.add("new\(number)")
            try queue.add("newer\(number)")
            if try queue.doNext(seconds: 60) == "a" {
                // Ten steps of forgetting by half are less than ten seconds of 3600.
                #expect(queue.now - start < 10 * 3600)
                return
            }
        }
        Issue.record("it never had its turn")
    }

    @Test("the lane of short jobs takes none that is large, known to be long, or was found to be")
    func shortLane() throws {
        let queue = try Queue()
        try queue.add("a", size: 300 << 20)
        let found = try queue.add("a")
        let known = try queue.add("a")
        try queue.fixture.execute(
            "UPDATE video_info SET duration = 61 WHERE path = (SELECT path FROM job WHERE job_id = \(known))")
        let job = try #require(
            try queue.fixture.catalogue.claimJob(worker: "w", lane: .short, lease: 60, now: queue.now) { _ in true })
        #expect(job.id == found)
        #expect(try queue.fixture.catalogue.releaseJob(job, isLong: true, now: queue.now))
        #expect(try queue.claim(.short) == nil)
        #expect(try queue.fixture.catalogue.job(id: found)?.attempts == 0)
        let short = try queue.add("b")
        #expect(try queue.claim(.short)?.id == short)
        #expect(try Set((0..<3).map { _ in try queue.claim()?.id }).count == 3)
    }

    @Test("a job in a lane is waited for by a client that has used less, not by its own or by one that has used more")
    func waiting() throws {
        let queue = try Queue()
        try queue.add("greedy")
        #expect(try queue.doNext(seconds: 200) == "greedy")
        try queue.add("a")
        let job = try #require(try queue.claim(.short))
        for _ in 0..<30 {
            queue.now += 2
            _ = try queue.fixture.catalogue.heartbeat(job, lease: 60, progress: 0, standsStill: false, now: queue.now)
        }
        func isWaitedFor(_ lane: Job.Lane = .short) throws -> Bool {
            try queue.fixture.catalogue.hasWaiting(lane, before: job, now: queue.now)
        }
        try queue.add("a")
        try queue.add("greedy")
        #expect(try !isWaitedFor())
        let large = try queue.add("b", size: 300 << 20)
        // It is not for this lane.
        #expect(try !isWaitedFor() && isWaitedFor(.any))
        try queue.fixture.execute("UPDATE job SET size = 1, not_before = \(queue.now + 60) WHERE job_id = \(large)")
        #expect(try !isWaitedFor())
        queue.now += 60
        #expect(try isWaitedFor())
    }

    @Test("a turn is for a client none of whose jobs runs")
    func turnLane() throws {
        let queue = try Queue()
        for _ in 0..<3 { try queue.add("a") }
        let running = try #require(try queue.claim())
        #expect(try queue.claim(.turn) == nil)
        let other = try queue.add("b")
        #expect(try queue.claim(.turn)?.id == other)
        // It takes nothing from a worker either.
        queue.now += 3600
        #expect(try queue.claim(.turn) == nil)
        #expect(try queue.claim()?.id == running.id)
    }

    @Test("a job is its upload's client's, or its owner's, until it ends; then no address is left of it")
    func client() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let upload = try fixture.begin()
        try fixture.execute("UPDATE upload SET client = '192.0.2.7'")
        let video = try #require(try fixture.seal(upload.id))
        #expect(try fixture.text("SELECT client || ' ' || size FROM job") == "192.0.2.7 100")
        let job = try #require(try fixture.claim(now: 3000))
        #expect(try fixture.catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: 3010) != nil)
        #expect(try fixture.text("SELECT client FROM job") == "")
        // Of what was used it is forgotten when it does not count any more.
        #expect(try fixture.text("SELECT client || ' ' || seconds FROM client_use") == "192.0.2.7 10.0")
        try fixture.record("a", content: 1, owner: "Anna", now: 3010 + 13 * 3600)
        #expect(try fixture.text("SELECT client FROM job WHERE state = 'queued'") == "owner:Anna")
        let other = try #require(try fixture.claim(now: 3010 + 13 * 3600))
        #expect(try fixture.catalogue.failJob(other, error: "x", isFinal: true, now: 3030 + 13 * 3600) == .failed)
        #expect(try fixture.text("SELECT group_concat(client) FROM client_use") == "owner:Anna")
        #expect(try fixture.text("SELECT count(*) FROM job WHERE client <> ''") == "0")
        // By hand.
        try fixture.execute("DELETE FROM job")
        #expect(try fixture.catalogue.queueJobs(video: nil, now: 60_000) == 2)
        #expect(try fixture.text("SELECT client || ' ' || size FROM job WHERE client <> ''") == "owner:Anna 100")
        _ = video
    }

    @Test("what clients have used has a row for each of the last thousand at most")
    func bounded() throws {
        let queue = try Queue()
        try queue.fixture.execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO client_use SELECT 'client' || i, 100, \(queue.now) - i FROM n
            """)
        try queue.add("new")
        #expect(try queue.doNext(seconds: 2) == "new")
        #expect(try queue.fixture.count("client_use") == 1000)
        #expect(try queue.fixture.text("SELECT seconds FROM client_use WHERE client = 'new'") == "2.0")
    }

    @Test("the time in which a job stands still is not its client's")
    func standingStill() throws {
        let queue = try Queue()
        try queue.add("a")
        let job = try #require(try queue.claim())
        for (seconds, standsStill) in [(4, false), (20, true), (20, true), (6, false)] as [(Int64, Bool)] {
            queue.now += seconds
            #expect(
                try queue.fixture.catalogue.heartbeat(
                    job, lease: 60, progress: 0, standsStill: standsStill, now: queue.now))
        }
        #expect(try abs(Double(queue.fixture.text("SELECT seconds FROM client_use"))! - 10) < 0.5)
    }

    @Test("a clock that jumps ahead charges a client no more than a minute")
    func jump() throws {
        let queue = try Queue()
        try queue.add("a")
        let job = try #require(try queue.claim())
        for now in [queue.now + 365 * day, queue.now, queue.now + 2] {
            #expect(try queue.fixture.catalogue.heartbeat(job, lease: 60, progress: 0, standsStill: false, now: now))
        }
        #expect(try Double(queue.fixture.text("SELECT max(seconds) FROM client_use")) ?? 999 <= 62)
        // What was written ahead does not keep the client waiting for a year.
        try queue.fixture.execute("UPDATE client_use SET seconds = 5000, time = \(queue.now + 365 * day)")
        try queue.add("a")
        try queue.add("b")
        try queue.fixture.execute(
            "UPDATE job SET state = 'failed', worker = NULL, lease_until = NULL WHERE state = 'running'")
        #expect(try queue.doNext(seconds: 2) == "a")
    }
}

/// Waits, and clocks that were ahead.
@Suite struct JobClockTests {
    @Test("what waits for longer than anything waits is due: the clock was ahead when it was written")
    func ahead() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let (now, ahead) = (Int64(1_000_000), 1_000_000 + 365 * day)
        try fixture.record("a", content: 1, now: ahead)
        // Queued ahead, failed ahead, running ahead.
        var job = try #require(try fixture.claim(now: now))
        try fixture.execute("UPDATE job SET update_time = \(ahead)")
        #expect(try fixture.catalogue.failJob(job, error: "x", isFinal: false, now: ahead) == .queued)
        job = try #require(try fixture.claim(now: now))
        #expect(try fixture.catalogue.heartbeat(job, lease: 60, progress: 0, standsStill: false, now: ahead))
        job = try #require(try fixture.claim(now: now))
        #expect(job.deaths == 1)
        // What is no further away waits.
        #expect(try fixture.catalogue.failJob(job, error: "x", isFinal: false, now: now) == .queued)
        #expect(try fixture.claim(now: now + 59) == nil)
    }

    @Test("a running job is taken from its worker only when that is silent")
    func silent() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim(now: 2000))
        func claim(isSilent: Bool) throws -> Job? {
            try fixture.catalogue.claimJob(worker: "b", lane: .any, lease: 60, now: 9000) {
                #expect($0.id == job.id)
                return isSilent
            }
        }
        #expect(try claim(isSilent: false) == nil)
        #expect(try fixture.catalogue.job(id: job.id)?.claims == 1)
        #expect(try claim(isSilent: true)?.deaths == 1)
    }

    @Test("a job without room is tried again, later each time, and has failed after a day; no attempt is lost")
    func noRoom() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        var (now, delays): (Int64, [Int64]) = (2000, [])
        while delays.count < 100 {
            let job = try #require(try fixture.claim(now: now))
            #expect(job.attempts == 1)
            guard try fixture.catalogue.postponeJob(job, error: "noSpace\nfull", now: now) == .queued else { break }
            let delay = try #require(try fixture.catalogue.job(id: job.id)).notBefore - now
            #expect(try fixture.claim(now: now + delay - 1) == nil)
            delays.append(delay)
            now += delay
        }
        #expect(delays.prefix(8) == [60, 120, 240, 480, 960, 1920, 3600, 3600])
        #expect((20 * 3600...28 * 3600).contains(delays.reduce(0, +)), "\(delays.reduce(0, +))")
        let job = try #require(try fixture.catalogue.jobs(state: .failed, limit: 1).first)
        #expect(job.error == "noSpace\nfull")
        #expect(try fixture.catalogue.retryJob(id: job.id, now: now))
        let again = try #require(try fixture.claim(now: now))
        #expect(try fixture.catalogue.postponeJob(again, error: "noSpace", now: now) == .queued)
        #expect(try fixture.catalogue.postponeJob(again, error: "noSpace", now: now) == nil)
    }

    @Test("refusals of what costs too much are counted")
    func overBudget() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        for (content, isOverBudget) in [(1, true), (2, false), (3, true)] {
            try fixture.record("v\(content)", content: content)
            try fixture.execute("UPDATE job SET client = 'c\(content)' WHERE state = 'queued'")
            #expect(try fixture.catalogue.figures().queuedClients == 1)
            let job = try #require(try fixture.claim(now: 3000))
            _ = try fixture.catalogue.failJob(
                job, error: "unsupported", isFinal: true, isOverBudget: isOverBudget, now: 3000)
        }
        #expect(try fixture.catalogue.figures().jobsOverBudget == 2)
    }

    @Test("a worker whose clock was ahead is not alive for as long")
    func worker() throws {
        let fixture = try CatalogueFixture()
        try fixture.catalogue.noteWorker("a", WorkerCapacity(slots: 3, memory: 5), now: 2000 + 365 * day)
        #expect(try fixture.catalogue.figures().workers.map { $0.isAlive(now: 2000) } == [false])
        try fixture.catalogue.noteWorker("b", WorkerCapacity(slots: 3, memory: 5), now: 2000)
        let worker = WorkerHeartbeat(name: "b", time: 2000, capacity: WorkerCapacity(slots: 3, memory: 5))
        #expect(try fixture.catalogue.figures().workers == [worker])
        #expect(worker.isAlive(now: 2060) && !worker.isAlive(now: 2061) && !worker.isAlive(now: 1939))
    }

    @Test("an event whose next delivery was set with the clock ahead is due when it is back")
    func events() throws {
        let fixture = try CatalogueFixture(writesEvents: true)
        try fixture.record("a", content: 1)
        let event = try #require(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 2000 + 365 * day).first)
        #expect(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 3000).first?.id == event.id)
        #expect(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 3059).isEmpty)
        let again = try #require(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 3060).first)
        try fixture.catalogue.noteDeliveryFailed(again, notBefore: 3060 + 4320)
        #expect(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 3060 + 4319).isEmpty)
        #expect(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 3060 + 4320).count == 1)
    }
}
