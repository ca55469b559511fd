import Model
import Foundation
import Testing
import TestSupport

/// The outbox: which events there are, and in which order they are handed out.
@Suite struct EventTests {
    private func due(_ fixture: CatalogueFixture, now: Int64 = 2000, limit: Int = 100) throws -> [Event] {
        try fixture.catalogue.claimEvents(limit: limit, lease: 30, now: now)
    }

    /// Hands out and delivers all events. Returns their kinds with their videos, in this order.
    private func deliverAll(_ fixture: CatalogueFixture, now: Int64 = 2000) throws -> [String] {
        var names: [String] = []
        while case let events = try due(fixture, now: now), !events.isEmpty {
            for event in events {
                names.append("\(event.kind.rawValue) \(event.videoID)")
                try fixture.catalogue.noteDelivered(event, now: now)
            }
        }
        return names
    }

    @Test("without somebody to tell there are no events")
    func off() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        try fixture.record("a", content: 1)
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: MediaFacts(), duration: nil, now: 2000)
        #expect(try fixture.count("event") == 0)
    }

    @Test("every record is told of, and every video of a file when that is ready; one that comes later at once")
    func ready() throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let first = try fixture.record("a", content: 1)
        let second = try #require(try fixture.catalogue.copy(first, name: "b", classID: nil, guid: "b", now: 2000))
        // A guid that has its record makes no other.
        _ = try fixture.catalogue.copy(first, name: "b", classID: nil, guid: "b", now: 2000)
        let completed = ["upload.completed \(first.id)", "upload.completed \(second.id)"]
        #expect(try deliverAll(fixture) == completed)
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: MediaFacts(), duration: nil, now: 2000)
        #expect(try deliverAll(fixture) == ["video.ready \(first.id)", "video.ready \(second.id)"])
        let third = try fixture.record("c", content: 1)
        let fourth = try #require(try fixture.catalogue.copy(first, name: "d", classID: nil, guid: nil, now: 2000))
        #expect(
            try deliverAll(fixture) == [
                "upload.completed \(third.id)", "upload.completed \(fourth.id)", "video.ready \(third.id)",
                "video.ready \(fourth.id)",
            ])
    }

    @Test(
        "every end of a job without a result is told of, a failed attempt is not",
        arguments: ["final", "died", "cancel"])
    func failed(how: String) throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let video = try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim())
        #expect(try fixture.catalogue.failJob(job, error: "busy", isFinal: false, now: 2000) == .queued)
        #expect(try deliverAll(fixture) == ["upload.completed \(video.id)"])
        let again = try #require(try fixture.claim(now: 3000))
        switch how {
        case "final":
            _ = try fixture.catalogue.failJob(again, error: "unsupported\n/var/lib/secret", isFinal: true, now: 3000)
        case "died":
            for death in 1..<20 { #expect(try fixture.claim(now: 3000 + 100 * Int64(death)) != nil) }
            #expect(try fixture.claim(now: 5000) == nil)
        default: #expect(try fixture.catalogue.cancelJob(id: again.id, now: 3000))
        }
        let event = try #require(try due(fixture, now: 5000).first)
        #expect(event.kind == .videoFailed && event.videoID == video.id)
        // The code alone: the rest is for operators.
        let payload = try #require(try JSONSerialization.jsonObject(with: Data(event.payload.utf8)) as? [String: Any])
        #expect(payload["error"] as? String == ["final": "unsupported", "died": "worker_died"][how] ?? "cancelled")
        #expect(payload["failure"] as? String == ["final": "nothing-plays", "died": "worker-died"][how] ?? "cancelled")
        #expect(payload["flaws"] is NSNull)
        // A later video of the file would wait for ever.
        try fixture.catalogue.noteDelivered(event, now: 5000)
        let later = try fixture.record("b", content: 1)
        #expect(try deliverAll(fixture, now: 5000) == ["upload.completed \(later.id)", "video.failed \(later.id)"])
    }

    @Test("an event says what is known of the video, as JSON, whatever its name is")
    func payload() throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let name = "\"攻略\\ \n🎬"
        let first = try fixture.record("a", content: 1, owner: "alice", duration: nil)
        let video = try #require(try fixture.catalogue.copy(first, name: name, classID: nil, guid: nil, now: 2500))
        var media = MediaFacts()
        media.width = 640
        media.mp4Path = "upload/x.mp4"
        media.flaws = [.damaged, .truncated]
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: media, duration: 2.5, now: 3000)
        func object(_ kind: Event.Kind) throws -> [String: Any] {
            let text = try fixture.text(
                "SELECT payload FROM event WHERE kind = '\(kind.rawValue)' AND video_id = \(video.id)")
            return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
        }
        let (completed, ready) = (try object(.uploadCompleted), try object(.videoReady))
        for object in [completed, ready] {
            #expect(object["video_id"] as? Int64 == video.id && object["video_name"] as? String == name)
            #expect(object["owner"] as? String == "alice" && object["size"] as? Int == 100)
            #expect(object["path"] as? String == video.path && object["error"] is NSNull)
            #expect(object["failure"] is NSNull)
        }
        let epoch = try #require(completed["epoch"] as? String)
        #expect(epoch.contains(/^[0-9a-f]{16}$/) && ready["epoch"] as? String == epoch)
        #expect(completed["kind"] as? String == "upload.completed" && completed["time"] as? Int == 2500)
        #expect(completed["duration"] is NSNull && completed["mp4_path"] is NSNull)
        #expect(ready["time"] as? Int == 3000 && ready["duration"] as? Double == 2.5)
        #expect(completed["flaws"] is NSNull && ready["flaws"] as? [String] == ["truncated", "damaged"])
        #expect(ready["width"] as? Int == 640 && ready["mp4_path"] as? String == "upload/x.mp4")
    }

    @Test("a video's events are handed out one after the other, other videos' do not wait for them")
    func orderPerVideo() throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let first = try fixture.record("a", content: 1)
        let second = try fixture.record("b", content: 2)
        for _ in 0..<2 {
            let job = try #require(try fixture.claim())
            _ = try fixture.catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: 2000)
        }
        let events = try due(fixture)
        #expect(events.map(\.kind) == [.uploadCompleted, .uploadCompleted])
        #expect(events.map(\.videoID) == [first.id, second.id])
        // They are being delivered.
        #expect(try due(fixture) == [])
        try fixture.catalogue.noteDeliveryFailed(events[0], notBefore: 2600)
        try fixture.catalogue.noteDelivered(events[1], now: 2001)
        #expect(try due(fixture, now: 2001).map { "\($0.kind) \($0.videoID)" } == ["videoReady \(second.id)"])
        #expect(try due(fixture, now: 2599).map(\.videoID) == [second.id])
        let again = try due(fixture, now: 2600)
        #expect(again.map(\.id) == [events[0].id] && again.map(\.attempts) == [2])
        #expect(again[0].payload == events[0].payload)
    }

    @Test("what a deliverer that died had is handed out again, and its late word changes nothing")
    func delivererDies() throws {
        let fixture = try CatalogueFixture(writesEvents: true)
        try fixture.record("a", content: 1)
        let old = try #require(try due(fixture, now: 2000).first)
        #expect(try due(fixture, now: 2029) == [])
        let event = try #require(try due(fixture, now: 2030).first)
        #expect(event.id == old.id && event.attempts == 2)
        try fixture.catalogue.noteDeliveryFailed(old, notBefore: 0)
        #expect(try due(fixture, now: 2031) == [])
        try fixture.catalogue.noteDelivered(event, now: 2031)
        try fixture.catalogue.noteDeliveryFailed(event, notBefore: 0)
        #expect(try due(fixture, now: 9000) == [])
    }

    @Test("delivered events are kept for 7 days, others for 30")
    func expiry() throws {
        let fixture = try CatalogueFixture(writesEvents: true)
        try fixture.record("a", content: 1, now: 0)
        try fixture.record("b", content: 2, now: 0)
        try fixture.catalogue.noteDelivered(try #require(try due(fixture, now: 0, limit: 1).first), now: 100)
        func expire(_ now: Int64, isDryRun: Bool = false) throws -> [Int] {
            let expired = try fixture.catalogue.expireEvents(now: now, isDryRun: isDryRun)
            return [expired.delivered, expired.undelivered]
        }
        #expect(try expire(99 + 7 * day) == [0, 0])
        #expect(try expire(100 + 7 * day, isDryRun: true) == [1, 0])
        #expect(try expire(100 + 7 * day) == [1, 0])
        #expect(try expire(30 * day - 1) == [0, 0])
        #expect(try expire(30 * day) == [0, 1])
        #expect(try fixture.count("event") == 0)
        #expect(try fixture.catalogue.figures().eventsGivenUp == 1)
    }
}
