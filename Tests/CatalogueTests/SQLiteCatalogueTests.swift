import Catalogue
import Foundation
import GRDB
import Testing
import TestSupport
import Uploads

private let md5 = String(repeating: "a", count: 32)
private let day: Int64 = 24 * 3600

/// A catalogue in a directory of its own.
private final class Fixture {
    let directory: URL
    let catalogue: SQLiteCatalogue

    var path: String { directory.appendingPathComponent("video-intake.db").path }

    init() throws {
        directory = try makeTemporaryDirectory()
        catalogue = try SQLiteCatalogue(path: directory.appendingPathComponent("video-intake.db").path)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// Begins an upload of 100 bytes in 2 chunks at time 1000.
    func begin(owner: String = "", guid: String = "g", now: Int64 = 1000) throws -> Upload {
        let key = UploadKey(owner: owner, md5: md5, extent: .size(100), chunks: 2)
        guard case .unfinished(let upload, _) = try catalogue.beginUpload(key, guid: guid, now: now, expiry: now - day)
        else { throw CatalogueError(.failed, "sealed") }
        return upload
    }

    func draft(_ name: String = "v", path: String = "upload/v.mp4", classID: Int64? = nil) -> VideoDraft {
        VideoDraft(name: name, guid: "g", path: path, size: 100, duration: 1.5, classID: classID)
    }
}

private let layout = ChunkLayout(chunks: 2, size: 100, chunkSize: 60, sizeLimit: 1000)

@Suite struct SQLiteCatalogueTests {
    @Test("a catalogue of a later version is refused with a sentence that says what to do")
    func newerSchema() throws {
        let fixture = try Fixture()
        try DatabaseQueue(path: fixture.path).write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('999')")
        }
        let error = #expect(throws: CatalogueError.self) { try SQLiteCatalogue(path: fixture.path) }
        #expect(error?.reason == .incompatible)
        #expect(error?.description.contains("later version") == true)
    }

    @Test("an older schema is brought up to date when it is opened")
    func olderSchema() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("old.db").path
        try DatabaseQueue(path: path).write { db in
            try db.execute(sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
        }
        #expect(try SQLiteCatalogue(path: path).classes() == [])
    }

    @Test("a file that is no database is refused, not overwritten")
    func notADatabase() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("notes.db")
        let text = Data(String(repeating: "not a database at all. ", count: 100).utf8)
        try text.write(to: file)
        #expect(throws: CatalogueError.self) { try SQLiteCatalogue(path: file.path) }
        #expect(try Data(contentsOf: file) == text)
    }

    @Test("the same key is the same upload, whatever its guid; another owner's is another")
    func uploadByKey() throws {
        let fixture = try Fixture()
        let upload = try fixture.begin()
        #expect(try fixture.begin(guid: "h").id == upload.id)
        #expect(try fixture.begin(owner: "bob").id != upload.id)
    }

    @Test("an upload without a chunk for 24 h makes way for a new one")
    func expired() throws {
        let fixture = try Fixture()
        let old = try fixture.begin()
        #expect(try fixture.begin(now: 999 + day).id == old.id)
        let key = old.key
        guard
            case .unfinished(let new, let expired) = try fixture.catalogue.beginUpload(
                key, guid: "g", now: 1001 + day, expiry: 1001)
        else { throw CatalogueError(.failed, "sealed") }
        #expect(new.id != old.id && expired == [old.id])
        #expect(try fixture.catalogue.expireUploads(before: 1000 + 2 * day) == [new.id])
    }

    @Test("a chunk counts once, however often it is recorded, and not when it is forgotten")
    func counting() throws {
        let fixture = try Fixture()
        let upload = try fixture.begin()
        let (first, second) = (StoredChunk(number: 0, length: 60), StoredChunk(number: 1, length: 40))
        func record(_ chunk: StoredChunk) throws -> Int? {
            try fixture.catalogue.record(chunk, layout: layout, upload: upload.id, now: 1000)
        }
        #expect(try record(first) == 1)
        #expect(try record(first) == 1)
        #expect(try record(second) == 2)
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        #expect(try fixture.catalogue.chunks(ofUpload: upload.id) == [second])
        #expect(try record(first) == 2)
        #expect(try fixture.begin().chunkSize == 60)
    }

    @Test("sealing makes one record, with the number the upload began with; the second call gets the same")
    func seal() throws {
        let fixture = try Fixture()
        let upload = try fixture.begin()
        let video = try #require(try fixture.catalogue.seal(upload: upload.id, as: fixture.draft(), now: 2000))
        #expect(video.id == upload.videoID && video.createTime == 2000 && video.duration == 1.5)
        #expect(try fixture.catalogue.seal(upload: upload.id, as: fixture.draft("other"), now: 3000) == video)
        #expect(
            try fixture.catalogue.record(
                StoredChunk(number: 0, length: 60), layout: layout, upload: upload.id, now: 3000) == nil)
        guard
            case .sealed(let found) = try fixture.catalogue.beginUpload(
                upload.key, guid: "g", now: 3000, expiry: 3000 - day)
        else { throw CatalogueError(.failed, "not sealed") }
        #expect(found == video)
        #expect(try fixture.catalogue.seal(upload: 999, as: fixture.draft(), now: 3000) == nil)
    }

    @Test("the record of content that the owner has points to the file that is there")
    func sameContent() throws {
        let fixture = try Fixture()
        let first = try fixture.begin()
        _ = try fixture.catalogue.seal(upload: first.id, as: fixture.draft(path: "upload/first.mp4"), now: 2000)
        let second = try fixture.begin(guid: "h")
        #expect(second.originalPath == "upload/first.mp4")
        let video = try fixture.catalogue.seal(upload: second.id, as: fixture.draft(path: "upload/x.mp4"), now: 2000)
        #expect(video?.path == "upload/first.mp4" && video?.id == second.videoID)
        #expect(try fixture.catalogue.hasVideo(atPath: "upload/x.mp4") == false)
    }

    @Test("a video keeps its class until that is removed; a class that does not exist is none")
    func classes() throws {
        let fixture = try Fixture()
        let number = try fixture.catalogue.addClass(name: "攻略", game: "Chess")
        #expect(try fixture.catalogue.classes().map(\.name) == ["攻略"])
        #expect(throws: CatalogueError.self) { try fixture.catalogue.addClass(name: "攻略", game: "Chess") }
        let upload = try fixture.begin()
        let video = try fixture.catalogue.seal(upload: upload.id, as: fixture.draft(classID: number), now: 2000)
        #expect(video?.classID == number && video?.gameName == "Chess")
        let copy = try fixture.catalogue.copy(video!, name: "w", classID: 999, guid: nil, now: 2000)
        #expect(copy.classID == nil && copy.gameName == "")
        #expect(try fixture.catalogue.removeClass(number))
        #expect(try !fixture.catalogue.removeClass(number))
        #expect(try fixture.catalogue.video(owner: "", md5: md5, size: nil)?.classID == nil)
    }

    @Test("a rejected upload keeps its reason until it is opened again")
    func rejected() throws {
        let fixture = try Fixture()
        let upload = try fixture.begin()
        _ = try fixture.catalogue.record(
            StoredChunk(number: 1, length: 40), layout: layout, upload: upload.id, now: 1000)
        try fixture.catalogue.reject(upload: upload.id, reason: "container", now: 1000)
        let found = try fixture.begin()
        #expect(found.id == upload.id && found.state == .rejected && found.reason == "container")
        #expect(try fixture.catalogue.chunks(ofUpload: upload.id) == [])
        try fixture.catalogue.reopen(upload: upload.id, now: 1000)
        #expect(try fixture.begin().state == .open)
    }

    @Test("only an upload without chunks is discarded as empty")
    func discardEmpty() throws {
        let fixture = try Fixture()
        let upload = try fixture.begin()
        _ = try fixture.catalogue.record(
            StoredChunk(number: 1, length: 40), layout: layout, upload: upload.id, now: 1000)
        #expect(try !fixture.catalogue.discardEmpty(upload: upload.id))
        try fixture.catalogue.forget(chunk: 1, upload: upload.id)
        #expect(try fixture.catalogue.discardEmpty(upload: upload.id))
    }

    @Test("two processes' catalogues on one file hand out different video numbers")
    func twoCatalogues() throws {
        let fixture = try Fixture()
        let other = try SQLiteCatalogue(path: fixture.path)
        let ids = try (0..<20).map { index in
            let key = UploadKey(owner: "o\(index)", md5: md5, extent: .guid("g"), chunks: 2)
            guard
                case .unfinished(let upload, _) = try (index % 2 == 0 ? fixture.catalogue : other).beginUpload(
                    key, guid: "g", now: 1000, expiry: 0)
            else { throw CatalogueError(.failed, "sealed") }
            return upload.videoID
        }
        #expect(Set(ids).count == 20)
    }
}
