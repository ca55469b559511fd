import Catalogue
import Foundation
import GRDB
import Model
import TestSupport
import Testing

@testable import SQLiteCatalogue

/// What an older file says of media and jobs.
@Suite struct MediaMigrationTests {
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

    @Test("what a version 7 file has stays where it is, garbage goes at once, and the next claim has a directory")
    func fromVersion7() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("old.db").path
        try Schema.migrator.migrate(DatabaseQueue(path: path), upTo: "7")
        let (original, made) = ("upload/mp4/2019/05/original/a.mp4", "upload/mp4/2019/05/transcoded/a.mp4")
        try DatabaseQueue(path: path).write { db in
            try db.execute(
                sql: """
                    INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time,
                        update_time)
                    VALUES (7, '', 'old', '\(original)', 5, 1.5, 'd', 1, 1);
                    INSERT INTO job (job_id, path, state, claims, not_before, create_time, update_time)
                    VALUES (3, '\(original)', 'done', 4, 1, 1, 1);
                    INSERT INTO media (path, mp4_path) VALUES ('\(original)', '\(made)/video.mp4');
                    INSERT INTO garbage (path, create_time) VALUES ('upload/gone.mp4', 1);
                    """)
        }
        let catalogue = try Catalogue(sqlite: path, queuesJobs: true)
        #expect((catalogue.driver as? SQLiteCatalogue)?.olderSchema == 7)
        let media = try #require(try catalogue.video(id: 7)?.media)
        #expect(media.mp4Path == "\(made)/video.mp4" && media.directory == nil)
        let copy = try CatalogueCopy(of: catalogue, at: directory.path + "/copy.db")
        #expect(try copy.results() == [original: made])
        #expect(try catalogue.garbage(limit: 9, dueAt: 9).map(\.path) == ["upload/gone.mp4"])
        #expect(try catalogue.retryJob(id: 3, now: 9))
        let job = try #require(try catalogue.claimJob(worker: "w", lease: 9, now: 9))
        #expect(StorageLayout.results(of: job) == "\(made)/3.5")
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
