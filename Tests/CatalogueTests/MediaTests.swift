import Foundation
import Testing
import TestSupport

import Catalogue
@testable import Model

/// What transcoding made of a file, what the videos show of it, and how it goes.
@Suite struct MediaTests {
    private static func media(_ name: String) -> MediaFacts {
        var media = MediaFacts()
        media.width = 1280
        media.height = 720
        media.videoCodec = "h264"
        media.audioCodec = "aac"
        media.bitRate = 2_000_000
        let directory = StorageLayout.results(ofOriginal: CatalogueFixture.path(name))
        media.mp4Path = directory + "/video.mp4"
        media.hlsPath = directory + "/hls/master.m3u8"
        media.posterPath = directory + "/poster.jpg"
        media.flaws = [.damaged]
        return media
    }

    @Test("all records of a file have what was made of it, those from before and those from after")
    func everyRecord() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let first = try fixture.record("a", content: 1, duration: nil)
        let second = try fixture.record("b", content: 1)
        try fixture.execute("UPDATE video_info SET duration = 9, probed = 1 WHERE video_id = \(second.id)")
        let job = try #require(try fixture.claim())
        #expect(try fixture.catalogue.video(id: first.id)?.state == .running)
        _ = try fixture.catalogue.heartbeat(job, lease: 100, progress: 0.25, standsStill: false, now: 2000)
        #expect(try fixture.catalogue.video(id: second.id)?.progress == 0.25)
        let videos = try fixture.catalogue.finishJob(job, media: Self.media("a"), duration: 61.5, now: 2000)
        #expect(videos?.map(\.id) == [first.id, second.id])
        // What was known was announced, this was measured.
        #expect(videos?.map(\.duration) == [61.5, 61.5])
        #expect(try fixture.catalogue.unprobedPaths(limit: 100) == [])
        let later = try fixture.record("c", content: 1)
        for id in [first.id, second.id, later.id] {
            let video = try #require(try fixture.catalogue.video(id: id))
            #expect(video.state == .ready && video.progress == nil && video.media == Self.media("a"))
        }
        #expect(try fixture.claim(now: 9000) == nil)
    }

    @Test("what a job makes when it is done again takes the place of what was made, flaws and duration too")
    func doneAgain() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        var media = Self.media("a")
        media.flaws = Set(VideoFlaw.allCases)
        for (flaws, duration) in [(Set(VideoFlaw.allCases), 8.5), ([], 9), ([.truncated], 7)] {
            let job = try #require(try fixture.claim())
            media.flaws = flaws
            _ = try fixture.catalogue.finishJob(job, media: media, duration: duration, now: 2000)
            let now = try #require(try fixture.catalogue.video(id: video.id))
            #expect(now.media?.flaws == flaws && now.duration == duration)
            #expect(try fixture.catalogue.media(ofFile: video.path) == media)
            #expect(try fixture.catalogue.retryJob(id: job.id, now: 2000))
            // What was made before is there until then.
            #expect(try fixture.catalogue.video(id: video.id)?.media?.flaws == flaws)
        }
    }

    @Test("what was not measured leaves the duration as it was")
    func noDuration() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: MediaFacts(), duration: nil, now: 2000)
        #expect(try fixture.catalogue.video(id: video.id)?.duration == 1.5)
    }

    @Test("a file goes with the last record that points to it, and with it its job and what was made of it")
    func deletion() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let first = try fixture.record("a", content: 1)
        let second = try fixture.record("b", content: 1)
        let other = try fixture.record("c", content: 2)
        var media = Self.media("a")
        media.posterPath = "upload/elsewhere.jpg"
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: media, duration: nil, now: 2000)
        #expect(try fixture.catalogue.deleteVideo(id: first.id, now: 1) == [])
        #expect(try fixture.catalogue.video(id: second.id)?.media == media)
        #expect(
            try fixture.catalogue.deleteVideo(id: second.id, now: 1)?.map(\.path) == [
                CatalogueFixture.path("a"), "upload/mp4/2026/11/transcoded/a.mp4", "upload/elsewhere.jpg",
            ])
        #expect(try fixture.catalogue.deleteVideo(id: second.id, now: 1) == nil)
        #expect(try fixture.count("media") == 0)
        #expect(try fixture.catalogue.jobs(state: nil, limit: 9).map(\.path) == [other.path])
        // Who still thinks it is there makes no record without a file.
        #expect(try fixture.catalogue.copy(second, name: "x", classID: nil, guid: nil, now: 2000) == nil)
        #expect(try fixture.catalogue.videos(owner: nil, limit: 9).map(\.id) == [other.id])
    }

    @Test("a worker whose video is deleted learns it, and makes nothing of it")
    func deletedWhileRunning() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        let job = try #require(try fixture.claim())
        #expect(try fixture.catalogue.deleteVideo(id: video.id, now: 1)?.first?.path == video.path)
        #expect(try !fixture.catalogue.heartbeat(job, lease: 100, progress: 0, standsStill: false, now: 2000))
        #expect(try fixture.catalogue.finishJob(job, media: Self.media("a"), duration: nil, now: 2000) == nil)
        #expect(try fixture.count("media") == 0)
        // The same content comes again: the number of its job is another one, so that the old claim is of no use.
        for garbage in try fixture.catalogue.garbage(limit: 9) { try fixture.catalogue.forget(garbage) }
        try fixture.catalogue.forgetRefusals(owner: "", md5: video.md5, guid: nil)
        try fixture.record("a", content: 1)
        #expect(try fixture.claim()?.id != job.id)
        #expect(try !fixture.catalogue.heartbeat(job, lease: 100, progress: 0, standsStill: false, now: 2000))
    }

    @Test("the videos are listed from the newest, all or one owner's")
    func list() throws {
        let fixture = try CatalogueFixture()
        let ids = try ["alice", "bob", "", "alice"].enumerated().map { index, owner in
            try fixture.record("v\(index)", content: index, owner: owner).id
        }
        func list(_ owner: String?, _ limit: Int) throws -> [Int64] {
            try fixture.catalogue.videos(owner: owner, limit: limit).map(\.id)
        }
        #expect(try list(nil, 9) == ids.reversed())
        #expect(try list(nil, 2) == [ids[3], ids[2]])
        #expect(try list("alice", 9) == [ids[3], ids[0]])
        #expect(try list("", 9) == [ids[2]] && list("carol", 9) == [])
    }

    @Test("a reason and a flaw of a later version are no error")
    func laterNames() throws {
        let fixture = try CatalogueFixture(queuesJobs: true)
        let first = try fixture.record("a", content: 1)
        let second = try fixture.record("b", content: 2)
        _ = try fixture.catalogue.failJob(
            try #require(try fixture.claim()), error: "unsupported", isFinal: true, now: 2000)
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: Self.media("b"), duration: nil, now: 2000)
        try fixture.execute("UPDATE job SET failure = 'later' WHERE state = 'failed'")
        try fixture.execute("UPDATE media SET flaws = '[\"later\",\"truncated\"]'")
        #expect(try fixture.catalogue.video(id: first.id)?.failure == .internal)
        #expect(try fixture.catalogue.video(id: second.id)?.media?.flaws == [.truncated])
    }
}
