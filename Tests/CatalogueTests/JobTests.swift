import Model
import Catalogue
import Foundation
import Testing
import TestSupport

/// The queue: who gets which job, and what a worker's word is worth.
@Suite struct JobTests {
    @Test("every new file has one job, however many videos point to it")
    func oneJobPerFile() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        #expect(video.state == .queued && video.progress == 0 && video.media == nil)
        let same = try fixture.record("b", content: 1)
        let copy = try #require(
            try fixture.catalogue.copy(video, name: "c", classID: nil, guid: nil, now: 2000))
        #expect(same.path == video.path && copy.path == video.path)
        try fixture.record("d", content: 2)
        // Another owner's is another file.
        try fixture.record("e", content: 1, owner: "bob")
        let jobs = try fixture.catalogue.jobs(state: nil, limit: 10)
        #expect(jobs.map(\.path) == ["e", "d", "a"].map(CatalogueFixture.path))
        #expect(jobs.map(\.id) == [3, 2, 1])
        #expect(try fixture.catalogue.job(ofFile: video.path) == jobs.last)
    }

    @Test("without transcoding nothing is queued; a video from then gets its job with the next record of its file")
    func off() throws {
        let fixture = try CatalogueFixture()
        let video = try fixture.record("a", content: 1)
        #expect(video.state == .stored && video.progress == nil)
        #expect(try fixture.catalogue.jobs(state: nil, limit: 10) == [])
        let later = try fixture.another(queuesJobs: true)
        let copy = try later.copy(video, name: "b", classID: nil, guid: nil, now: 3000)
        #expect(copy?.state == .queued)
        #expect(try fixture.catalogue.video(id: video.id)?.state == .queued)
    }

    @Test(
        "a commit that fails leaves neither a record nor a job nor an event", arguments: ["video_info", "job", "event"])
    func allOrNothing(table: String) throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let trigger = "BEFORE INSERT ON \(table) BEGIN SELECT raise(ABORT, 'no'); END"
        try fixture.execute("CREATE TRIGGER refuse \(trigger)")
        #expect(throws: CatalogueError.self) { try fixture.record("a", content: 1) }
        for table in ["video_info", "job", "event"] { #expect(try fixture.count(table) == 0, "\(table)") }
        #expect(try fixture.catalogue.openUploads().count == 1)
        try fixture.execute("DROP TRIGGER refuse")
        try fixture.record("a", content: 1)
        for table in ["video_info", "job", "event"] { #expect(try fixture.count(table) == 1, "\(table)") }
    }

    @Test("jobs are claimed from the oldest to the newest, each once, and not before they are due")
    func order() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        for content in 1...3 { try fixture.record("v\(content)", content: content, now: 2000 + Int64(content)) }
        #expect(try fixture.claim(now: 2000) == nil)
        let first = try #require(try fixture.claim("one", now: 2010))
        #expect(first.path == CatalogueFixture.path("v1") && first.state == .running && first.attempts == 1)
        #expect(first.worker == "one" && first.leaseUntil == 2110 && first.progress == 0)
        #expect(try fixture.claim(now: 2010)?.path == CatalogueFixture.path("v2"))
        // One that has failed is older, and waits.
        #expect(try fixture.catalogue.failJob(first, error: "x", isFinal: false, now: 2010) == .queued)
        #expect(try fixture.claim(now: 2010)?.path == CatalogueFixture.path("v3"))
        #expect(try fixture.claim(now: 2069) == nil)
        #expect(try fixture.claim(now: 2070)?.path == CatalogueFixture.path("v1"))
    }

    @Test("workers that claim at the same time, in two processes, get each job once")
    func atOnce() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        for content in 1...200 { try fixture.record("v\(content)", content: content) }
        let catalogues = [fixture.catalogue, try fixture.another()]
        let claimed: Locked<[Int64]> = Locked([])
        let done = DispatchGroup()
        for thread in 0..<4 {
            done.enter()
            Thread.detachNewThread {
                while let job = try? catalogues[thread % 2].claimJob(worker: "\(thread)", lease: 100, now: 2000) {
                    claimed.withLock { $0.append(job.id) }
                }
                done.leave()
            }
        }
        done.wait()
        #expect(claimed.withLock(\.count) == 200)
        #expect(Set(claimed.withLock(\.self)).count == 200)
        #expect(try fixture.catalogue.jobs(state: .running, limit: 1000).allSatisfy { $0.attempts == 1 })
    }

    @Test("a lease that has ended gives the job to another worker, and the first one's word counts no more")
    func leaseEnds() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        let lost = try #require(try fixture.claim("same name", now: 2000))
        #expect(try fixture.catalogue.heartbeat(lost, lease: 100, progress: 0.5, standsStill: false, now: 2050))
        #expect(try fixture.catalogue.job(id: lost.id)?.progress == 0.5)
        #expect(try fixture.claim(now: 2149) == nil)
        let job = try #require(try fixture.claim("same name", now: 2150))
        #expect(job.id == lost.id && job.attempts == 1 && job.deaths == 1 && job.progress == 0)
        #expect(try !fixture.catalogue.heartbeat(lost, lease: 100, progress: 0.9, standsStill: false, now: 2151))
        #expect(try fixture.catalogue.failJob(lost, error: "x", isFinal: true, now: 2151) == nil)
        #expect(try fixture.catalogue.finishJob(lost, media: MediaFacts(), duration: nil, now: 2151) == nil)
        #expect(try !fixture.catalogue.releaseJob(lost, now: 2151))
        #expect(try fixture.catalogue.job(id: job.id) == job)
        #expect(try fixture.count("media") == 0)
    }

    @Test("a worker that is late has its job still if nobody else has claimed it")
    func late() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim(now: 2000))
        #expect(try fixture.catalogue.heartbeat(job, lease: 100, progress: 2, standsStill: false, now: 5000))
        #expect(try fixture.catalogue.job(id: job.id)?.progress == 1)
        #expect(try fixture.claim(now: 5099) == nil)
    }

    @Test(
        "a job whose worker dies is no nearer to its end, but after 20 deaths it has failed and the next one is handed out"
    )
    func workerDied() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        for deaths in 0..<20 {
            let job = try #require(try fixture.claim(now: 2000 + 100 * Int64(deaths)))
            #expect(job.deaths == deaths && job.attempts == 1)
        }
        try fixture.record("b", content: 2)
        #expect(try fixture.claim(now: 4000)?.path == CatalogueFixture.path("b"))
        let job = try #require(try fixture.catalogue.job(ofFile: video.path))
        #expect(job.state == .failed && job.errorCode == "worker_died" && job.worker == nil)
        #expect(try fixture.catalogue.video(id: video.id)?.state == .failed)
    }

    @Test("a failure is tried again after 1 minute, then after 5, then it is final; by hand all of it begins again")
    func failures() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        func fail(_ now: Int64) throws -> Job.State? {
            try fixture.catalogue.failJob(
                try #require(try fixture.claim(now: now)), error: "busy\n\(now)", isFinal: false, now: now)
        }
        for round: Int64 in [10_000, 20_000] {
            #expect(try fail(round) == .queued)
            #expect(try fixture.claim(now: round + 59) == nil)
            #expect(try fail(round + 60) == .queued)
            #expect(try fixture.claim(now: round + 359) == nil)
            #expect(try fail(round + 360) == .failed)
            let job = try #require(try fixture.catalogue.jobs(state: .failed, limit: 1).first)
            #expect(job.error == "busy\n\(round + 360)" && job.errorCode == "busy" && job.attempts == 3)
            #expect(try fixture.claim(now: round + 9000) == nil)
            #expect(try fixture.catalogue.retryJob(id: job.id, now: round + 9000))
        }
        let job = try #require(try fixture.claim(now: 30_000))
        #expect(job.error == nil && job.attempts == 1)
        #expect(try fixture.catalogue.failJob(job, error: "unsupported", isFinal: true, now: 30_000) == .failed)
    }

    @Test("a job that is given back counts no attempt and may be claimed at once")
    func release() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        for _ in 0..<10 {
            let job = try #require(try fixture.claim())
            #expect(job.attempts == 1)
            #expect(try fixture.catalogue.releaseJob(job, now: 2000))
        }
    }

    @Test("a cancelled job is its worker's no more")
    func cancel() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim())
        #expect(try fixture.catalogue.cancelJob(id: job.id, now: 2000))
        #expect(try !fixture.catalogue.heartbeat(job, lease: 100, progress: 0.5, standsStill: false, now: 2001))
        #expect(try fixture.catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: 2001) == nil)
        #expect(try fixture.catalogue.job(id: job.id)?.errorCode == "cancelled")
        #expect(try fixture.claim(now: 9000) == nil)
        #expect(try fixture.catalogue.retryJob(id: job.id, now: 9000))
        // Its worker has not noticed yet.
        #expect(try fixture.claim(now: 9000)?.attempts == 1)
        #expect(try !fixture.catalogue.heartbeat(job, lease: 100, progress: 0.5, standsStill: false, now: 9001))
    }

    /// What each command does to a job in each state: the state afterwards, or `nil` for a refusal that changes nothing.
    static let commands: [(state: Job.State, retry: Job.State?, cancel: Job.State?)] = [
        (.queued, nil, .failed), (.running, nil, .failed), (.done, .queued, nil), (.failed, .queued, nil),
    ]

    @Test("commands change a job only in a state in which they make sense", arguments: commands)
    func commandTable(state: Job.State, retry: Job.State?, cancel: Job.State?) throws {
        func job() throws -> (CatalogueFixture, Int64) {
            let fixture = try CatalogueFixture(queuesJobs: true)
            try fixture.record("a", content: 1)
            if state == .queued { return (fixture, 1) }
            let job = try #require(try fixture.claim())
            if state == .done {
                _ = try fixture.catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: 2000)
            }
            if state == .failed { _ = try fixture.catalogue.failJob(job, error: "x", isFinal: true, now: 2000) }
            return (fixture, job.id)
        }
        let (first, second) = (try job(), try job())
        #expect(try first.0.catalogue.retryJob(id: first.1, now: 2000) == (retry != nil))
        #expect(try first.0.catalogue.job(id: first.1)?.state == retry ?? state)
        #expect(try second.0.catalogue.cancelJob(id: second.1, now: 2000) == (cancel != nil))
        #expect(try second.0.catalogue.job(id: second.1)?.state == cancel ?? state)
        #expect(try !second.0.catalogue.cancelJob(id: 99, now: 2000))
        #expect(try !second.0.catalogue.retryJob(id: 99, now: 2000))
    }

    @Test(
        "an error that is too long loses its middle, and no character is cut in two", arguments: ["x", "é", "视", "🎬"])
    func longError(character: String) throws {
        for length in 4071...4078 {
            let fixture = try CatalogueFixture(queuesJobs: true)
            try fixture.record("a", content: 1)
            let text = "ffmpeg\n" + String(repeating: character, count: length) + "\nthe last line"
            let job = try #require(try fixture.claim())
            _ = try fixture.catalogue.failJob(job, error: text, isFinal: true, now: 2000)
            let error = try #require(try fixture.catalogue.job(id: job.id)?.error)
            #expect(error.utf8.count <= 4096 && error.utf8.count > min(text.utf8.count, 4096) - 4)
            #expect(error.hasPrefix("ffmpeg\n") && error.hasSuffix("\nthe last line") && !error.contains("\u{FFFD}"))
        }
    }

    @Test("videos from before transcoding was on are queued by hand, each file once, in the order of their numbers")
    func add() throws {
        let fixture = try CatalogueFixture()
        let videos = try [("a", 1), ("b", 2), ("c", 2), ("d", 3)].map { try fixture.record($0.0, content: $0.1) }
        #expect(videos[1].path == videos[2].path)
        #expect(try fixture.catalogue.queueJobs(video: videos[2].id, now: 3000) == 1)
        #expect(try fixture.catalogue.queueJobs(video: 99, now: 3000) == 0)
        #expect(try fixture.catalogue.queueJobs(video: nil, now: 3000) == 2)
        #expect(try fixture.catalogue.queueJobs(video: nil, now: 3000) == 0)
        let paths = try fixture.catalogue.jobs(state: .queued, limit: 9).map(\.path)
        #expect(paths == [videos[3].path, videos[0].path, videos[1].path])
    }
}
