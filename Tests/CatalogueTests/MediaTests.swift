import Foundation
import GRDB
import Testing
import TestSupport

import Catalogue
@testable import Model
@testable import SQLiteCatalogue

/// What transcoding made of a file, what the videos show of it, and how it goes.
@Suite struct MediaTests {
    private static func media(_ name: String) -> MediaFacts {
        var media = MediaFacts()
        media.width = 1280
        media.height = 720
        media.videoCodec = "h264"
        media.audioCodec = "aac"
        media.bitRate = 2_000_000
        let directory = MediaFacts.directory(ofOriginal: Fixture.path(name))
        media.mp4Path = directory + "/video.mp4"
        media.hlsPath = directory + "/hls/master.m3u8"
        media.posterPath = directory + "/poster.jpg"
        media.flaws = [.damaged]
        return media
    }

    @Test(
        "what is made of a file has a directory of its own, whatever its path",
        arguments: [
            ("upload/mp4/2026/11/original/a.mp4", "upload/mp4/2026/11/transcoded/a.mp4"),
            ("upload/mp4/2026/11/original/a.avi", "upload/mp4/2026/11/transcoded/a.avi"),
            ("upload/old.mp4", "upload/transcoded/old.mp4"), ("old.mp4", "transcoded/old.mp4"), ("", ""),
        ])
    func directory(path: String, directory: String) {
        #expect(MediaFacts.directory(ofOriginal: path) == directory)
    }

    @Test("all records of a file have what was made of it, those from before and those from after")
    func everyRecord() throws {
        let fixture = try Fixture(queuesJobs: true)
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
        let fixture = try Fixture(queuesJobs: true)
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
        let fixture = try Fixture(queuesJobs: true)
        let video = try fixture.record("a", content: 1)
        _ = try fixture.catalogue.finishJob(
            try #require(try fixture.claim()), media: MediaFacts(), duration: nil, now: 2000)
        #expect(try fixture.catalogue.video(id: video.id)?.duration == 1.5)
    }

    @Test("a file goes with the last record that points to it, and with it its job and what was made of it")
    func deletion() throws {
        let fixture = try Fixture(queuesJobs: true)
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
                Fixture.path("a"), "upload/mp4/2026/11/transcoded/a.mp4", "upload/elsewhere.jpg",
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
        let fixture = try Fixture(queuesJobs: true)
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
        let fixture = try Fixture()
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

    @Test("in a version 6 file what was made has no flaws, and what has failed has a reason")
    func fromVersion6() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("old.db").path
        try Schema.migrator.migrate(DatabaseQueue(path: path), upTo: "6")
        let errors: [(error: String?, failure: VideoFailure)] = [
            ("unsupported\nno picture", .nothingPlays), ("timeLimit\nx", .timeLimit), ("memoryLimit", .memoryLimit),
            ("noSpace\nx\ny", .noSpace), ("toolFailed\nx", .toolFailed), ("io\nx", .internal),
            ("worker_died\n20 workers", .workerDied), ("cancelled\nx", .cancelled), ("busy", .internal),
            (nil, .internal),
        ]
        func insert(_ id: Int, state: String, error: String?) throws {
            try DatabaseQueue(path: path).write { db in
                try db.execute(
                    sql: """
                        INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time,
                            update_time)
                        VALUES (?1, '', 'old', ?1 || '.mp4', 5, 1.5, 'd', 1, 1);
                        """, arguments: [id])
                try db.execute(
                    sql: """
                        INSERT INTO job (job_id, path, state, error, not_before, create_time, update_time)
                        VALUES (?1, ?1 || '.mp4', ?2, ?3, 1, 1, 1);
                        """, arguments: [id, state, error])
            }
        }
        for (index, error) in errors.enumerated() { try insert(index + 1, state: "failed", error: error.error) }
        try insert(100, state: "done", error: nil)
        try insert(101, state: "queued", error: "toolFailed\nx")
        try DatabaseQueue(path: path).write { db in
            try db.execute(sql: "INSERT INTO media (path, width, mp4_path) VALUES ('100.mp4', 7, 'x.mp4')")
        }
        let catalogue = try Catalogue(sqlite: path, queuesJobs: true, writesEvents: true)
        #expect((catalogue.driver as? SQLiteCatalogue)?.olderSchema == 6)
        for (index, error) in errors.enumerated() {
            let video = try #require(try catalogue.video(id: Int64(index + 1)))
            #expect(video.state == .failed && video.failure == error.failure, "\(error)")
            #expect(try catalogue.job(id: Int64(index + 1))?.failure == error.failure)
        }
        let ready = try #require(try catalogue.video(id: 100))
        #expect(ready.failure == nil && ready.media?.flaws == [] && ready.media?.width == 7)
        #expect(try catalogue.job(id: 101)?.failure == nil)
        // What is claimed from now on writes as the new ones do.
        let job = try #require(try catalogue.claimJob(worker: "w", lease: 9, now: 9))
        #expect(try catalogue.failJob(job, error: "noPicture\nx", isFinal: true, now: 9) == .failed)
        #expect(try catalogue.video(id: 101)?.failure == .noPicture)
    }

    @Test("a reason and a flaw of a later version are no error")
    func laterNames() throws {
        let fixture = try Fixture(queuesJobs: true)
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

    @Test("a version 3 file keeps its videos, which are stored, and gets jobs for new ones")
    func fromVersion3() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("old.db").path
        try Schema.migrator.migrate(DatabaseQueue(path: path), upTo: "3")
        try DatabaseQueue(path: path).write { db in
            try db.execute(
                sql: """
                    INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time,
                        update_time)
                    VALUES (7, '', 'old', 'upload/mp4/2019/05/original/old.mp4', 5, 1.5, 'd', 1, 1);
                    """)
        }
        let catalogue = try Catalogue(sqlite: path, queuesJobs: true, writesEvents: true)
        let video = try #require(try catalogue.video(id: 7))
        #expect(video.state == .stored && video.progress == nil && video.media == nil && video.name == "old")
        #expect(try catalogue.jobs(state: nil, limit: 9) == [])
        #expect(try catalogue.claimEvents(limit: 9, lease: 1, now: 9) == [])
        #expect(try catalogue.copy(video, name: "new", classID: nil, guid: nil, now: 2)?.state == .queued)
    }
}
