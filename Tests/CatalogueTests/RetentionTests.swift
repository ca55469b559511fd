import Catalogue
import Model
import Testing
import TestSupport

/// How long what was made of a file stays when something else has taken its place, and what dead claims leave.
@Suite struct RetentionTests {
    private let fixture: CatalogueFixture
    private var catalogue: Catalogue { fixture.catalogue }

    init() throws { fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true) }

    private static func media(_ job: Job) -> MediaFacts {
        var media = MediaFacts()
        media.directory = StorageLayout.results(of: job)
        media.mp4Path = StorageLayout.results(of: job) + "/video.mp4"
        return media
    }

    /// Does the next job. Returns its claim's directory.
    private func finish(now: Int64, replacing old: [String] = []) throws -> String {
        let job = try #require(try fixture.claim(now: now))
        let media = Self.media(job)
        let videos = try catalogue.finishJob(job, media: media, duration: nil, replacing: old, now: now)
        #expect(videos?.allSatisfy { $0.media == media } == true)
        return StorageLayout.results(of: job)
    }

    /// Does a job that is done again.
    private func finishAgain(now: Int64, replacing old: [String] = []) throws -> String {
        #expect(try catalogue.retryJob(id: 1, now: now))
        return try finish(now: now, replacing: old)
    }

    private func due(_ now: Int64) throws -> [String] { try catalogue.garbage(limit: 9, dueAt: now).map(\.path) }

    private func all() throws -> [String] { try catalogue.garbage(limit: 9).map(\.path) }

    /// Delivers all events but those of some videos.
    private func deliver(but videos: [Int64] = [], now: Int64) throws {
        while case let events = try catalogue.claimEvents(limit: 99, lease: 7200, now: now), !events.isEmpty {
            for event in events where !videos.contains(event.videoID) {
                try catalogue.noteDelivered(event, now: now)
            }
        }
    }

    @Test("without a receiver what was made before stays for a day, and what is there now is never garbage")
    func withoutReceiver() throws {
        catalogue.setWritesEvents(false)
        try fixture.record("a", content: 1)
        let first = try finish(now: 2000)
        #expect(try all() == [])
        let second = try finishAgain(now: 3000)
        #expect(first != second && first.hasSuffix("/transcoded/a.mp4/1.1") && second.hasSuffix("/a.mp4/1.2"))
        #expect(try all() == [first])
        #expect(try due(3000) == [] && due(3000 + day - 1) == [])
        #expect(try due(3000 + day) == [first])
        let third = try finishAgain(now: 4000)
        #expect(try all() == [first, second] && due(4000 + day) == [first, second])
        #expect(try catalogue.media(ofFile: CatalogueFixture.path("a"))?.directory == third)
    }

    @Test("with a receiver the day begins when it has taken the new event of every video of the file")
    func withReceiver() throws {
        let one = try fixture.record("a", content: 1)
        let two = try fixture.record("b", content: 1)
        let first = try finish(now: 2000)
        try deliver(now: 2000)
        _ = try finishAgain(now: 3000)
        #expect(try due(3000 + 9 * day) == [])
        try deliver(but: [two.id], now: 5000)
        #expect(try due(5000 + 2 * day) == [])
        // What is told of another file is not waited for.
        try fixture.record("c", content: 2)
        try deliver(but: [one.id + 2], now: 5000 + 2 * day)
        #expect(try due(5000 + 3 * day - 1) == [])
        #expect(try due(5000 + 3 * day) == [first])
        // Events that were delivered are forgotten after a week.
        _ = try catalogue.expireEvents(now: 5000 + 10 * day, isDryRun: false)
        #expect(try due(5000 + 10 * day) == [first])
    }

    @Test("what nobody takes is waited for until it is given up")
    func givenUp() throws {
        try fixture.record("a", content: 1)
        let first = try finish(now: 2000)
        _ = try finishAgain(now: 3000)
        #expect(try due(3000 + 29 * day) == [])
        #expect(try catalogue.expireEvents(now: 3000 + 30 * day, isDryRun: false).undelivered > 0)
        #expect(try due(3000 + 30 * day) == [first])
    }

    @Test("a clock that was ahead keeps nothing for long")
    func clockAhead() throws {
        try fixture.record("a", content: 1)
        let first = try finish(now: 2000)
        _ = try finishAgain(now: 3000 + 900 * day)
        try deliver(now: 3000 + 900 * day)
        #expect(try due(3000) == [first])
    }

    @Test("what an earlier version made goes by the same rule, each part of it")
    func earlierVersion() throws {
        let video = try fixture.record("a", content: 1)
        let above = StorageLayout.results(ofOriginal: video.path)
        var media = MediaFacts()
        media.mp4Path = above + "/video.mp4"
        _ = try catalogue.finishJob(try #require(try fixture.claim()), media: media, duration: nil, now: 2000)
        #expect(try all() == [])
        let old = [above + "/video.mp4", above + "/hls"]
        _ = try finishAgain(now: 3000, replacing: old)
        try deliver(now: 3000)
        #expect(try all() == old && due(3000 + day - 1) == [] && due(3000 + day) == old)
    }

    @Test(
        "what a claim may have published that ends without a result is garbage, after a day: its worker may not know",
        arguments: ["taken over", "died too often", "failed", "postponed", "released", "cancelled", "deleted"])
    func abandoned(how: String) throws {
        let video = try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim())
        var expected = [StorageLayout.results(of: job)]
        switch how {
        case "taken over": #expect(try fixture.claim(now: 2100)?.claims == 2)
        case "died too often":
            try fixture.execute("UPDATE job SET deaths = \(Job.deathsLimit - 1)")
            #expect(try fixture.claim(now: 2100) == nil)
        case "failed": _ = try catalogue.failJob(job, error: "busy", isFinal: false, now: 2100)
        case "postponed": _ = try catalogue.postponeJob(job, error: "noSpace", now: 2100)
        case "released": #expect(try catalogue.releaseJob(job, now: 2100))
        case "cancelled": #expect(try catalogue.cancelJob(id: job.id, now: 2100))
        default:
            let garbage = try #require(try catalogue.deleteVideo(id: video.id, now: 2100))
            let now = [video.path, StorageLayout.results(ofOriginal: video.path)]
            #expect(try garbage.map(\.path) == now && due(2100) == now)
            expected += now
        }
        #expect(try all() == expected)
        #expect(try !due(2100 + day - 1).contains(expected[0]) && due(2100 + day) == expected)
        // Its worker can no longer record a result.
        #expect(try catalogue.finishJob(job, media: Self.media(job), duration: nil, now: 2101) == nil)
        #expect(try catalogue.media(ofFile: video.path) == nil)
    }

    @Test("a claim that goes on, and one with a result, leave nothing")
    func held() throws {
        try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim())
        #expect(try catalogue.heartbeat(job, lease: 100, progress: 0.5, standsStill: false, now: 2001))
        #expect(try catalogue.finishJob(job, media: Self.media(job), duration: nil, now: 2002) != nil)
        #expect(try all() == [])
    }

    @Test("a video that is deleted takes along all that was ever made of it, at once")
    func deletion() throws {
        let video = try fixture.record("a", content: 1)
        let first = try finish(now: 2000)
        _ = try finishAgain(now: 3000)
        let now = [video.path, StorageLayout.results(ofOriginal: video.path)]
        #expect(try catalogue.deleteVideo(id: video.id, now: 3001)?.map(\.path) == now)
        #expect(try due(3001) == now && all() == [first] + now)
    }
}
