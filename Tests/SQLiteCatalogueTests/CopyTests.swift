import Foundation
import GRDB
import Testing
import TestSupport
import Model

@testable import Catalogue
@testable import SQLiteCatalogue

/// Copies of a catalogue: before it gets a later schema, and to go on with.
@Suite struct CopyTests {
    /// A catalogue as the program before this one left it, with a video and an event that waits.
    private func makeVersion4(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try Schema.migrator.migrate(queue, upTo: "4")
        try queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time,
                        update_time)
                    VALUES (7, '', 'old', 'upload/old.mp4', 5, 1.5, 'd', 1, 1);
                    INSERT INTO event (kind, video_id, payload, create_time, not_before)
                    VALUES ('upload.completed', 7, '{"kind":"upload.completed"}', 1, 1);
                    """)
        }
        try queue.close()
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    }

    @Test("from version 5 uploads go on; those that cannot have expired, and their guids are refused")
    func fromVersion5() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.path + "/video-intake.db"
        try Schema.migrator.migrate(DatabaseQueue(path: path), upTo: "5")
        func insert(
            _ id: Int, size: Int? = 100, chunks: Int = 2, state: String = "open", chunkSize: Int? = 60,
            last: Int? = nil, original: String? = nil, received: [Int]
        ) throws {
            try DatabaseQueue(path: path).write { db in
                try db.execute(
                    sql: """
                        INSERT INTO upload (upload_id, owner, md5, size, size_guid, chunks, state, video_id, chunk_size,
                            last_length, original_path, received, create_time, update_time)
                        VALUES (?, 'o', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1000)
                        """,
                    arguments: [
                        id, "m\(id)", size, size == nil ? "g\(id)" : nil, chunks, state, id, chunkSize, last, original,
                        received.count,
                    ])
                for guid in ["g\(id)", "h\(id)"] {
                    try db.execute(sql: "INSERT INTO upload_guid VALUES (?, ?)", arguments: [guid, id])
                }
                for chunk in received {
                    try db.execute(
                        sql: "INSERT INTO upload_chunk (upload_id, chunk, length) VALUES (?, ?, ?)",
                        arguments: [id, chunk, chunk == 0 ? 60 : 40])
                }
            }
        }
        try insert(1, received: [0])
        try insert(2, size: nil, received: [0])
        // Compared with a video; a last chunk that is parked; one that may be; nothing yet; refused; a video.
        try insert(3, original: "upload/a.mp4", received: [0])
        try insert(4, size: nil, chunkSize: nil, last: 40, received: [1])
        try insert(5, size: nil, last: 40, received: [0, 1])
        try insert(6, chunkSize: nil, received: [])
        try insert(7, state: "rejected", chunkSize: nil, received: [])
        try insert(8, state: "sealed", received: [])

        let catalogue = try Catalogue(sqlite: path)
        let left = try catalogue.openUploads().filter { $0.received > 0 }
        #expect(left.map(\.id) == [1, 2] && left.map(\.receivedBytes) == [100, 60])
        #expect(left.map(\.key.chunkSize) == [60, 60])
        #expect(try catalogue.chunks(ofUpload: 1).map(\.number) == [0])
        let refused = try DatabaseQueue(path: path).read {
            try Row.fetchAll($0, sql: "SELECT owner || guid || md5 || reason FROM refusal ORDER BY guid").map {
                $0[0] as String
            }
        }
        #expect(
            refused == [
                "og3m3expired", "og4m4expired", "og5m5expired", "og7m7container", "oh3m3expired", "oh4m4expired",
                "oh5m5expired", "oh7m7container",
            ])
        // None of them is found again, and all go with the next sweep.
        let key = UploadKey(owner: "o", md5: "m3", extent: .size(100), chunks: 2, chunkSize: 60)
        #expect(try catalogue.unfinishedUploads(key, expiry: UploadExpiry(now: 2000, lifetime: 2000), limit: 9).isEmpty)
        #expect(
            try catalogue.expireUploads(UploadExpiry(now: 2000, lifetime: 1001), isDryRun: false).unfinished.map(\.id)
                == [3, 4, 5, 6])
        // The disk was taken for all of it: nothing more is to come.
        #expect(try catalogue.promisedBytes() == 0)
        let last = ChunkRecord(
            upload: 1, guid: "g1", chunk: StoredChunk(number: 1, length: 40, crc32c: 1), time: 2000)
        #expect(try catalogue.record([last], durably: false) == [2])
        #expect(try catalogue.promisedBytes() == 0)
        #expect(try catalogue.figures().largestBytes == 160)
        #expect(try catalogue.damage() == [])
        #expect(try DatabaseQueue(path: path).read { try Row.fetchAll($0, sql: "PRAGMA foreign_key_check").count } == 0)
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    private func migrations(_ path: String) throws -> [String] {
        try DatabaseQueue(path: path).read {
            try String.fetchAll($0, sql: "SELECT identifier FROM grdb_migrations ORDER BY identifier")
        }
    }

    private func names(_ directory: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    @Test("before a catalogue gets a later schema there is a copy of it, each time; a new one has none")
    func upgrade() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.path + "/video-intake.db"
        let copy = path + ".schema-4.backup"
        try makeVersion4(path)
        let catalogue = try Catalogue(sqlite: path, writesEvents: true)
        #expect(try catalogue.video(id: 7)?.name == "old")
        #expect(try names(directory).filter { $0.contains("backup") } == ["video-intake.db.schema-4.backup"])
        #expect(try migrations(copy) == ["1", "2", "3", "4"])
        #expect(try migrations(path) == ["1", "2", "3", "4", "5", "6", "7", "8"])
        #expect(try mode(copy) == 0o640)
        // Numbers go on above those that are taken, and an event that waits has the epoch, as those that come.
        let old = try #require(try catalogue.video(id: 7))
        #expect(try catalogue.copy(old, name: "b", classID: nil, guid: nil, now: 2)?.id == 8)
        let payloads = try catalogue.claimEvents(limit: 9, lease: 1, now: 9).map(\.payload)
        #expect(payloads.count == 2 && payloads[0].hasSuffix("\",\"kind\":\"upload.completed\"}"))
        #expect(payloads[0].prefix(30) == payloads[1].prefix(30) && payloads[0].hasPrefix("{\"epoch\":\""))

        // Going back to it and forward again.
        try #require(catalogue.driver as? SQLiteCatalogue).pool.close()
        for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
        try FileManager.default.copyItem(atPath: copy, toPath: path)
        try DatabaseQueue(path: path).write { try $0.execute(sql: "UPDATE video_info SET video_name = 'changed'") }
        #expect(try Catalogue(sqlite: path).video(id: 7)?.name == "changed")
        let name = try DatabaseQueue(path: copy).read {
            try String.fetchOne($0, sql: "SELECT video_name FROM video_info")
        }
        #expect(name == "changed")

        let new = try CatalogueFixture()
        #expect(try names(new.directory).filter { $0.contains("backup") } == [])
    }

    @Test("a catalogue of which no copy can be made stays as it is")
    func failedCopy() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.path + "/video-intake.db"
        try makeVersion4(path)
        // In the way of the copy.
        try FileManager.default.createDirectory(
            atPath: path + ".schema-4.backup.new", withIntermediateDirectories: false)
        let error = #expect(throws: CatalogueError.self) { try Catalogue(sqlite: path) }
        #expect(error?.description.contains("video-intake.db.schema-4.backup") == true, "\(error!)")
        #expect(error?.description.contains("it stays at schema 4") == true, "\(error!)")
        #expect(try migrations(path) == ["1", "2", "3", "4"])
    }

    @Test("a catalogue goes on after a restore with numbers that were not given out, and without what was under way")
    func goOn() throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        let video = try fixture.record("a", content: 1)
        let upload = try fixture.begin()
        _ = try fixture.record(StoredChunk(number: 0, length: 60, crc32c: 1), upload)
        let job = try #require(try fixture.claim())
        try fixture.catalogue.noteWorker("w", now: 2000)
        try fixture.catalogue.noteCheck(findings: 3, now: 2000)
        let event = try #require(try fixture.catalogue.claimEvents(limit: 1, lease: 60, now: 2000).first)

        let path = fixture.directory.path + "/copy.db"
        let copy = try CatalogueCopy(of: fixture.catalogue, at: path)
        #expect(try copy.originals() == [.init(path: video.path, size: 100, md5: video.md5)])
        let tooLow = #expect(throws: CatalogueError.self) { try copy.goOn(aboveVideo: upload.videoID - 1, now: 3000) }
        #expect(tooLow?.description.contains("the last video number in the backup is \(upload.videoID)") == true)
        let next = try copy.goOn(aboveVideo: nil, now: 3000)
        #expect(next.videoNumber == upload.videoID + 100_000 && next.eventID == 3_000_000)
        #expect(next.droppedUploads == 1 && next.eventsPending == 1)

        let restored = try Catalogue(sqlite: path, queuesJobs: true, writesEvents: true)
        #expect(try restored.openUploads().isEmpty && restored.video(id: video.id)?.name == "a")
        let again = try #require(try restored.claimJob(worker: "w", lease: 60, now: 3000))
        #expect(again.id == job.id && again.attempts == 1 && again.deaths == 0 && again.claims > 100_000)
        let figures = try restored.figures()
        #expect(figures.workers == [] && figures.checkTime == 0 && figures.eventsPending == 1)
        // The one that waits is what it was.
        let same = try #require(try restored.claimEvents(limit: 1, lease: 60, now: 3000).first)
        #expect(same.id == event.id && same.payload == event.payload)
        try restored.noteDelivered(same, now: 3000)
        let copied = try #require(try restored.copy(video, name: "b", classID: nil, guid: nil, now: 3000))
        #expect(copied.id == next.videoNumber + 1)
        let new = try #require(try restored.claimEvents(limit: 1, lease: 60, now: 3000).first)
        #expect(new.id == next.eventID + 1 && new.payload.contains(next.epoch))
        #expect(!event.payload.contains(next.epoch))
        guard
            case .unfinished(let fresh, _, _) = try fixture.start(
                upload.key, guid: "g", now: 3000, expiry: 0, in: restored)
        else { throw CatalogueError(.failed, "sealed") }
        #expect(fresh.id == upload.id + 100_001)

        // Again from the same copy, later: no number comes twice.
        try #require(restored.driver as? SQLiteCatalogue).pool.close()
        let later = try copy.goOn(aboveVideo: 500_000, now: 3001)
        #expect(later.videoNumber == 500_000 && later.eventID > new.id && later.epoch != next.epoch)
    }

    @Test("a copy is whole or not there")
    func copyInTheWay() throws {
        let fixture = try CatalogueFixture()
        let path = fixture.directory.path + "/none/copy.db"
        let error = #expect(throws: CatalogueError.self) { try CatalogueCopy(of: fixture.catalogue, at: path) }
        #expect(error?.description.contains("No such file or directory") == true, "\(error!)")
    }
}

@Suite struct FigureTests {
    @Test("figures are those of what there is")
    func figures() throws {
        let fixture = try CatalogueFixture(queuesJobs: true, writesEvents: true)
        #expect(try fixture.catalogue.figures() == CatalogueFigures())
        try fixture.record("a", content: 1)
        try fixture.record("b", content: 2)
        _ = try fixture.claim()
        let upload = try fixture.begin()
        _ = try fixture.catalogue.record(
            [
                ChunkRecord(
                    upload: upload.id, guid: "g", chunk: StoredChunk(number: 0, length: 60, crc32c: 1), time: 1000)
            ], durably: false)
        // Its owner has the content: it promises nothing.
        let key = UploadKey(
            owner: "", md5: String(repeating: "0", count: 31) + "1", extent: .size(100), chunks: 2, chunkSize: 60)
        _ = try fixture.start(key, guid: "other", now: 1000, expiry: 0)
        try fixture.catalogue.noteWorker("host:1", now: 1000)
        try fixture.catalogue.noteWorker("host:2", now: 2500)
        try fixture.catalogue.noteWorker("host:1", now: 2000)
        try fixture.catalogue.noteCheck(findings: 2, now: 3000)
        var expected = CatalogueFigures()
        expected.openUploads = 2
        expected.receivedBytes = 60
        expected.promisedBytes = 40
        expected.uploadClients = 1
        expected.largestUploads = 2
        expected.largestBytes = 100
        expected.jobs = [.running: 1, .queued: 1]
        expected.queuedClients = 1
        expected.oldestQueuedJobTime = 2000
        expected.workers = [WorkerHeartbeat(name: "host:1", time: 2000), WorkerHeartbeat(name: "host:2", time: 2500)]
        expected.eventsPending = 2
        expected.oldestPendingEventTime = 2000
        expected.checkTime = 3000
        expected.checkFindings = 2
        #expect(try fixture.catalogue.figures() == expected)
        // Ten minutes after its last heartbeat a worker is forgotten, and one that says that it ends at once.
        try fixture.catalogue.noteWorker("host:3", now: 2601)
        #expect(try fixture.catalogue.figures().workers.map(\.name) == ["host:2", "host:3"])
        try fixture.catalogue.forgetWorker("host:3")
        #expect(try fixture.catalogue.figures().workers.map(\.name) == ["host:2"])
    }
}
