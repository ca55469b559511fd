import Catalogue
import Foundation
import Testing
import TestSupport
import Model

private let (first, second) = (
    StoredChunk(number: 0, length: 60, crc32c: 1), StoredChunk(number: 1, length: 40, crc32c: 0xFFFF_FFFF)
)

/// What uploads have, and what they become.
@Suite struct UploadTests {
    @Test("the same key is the same upload, whatever its guid; another owner's is another")
    func uploadByKey() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        #expect(try fixture.begin(guid: "h").id == upload.id)
        #expect(try fixture.begin(owner: "bob").id != upload.id)
    }

    @Test("chunks of another length are another upload of the same file; without a chunk size it is the newest")
    func uploadByChunkSize() throws {
        let fixture = try CatalogueFixture()
        func begin(_ chunkSize: Int?, guid: String, isFirst: Bool = false) throws -> UploadStart {
            let key = UploadKey(owner: "", md5: md5, extent: .guid("x"), chunks: 2, chunkSize: chunkSize)
            return try fixture.start(key, guid: guid, isFirst: isFirst, now: 1000, expiry: 0)
        }
        guard case .unplaced = try begin(nil, guid: "g") else { throw CatalogueError(.failed, "placed") }
        #expect(try fixture.count("upload") == 0)
        guard case .unfinished(let small, _, _) = try begin(60, guid: "g"),
            case .unfinished(let big, _, let left) = try begin(70, guid: "h"),
            case .unfinished(let last, _, _) = try begin(nil, guid: "h")
        else { throw CatalogueError(.failed, "not begun") }
        #expect(small.id != big.id && last.id == big.id && last.key.chunkSize == 70 && left == [])
    }

    @Test("a guid goes on with another upload only with its first chunk, or where the other one has no chunk")
    func guidGoesOn() throws {
        let fixture = try CatalogueFixture()
        func begin(_ chunkSize: Int, isFirst: Bool) throws -> UploadStart {
            let key = UploadKey(owner: "", md5: md5, extent: .size(100), chunks: 2, chunkSize: chunkSize)
            return try fixture.start(key, guid: "g", isFirst: isFirst, now: 1000, expiry: 0)
        }
        guard case .unfinished(let one, _, _) = try begin(60, isFirst: true),
            case .unfinished(let two, _, let left) = try begin(70, isFirst: false)
        else { throw CatalogueError(.failed, "not begun") }
        #expect(left == [one.id])
        _ = try fixture.record(second, two)
        guard case .otherChunkSize = try begin(60, isFirst: false) else { throw CatalogueError(.failed, "it goes on") }
        try fixture.catalogue.noteFirstChunk(guid: "g", upload: two.id)
        guard case .unfinished(let again, _, let left) = try begin(60, isFirst: true) else {
            throw CatalogueError(.failed, "not begun")
        }
        #expect(again.id == one.id && left == [two.id])
        // Another guid is not concerned.
        let key = UploadKey(owner: "", md5: md5, extent: .size(100), chunks: 2, chunkSize: 80)
        guard case .unfinished = try fixture.start(key, guid: "h", now: 1000, expiry: 0) else {
            throw CatalogueError(.failed, "not begun")
        }
    }

    @Test("what an upload has received and still promises is counted with every chunk, replaced and lost ones too")
    func bytes() throws {
        let fixture = try CatalogueFixture()
        func expect(_ received: Int, _ promised: Int, _ comment: Comment) throws {
            #expect(try fixture.begin().receivedBytes == received, comment)
            #expect(try fixture.catalogue.promisedBytes() == promised, comment)
        }
        let upload = try fixture.begin()
        try expect(0, 100, "begun")
        for _ in 0..<2 { _ = try fixture.record(first, upload) }
        try expect(60, 40, "one, twice")
        _ = try fixture.record(StoredChunk(number: 1, length: 39, crc32c: 1), upload)
        try expect(99, 1, "another")
        _ = try fixture.record(second, upload)
        try expect(100, 0, "replaced")
        for _ in 0..<2 { try fixture.catalogue.forget(chunk: 0, upload: upload.id) }
        try expect(40, 60, "forgotten")
        #expect(try fixture.catalogue.trust(upload, bootID: "boot", lost: [second]))
        try expect(0, 100, "lost")
        try fixture.execute("UPDATE upload SET is_known = 1")
        #expect(try fixture.catalogue.promisedBytes() == 0)
    }

    @Test("chunks that are lost are forgotten when their upload is trusted again, but not one that came meanwhile")
    func trust() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        _ = try fixture.record(first, upload)
        _ = try fixture.record(second, upload)
        let replaced = StoredChunk(number: 1, length: 40, crc32c: 7)
        _ = try fixture.record(replaced, upload)
        #expect(try fixture.catalogue.trust(upload, bootID: "next", lost: [first, second]))
        #expect(try fixture.catalogue.chunks(ofUpload: upload.id) == [replaced])
        let trusted = try #require(try fixture.catalogue.openUploads().first)
        #expect(trusted.bootID == "next" && trusted.received == 1 && !trusted.isWhole)
        // What this process thought to know is out of date.
        #expect(try !fixture.catalogue.trust(upload, bootID: "another", lost: [replaced]))
        try fixture.catalogue.distrust(upload: upload.id)
        #expect(try fixture.catalogue.openUploads().first?.bootID == "")
    }

    @Test("a chunk counts once, however often it is recorded, and not when it is forgotten")
    func counting() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        #expect(try fixture.record(first, upload) == 1)
        #expect(try fixture.record(first, upload) == 1)
        #expect(try fixture.record(second, upload) == 2)
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        #expect(try fixture.catalogue.chunks(ofUpload: upload.id) == [second])
        #expect(try fixture.record(first, upload) == 2)
    }

    @Test("sealing makes one record, with the number the upload began with; the second call gets the same")
    func seal() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        let video = try #require(try fixture.seal(upload.id))
        #expect(video.id == upload.videoID && video.createTime == 2000 && video.duration == 1.5)
        #expect(try fixture.seal(upload.id, "other", now: 3000) == video)
        #expect(try fixture.record(first, upload, now: 3000) == nil)
        #expect(try fixture.catalogue.video(ofUpload: upload.id) == video)
        guard case .sealed(let found) = try fixture.start(upload.key, guid: "g", now: 3000, expiry: 3000 - day)
        else { throw CatalogueError(.failed, "not sealed") }
        #expect(found == video)
        #expect(try fixture.seal(999) == nil)
    }

    @Test("the record of content that the owner has points to the file that is there")
    func sameContent() throws {
        let fixture = try CatalogueFixture()
        let first = try fixture.begin()
        _ = try fixture.seal(first.id, path: "upload/first.mp4")
        let second = try fixture.begin(guid: "h")
        #expect(second.isKnown && !first.isKnown)
        // What was not compared with it is none the wiser for its md5.
        guard case .unknownFiles = try fixture.sealing(second.id, path: "upload/x.mp4", knowing: []) else {
            throw CatalogueError(.failed, "sealed")
        }
        let video = try fixture.seal(second.id, path: "upload/first.mp4")
        #expect(video?.path == "upload/first.mp4" && video?.id == second.videoID)
        // Other bytes with the same md5 have a file of their own.
        let third = try fixture.seal(try fixture.begin(guid: "i").id, path: "upload/x.mp4")
        #expect(third?.path == "upload/x.mp4")
        let files = try fixture.catalogue.knownFiles(owner: "", md5: md5, size: 100)
        #expect(files == ["upload/first.mp4", "upload/x.mp4"])
    }

    @Test("a path whose file is being removed, is another video's, or is not there is no video's")
    func lostPaths() throws {
        let fixture = try CatalogueFixture()
        let catalogue = fixture.catalogue
        let video = try #require(try fixture.seal(try fixture.begin().id))
        let draft = VideoDraft(name: "v", guid: "g", path: video.path, classID: nil)
        func begin() throws -> Upload { try fixture.begin(guid: "h") }
        #expect(try !catalogue.setDraft(draft, upload: begin().id), "a record has it")
        let garbage = try #require(try catalogue.deleteVideo(id: video.id, now: 9))
        #expect(try catalogue.garbage(limit: 9) == garbage && garbage[0].path == video.path)
        #expect(try !catalogue.setDraft(draft, upload: begin().id), "it is garbage")
        // An upload that had the name before, as one with the same guid has.
        try fixture.execute("UPDATE upload SET path = '\(video.path)' WHERE state = 'open'")
        func seal(isPublished: Bool = true) throws -> Sealing {
            try catalogue.seal(
                upload: begin().id, as: draft, size: 100, duration: nil, knowing: [], now: 10, uploadTime: 10
            ) { _, _ in isPublished }
        }
        guard case .pathLost = try seal() else { throw CatalogueError(.failed, "sealed") }
        var isMoved = false
        #expect(try catalogue.whileGarbage(garbage[0]) { isMoved = true } && isMoved)
        try catalogue.forget(garbage[0])
        #expect(try !catalogue.whileGarbage(garbage[0]) { isMoved = false } && isMoved)
        // What was made of it is still to go.
        guard case .pathLost = try seal() else { throw CatalogueError(.failed, "sealed") }
        try catalogue.forget(garbage[1])
        guard case .pathLost = try seal(isPublished: false) else { throw CatalogueError(.failed, "sealed") }
        guard case .sealed = try seal() else { throw CatalogueError(.failed, "not sealed") }
        #expect(try !catalogue.whileUnrecorded(video.path) { isMoved = false } && isMoved)
    }

    @Test("with a video the same client's other uploads of that content end, but for those that have other bytes")
    func others() throws {
        let fixture = try CatalogueFixture()
        func begin(_ chunkSize: Int, _ guid: String) throws -> Upload {
            let key = UploadKey(owner: "", md5: md5, extent: .size(100), chunks: 2, chunkSize: chunkSize)
            guard case .unfinished(let upload, _, _) = try fixture.start(key, guid: guid, now: 1000, expiry: 0) else {
                throw CatalogueError(.failed, "sealed")
            }
            return upload
        }
        let (upload, same, stranger) = (try begin(60, "g"), try begin(70, "h"), try begin(80, "i"))
        _ = try fixture.record(first, upload)
        _ = try fixture.record(first, same)
        try fixture.execute("UPDATE upload SET client = iif(upload_id = \(stranger.id), 'b', 'a')")
        // Another client has an upload of it too; so has the same one, with a chunk that differs.
        let other = try begin(90, "j")
        try fixture.execute("UPDATE upload SET client = 'a' WHERE upload_id = \(other.id)")
        _ = try fixture.record(StoredChunk(number: 0, length: 60, crc32c: 2), other)
        guard case .sealed(let video, let ended) = try fixture.sealing(upload.id) else {
            throw CatalogueError(.failed, "not sealed")
        }
        #expect(ended.map(\.id) == [same.id])
        #expect(try fixture.catalogue.video(ofUpload: same.id) == video)
        #expect(try fixture.catalogue.openUploads().map(\.id) == [stranger.id, other.id])
        guard case .sealed(video) = try fixture.start(same.key, guid: "h", now: 3000, expiry: 0) else {
            throw CatalogueError(.failed, "its guid is no alias")
        }
        #expect(try fixture.catalogue.chunks(ofUpload: same.id) == [])
    }

    @Test("a duration that is found out later is that of every record of the file, copies of an old look included")
    func laterDuration() throws {
        let fixture = try CatalogueFixture()
        let video = try #require(try fixture.seal(try fixture.begin().id, duration: nil))
        #expect(video.duration == nil)
        let copy = try fixture.catalogue.copy(video, name: "copy", classID: nil, guid: nil, now: 2000)
        #expect(copy?.duration == nil)
        #expect(try fixture.catalogue.unprobedPaths(limit: 100) == ["upload/v.mp4"])

        let changed = try fixture.catalogue.setDuration(7.5, path: "upload/v.mp4")
        #expect(changed.map(\.id) == [video.id, copy?.id] && changed.allSatisfy { $0.duration == 7.5 })
        #expect(try fixture.catalogue.unprobedPaths(limit: 100) == [])
        #expect(try fixture.catalogue.setDuration(9, path: "upload/v.mp4") == [])
        let later = try fixture.catalogue.copy(video, name: "later", classID: nil, guid: nil, now: 2000)
        #expect(later?.duration == 7.5)
        let same = try fixture.seal(try fixture.begin(guid: "h").id, path: "upload/v.mp4", duration: nil)
        #expect(same?.duration == 7.5)
    }

    @Test("a video keeps its class until that is removed; a class that does not exist is none")
    func classes() throws {
        let fixture = try CatalogueFixture()
        let number = try fixture.catalogue.addClass(name: "攻略", game: "Chess")
        #expect(try fixture.catalogue.classes().map(\.name) == ["攻略"])
        #expect(throws: CatalogueError.self) { try fixture.catalogue.addClass(name: "攻略", game: "Chess") }
        let upload = try fixture.begin()
        let video = try fixture.seal(upload.id, classID: number)
        #expect(video?.classID == number && video?.gameName == "Chess")
        let copy = try fixture.catalogue.copy(video!, name: "w", classID: 999, guid: nil, now: 2000)
        #expect(copy?.classID == nil && copy?.gameName == "")
        #expect(try fixture.catalogue.removeClass(number))
        #expect(try !fixture.catalogue.removeClass(number))
        #expect(try fixture.catalogue.video(owner: "", md5: md5, size: nil)?.classID == nil)
    }

    @Test("only an upload without chunks is discarded as empty")
    func discardEmpty() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        _ = try fixture.record(second, upload)
        #expect(try !fixture.catalogue.discardEmpty(upload: upload.id))
        try fixture.catalogue.forget(chunk: 1, upload: upload.id)
        #expect(try fixture.catalogue.discardEmpty(upload: upload.id))
    }

    @Test("two processes' catalogues on one file hand out different video numbers")
    func twoCatalogues() throws {
        let fixture = try CatalogueFixture()
        let other = try fixture.another()
        let ids = try (0..<20).map { index in
            let key = UploadKey(owner: "o\(index)", md5: md5, extent: .guid("g"), chunks: 2, chunkSize: 60)
            guard
                case .unfinished(let upload, _, _) = try fixture.start(
                    key, guid: "g", now: 1000, expiry: 0, in: index % 2 == 0 ? nil : other)
            else { throw CatalogueError(.failed, "sealed") }
            return upload.videoID
        }
        #expect(Set(ids).count == 20)
    }
}

/// Video numbers that somebody takes by SQL, as the documented import of old videos does.
@Suite struct NumberTests {
    /// Inserts a video as an operator does.
    private func take(_ number: Int64, _ fixture: CatalogueFixture) throws {
        try fixture.execute(
            """
            INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time, update_time)
            VALUES (\(number), '', 'old', 'upload/old.mp4', 5, 1, '\(String(repeating: "b", count: 32))', 1, 1)
            """)
    }

    @Test("an upload whose number was taken while it was under way becomes a video with another one")
    func takenMeanwhile() throws {
        let fixture = try CatalogueFixture()
        let upload = try fixture.begin()
        try take(upload.videoID, fixture)
        let video = try #require(try fixture.seal(upload.id))
        #expect(video.id > upload.videoID)
        #expect(try fixture.seal(upload.id)?.id == video.id)
        #expect(try fixture.catalogue.video(ofUpload: upload.id)?.id == video.id)
        #expect(try fixture.catalogue.video(id: upload.videoID)?.name == "old")
    }

    @Test("numbers go on above those that were taken, also if their videos are deleted or were renumbered")
    func takenBefore() throws {
        let fixture = try CatalogueFixture()
        try take(4711, fixture)
        #expect(try fixture.begin().videoID == 4712)
        try take(5000, fixture)
        try fixture.execute("DELETE FROM video_info WHERE video_id = 5000")
        #expect(try fixture.begin(owner: "b").videoID == 5001)
        try fixture.execute("UPDATE video_info SET video_id = 6000 WHERE video_id = 4711")
        #expect(try fixture.begin(owner: "c").videoID == 6001)
        try fixture.execute("UPDATE id_sequence SET last = 0")
        let known = try #require(try fixture.catalogue.video(id: 6000))
        #expect(try fixture.catalogue.copy(known, name: "d", classID: nil, guid: nil, now: 1000)?.id == 6001)
    }

    @Test("numbers that are taken are found, and repaired")
    func wrongNumbers() throws {
        let fixture = try CatalogueFixture()
        let (first, second) = (try fixture.begin(), try fixture.begin(owner: "b"))
        #expect(try fixture.catalogue.wrongNumbers(isRepairing: false) == [])
        try take(first.videoID, fixture)
        try fixture.execute("UPDATE upload SET video_id = 77 WHERE upload_id = \(second.id)")
        let findings = try fixture.catalogue.wrongNumbers(isRepairing: false)
        #expect(
            findings == [
                "the last number that was given out is said to be 2, but 77 is taken",
                "upload 1 is to become video 1, a number that a video has",
            ])
        #expect(try fixture.catalogue.wrongNumbers(isRepairing: true) == findings)
        #expect(try fixture.catalogue.wrongNumbers(isRepairing: false) == [])
        #expect(try fixture.catalogue.openUploads().map(\.videoID) == [78, 77])
        try fixture.execute("UPDATE upload SET video_id = 78")
        #expect(
            try fixture.catalogue.wrongNumbers(isRepairing: true) == [
                "upload 2 is to become video 78, a number that an older upload has"
            ])
        #expect(try fixture.catalogue.openUploads().map(\.videoID) == [78, 79])
    }
}
