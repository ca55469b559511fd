import ChunkStore
import Foundation
import Model
import System
import TestSupport
import Testing
import class TestTools.Locked

private let path = "upload/mp4/2026/11/original/a.mp4"
private let other = "upload/mp4/2026/11/original/b.mp4"

/// What every store promises, whatever it keeps the bytes in.
@Suite struct StoreContractTests {
    // MARK: Bytes

    @Test("chunks that come in any order are the video", arguments: StoreKind.allCases)
    func anyOrder(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let opened = try upload.open(site.store)
        #expect(opened.isNew && opened.lost == [])
        for chunk in upload.chunks.reversed() { try upload.put(chunk, to: opened.bytes) }
        opened.bytes.advance(to: upload.content.count, restarts: false)
        let verified = try opened.bytes.verify(size: upload.content.count, isSizeAnnounced: true)
        #expect(verified.md5 == md5Hex(upload.content) && verified.head.format == .mp4)
        #expect(try opened.bytes.publish(as: path))
        #expect(try site.another().published(path) == upload.content)
        #expect(site.store.publishedLength(path) == upload.content.count)
    }

    @Test("only the same bytes at the same place are the same", arguments: StoreKind.allCases)
    func holds(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        var wrong = upload.bytes(1)
        wrong[49_999] ^= 1
        #expect(try bytes.holds(contentOf(upload.bytes(1)), at: 50_000))
        #expect(try !bytes.holds(contentOf(wrong), at: 50_000))
        #expect(try !bytes.holds(contentOf(upload.bytes(1)), at: 50_001))
        #expect(try !bytes.holds(contentOf(upload.bytes(3) + [0]), at: 150_000))
    }

    @Test("the digest is that of the bytes that are there last", arguments: StoreKind.allCases)
    func replaced(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        var upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        _ = try bytes.verify(size: upload.content.count, isSizeAnnounced: true)
        upload.content[60_000] ^= 1
        try upload.put(1, to: bytes)
        bytes.advance(to: upload.content.count, restarts: true)
        let verified = try bytes.verify(size: upload.content.count, isSizeAnnounced: true)
        #expect(verified.md5 == md5Hex(upload.content))
    }

    @Test(
        "where the size was not announced, what an earlier last chunk had behind it is cut off",
        arguments: StoreKind.allCases)
    func shorter(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        var upload = SentUpload(1)
        upload.isSizeKnown = false
        let bytes = try upload.stored(in: site.store)
        upload.content.removeLast(1000)
        try upload.put(3, to: bytes)
        bytes.advance(to: upload.content.count, restarts: true)
        let verified = try bytes.verify(size: upload.content.count, isSizeAnnounced: false)
        #expect(verified.md5 == md5Hex(upload.content))
        #expect(try bytes.publish(as: path) && site.store.published(path) == upload.content)
    }

    // MARK: Other processes

    @Test("while one process has the turn no other one stores there or completes", arguments: StoreKind.allCases)
    func turns(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        let theirs = try upload.open(site.another(), upload.recorded).bytes
        for (ours, wanted) in [(upload.range(1), nil), (nil, upload.range(1))] as [(Range<Int>?, Range<Int>?)] {
            let hasTurn = Locked(false)
            let done = DispatchSemaphore(value: 0)
            let turn = try bytes.turn(at: ours)
            Thread.detachNewThread {
                if let theirTurn = try? theirs.turn(at: wanted) {
                    hasTurn.withLock { $0 = true }
                    _ = consume theirTurn
                }
                done.signal()
            }
            usleep(200_000)
            #expect(!hasTurn.withLock { $0 })
            _ = consume turn
            done.wait()
            #expect(hasTurn.withLock { $0 })
        }
        // Other chunks need not wait.
        let turn = try bytes.turn(at: upload.range(1))
        #expect(try theirs.isPublished(at: upload.range(3)) == false)
        _ = consume turn
    }

    @Test(
        "nothing is stored for an upload that another process has ended", arguments: [false, true], StoreKind.allCases)
    func ended(isPublished: Bool, kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        if isPublished { #expect(try bytes.publish(as: path)) }
        #expect(try bytes.isPublished(at: upload.range(0)) == isPublished)
        try site.another().removeUpload(1)
        #expect(try bytes.isPublished(at: upload.range(0)) == nil)
        #expect(bytes.closeRemoved() == !isPublished)
        #expect(site.store.hasPublished(path) == isPublished)
    }

    // MARK: Opening again

    @Test("chunks of another incarnation count only if their bytes are there", arguments: StoreKind.allCases)
    func inDoubt(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        _ = try upload.stored(in: site.store)
        // Never sent with these bytes.
        var wrong = upload
        wrong.content[120_000] ^= 1
        let recorded = wrong.recorded
        #expect(try upload.open(site.another(), recorded).lost == [])
        #expect(try upload.open(site.another(incarnation: "second"), recorded).lost == [recorded[2]])
        var distrusted = upload
        distrusted.incarnation = ""
        #expect(try distrusted.open(site.another(), recorded).lost == [recorded[2]])
        #expect(try site.store.lost(recorded, of: upload.record) { _ in } == [recorded[2]])
        #expect(try site.store.lost(recorded, of: SentUpload(2).record) { _ in } == nil)
    }

    @Test("of an upload that is not there all chunks are lost", arguments: StoreKind.allCases)
    func missing(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let opened = try upload.open(site.store, upload.recorded)
        #expect(opened.isNew && opened.lost == upload.recorded)
    }

    @Test(
        "an upload that was closed goes on, and what another process has replaced meanwhile is read again",
        arguments: StoreKind.allCases)
    func closed(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        var upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        bytes.close(upload.recorded)
        let again = try upload.open(site.store, upload.recorded)
        #expect(!again.isNew && again.lost == [])
        again.bytes.advance(to: upload.content.count, restarts: false)
        #expect(eventually { !again.bytes.whenBehind(atMost: 0, within: 0) {} })
        again.bytes.close(upload.recorded)
        upload.content[10] ^= 1
        try upload.put(0, to: upload.open(site.another(), upload.recorded).bytes)
        let third = try upload.open(site.store, upload.recorded).bytes
        third.advance(to: upload.content.count, restarts: false)
        #expect(try third.verify(size: upload.content.count, isSizeAnnounced: true).md5 == md5Hex(upload.content))
    }

    // MARK: Names

    @Test("a name has one content for ever", arguments: StoreKind.allCases)
    func names(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let (one, two) = (try SentUpload(1).stored(in: site.store), try SentUpload(2).stored(in: site.store))
        #expect(try one.publish(as: path) && one.publish(as: path))
        #expect(try !two.publish(as: path))
        #expect(one.isPublished(as: path) && !two.isPublished(as: path) && !one.isPublished(as: other))
        #expect(site.store.isUpload(1, publishedAs: path) && !site.store.isUpload(2, publishedAs: path))
        site.store.withdraw(path)
        #expect(!one.isPublished(as: path) && !site.store.hasPublished(path))
        #expect(try two.publish(as: path))
    }

    @Test("of the known videos those are the same whose bytes are", arguments: [true, false], StoreKind.allCases)
    func same(isComparedAsItComes: Bool, kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(3)
        var wrong = SentUpload(1, upload.content)
        wrong.content[199_998] ^= 1
        try SentUpload(2, upload.content).published(in: site.store, as: path)
        try wrong.published(in: site.store, as: other)
        let known = [path, other, "upload/mp4/2026/11/original/gone.mp4"]
        let bytes = try upload.stored(in: site.store, known: isComparedAsItComes ? known : [])
        let turn = try bytes.turn(at: nil)
        let size = upload.content.count
        #expect(bytes.same(among: known, size: size) == [path])
        #expect(bytes.isPublished(as: path) && !bytes.isPublished(as: known[2]))
        // Another video takes the place.
        site.store.withdraw(path)
        try wrong.published(in: site.store, as: path)
        #expect(!bytes.isPublished(as: path))
        #expect(bytes.same(among: known, size: size) == [])
        _ = consume turn
    }

    @Test("a listing shows every video, and which ones are about to be recorded", arguments: StoreKind.allCases)
    func listing(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        try SentUpload(1).published(in: site.store, as: path)
        _ = try SentUpload(2).stored(in: site.store).publish(as: other)
        var found: [String: Bool] = [:]
        try site.store.forEachPublished { found[$0.path] = $0.isUnfinished }
        #expect(found == [path: false, other: true])
        #expect(try site.store.incomingFiles().map(\.upload) == [2])
        #expect(try site.store.incomingFiles().map(\.occupied) == [0])
    }

    // MARK: Removing

    @Test("what is removed takes no room, whoever has it open", arguments: StoreKind.allCases)
    func removed(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let upload = SentUpload(1)
        let bytes = try upload.stored(in: site.store)
        try site.another().removeUpload(1)
        #expect(bytes.closeRemoved())
        #expect(try !bytes.holds(contentOf(upload.bytes(1)), at: 50_000))
        #expect(try site.store.incomingFiles().isEmpty)
        // As a page that goes on: from the beginning.
        #expect(try upload.open(site.store, upload.recorded).isNew)
        #expect(try bytes.isPublished(at: upload.range(0)) == nil)
    }

    @Test("a video goes to the trash and from there, and nothing else does", arguments: StoreKind.allCases)
    func trash(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        for (id, path) in [(1, path), (2, other)] as [(Int64, String)] {
            try SentUpload(id).published(in: site.store, as: path)
        }
        #expect(try site.store.moveToTrash(path, as: "7") == "7" && site.store.moveToTrash(other, as: "8") == "8")
        #expect(!site.store.hasPublished(path) && !site.store.hasPublished(other))
        #expect(try site.store.moveToTrash(path, as: "7") == nil)
        #expect(try site.store.trash().sorted() == ["7", "8"])
        #expect(try site.store.removeTrash("7", movedFrom: path) >= 199_999)
        #expect(try site.store.removeTrash("7", movedFrom: path) == 0)
        #expect(try site.store.trash() == ["8"])
        for foreign in ["incoming/1.part", "upload/../incoming", "video-intake.db"] {
            let error = #expect(throws: StoreError.self) { try site.store.moveToTrash(foreign, as: "8") }
            #expect(error?.reason == .foreign, "\(foreign)")
            let removal = #expect(throws: StoreError.self) { try site.store.removePublished(foreign) }
            #expect(removal?.reason == .foreign, "\(foreign)")
        }
    }

    @Test(
        "a directory is published as a whole, and goes alone; the last one with what it was in",
        arguments: StoreKind.allCases)
    func directories(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        let above = "upload/mp4/2026/11/transcoded/a.mp4"
        func make(_ text: String) throws -> LocalFile {
            let url = site.directory.appendingPathComponent("work")
            try FileManager.default.createDirectory(
                at: url.appendingPathComponent("hls"), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url.appendingPathComponent("hls/a"))
            return LocalFile(path: url.path)
        }
        func text(_ path: String) -> String { textOfFile(site.store.localFile(ofPublished: "\(path)/hls/a").path) }
        #expect(try site.store.publishedNames(in: above) == [])
        try site.store.publish(make("first"), as: above + "/7.1")
        try site.another().publish(make("second"), as: above + "/7.2")
        #expect(text(above + "/7.1") == "first" && text(above + "/7.2") == "second")
        // Nothing takes the place of what is there, and without a directory there is nothing to publish.
        let third = try make("third")
        #expect(throws: StoreError.self) { try site.store.publish(third, as: above + "/7.2") }
        #expect(text(above + "/7.2") == "second" && textOfFile(third.path + "/hls/a") == "third")
        #expect(throws: StoreError.self) {
            try site.store.publish(LocalFile(path: third.path + "/none"), as: above + "/7.3")
        }
        #expect(try site.store.publishedNames(in: above).sorted() == ["7.1", "7.2"])
        var found: Set<String> = []
        try site.store.forEachTranscoded { path, _ in found.insert(path) }
        #expect(found == [above, above + "/7.1", above + "/7.2"])
        // Each of the two ways in which one is removed.
        #expect(try site.store.moveToTrash(above + "/7.1", as: "1") == "1")
        #expect(try site.store.removeTrash("1", movedFrom: above + "/7.1") > 0)
        #expect(text(above + "/7.2") == "second" && !site.store.hasPublished(above + "/7.1"))
        #expect(try site.store.removePublished(above + "/7.2") > 0)
        #expect(!site.store.hasPublished(above))
        // It comes again where it was.
        try site.store.publish(third, as: above + "/8.1")
        #expect(text(above + "/8.1") == "third")
    }

    @Test("what belongs to no upload is set aside, beside what was set aside before", arguments: StoreKind.allCases)
    func setAside(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        var places: [String] = []
        for _ in 0..<2 {
            _ = try SentUpload(1).stored(in: site.store)
            let file = try #require(try site.store.incomingFiles().first)
            places.append(try #require(try site.store.setAside(file)))
            #expect(try site.store.setAside(file) == nil)
        }
        #expect(Set(places).count == 2)
        #expect(try site.store.incomingFiles().isEmpty)
    }

    // MARK: Room

    @Test("a reserve that is reached refuses the next byte", arguments: StoreKind.allCases)
    func reserve(kind: StoreKind) throws {
        let site = try StoreSite(kind)
        try site.store.checkRoom(for: 1)
        let error = #expect(throws: StoreError.self) { try site.another(full: true).checkRoom(for: 1) }
        #expect(error?.reason == .diskFull)
        let room = try site.store.room()
        #expect(try room.data > 0 && site.store.room(since: room).data <= room.data)
    }
}
