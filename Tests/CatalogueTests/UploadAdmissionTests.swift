import Catalogue
import TestSupport
import Testing
import Model

/// Which uploads begin, how long they live, and what becomes of their guids.
@Suite struct UploadAdmissionTests {
    private func key(_ size: Int, owner: String = "", chunks: Int = 3) -> UploadKey {
        UploadKey(owner: owner, md5: md5, extent: .size(size), chunks: chunks, chunkSize: 40)
    }

    private func record(_ upload: Upload, _ chunks: [Int], length: Int = 10, now: Int64, _ fixture: CatalogueFixture)
        throws
    {
        for chunk in chunks {
            let stored = StoredChunk(number: chunk, length: length, crc32c: 1)
            #expect(try fixture.record(stored, upload, now: now) != nil)
        }
    }

    /// The upload that a request begins or goes on with.
    private func unfinished(_ start: UploadStart) throws -> (upload: Upload, expired: [Int64]) {
        guard case .unfinished(let upload, let expired, _) = start else {
            throw CatalogueError(.failed, "\(start)")
        }
        return (upload, expired.map(\.id))
    }

    private func refusal(_ start: UploadStart) -> Refusal? {
        guard case .refused(let refusal, _) = start else { return nil }
        return refusal
    }

    @Test(
        "an upload with at most one chunk lives for an hour, one of known content for 10 minutes, others for the lifetime",
        arguments: [
            (chunks: [Int](), isKnown: false, life: 3600 as Int64), ([0], false, 3600), ([0, 1], false, day),
            ([0, 1], true, 600), ([Int](), true, 600),
        ])
    func lives(chunks: [Int], isKnown: Bool, life: Int64) throws {
        let fixture = try CatalogueFixture()
        if isKnown {
            _ = try fixture.seal(
                try unfinished(try fixture.start(key(100), guid: "o", isFirst: true, now: 900, expiry: 0)).upload.id)
        }
        let key = key(100)
        let old = try unfinished(try fixture.start(key, guid: "g", isFirst: true, now: 1000, expiry: 1000 - day)).upload
        #expect(old.isKnown == isKnown)
        try record(old, chunks, now: 1000, fixture)
        func expiry(_ now: Int64) -> UploadExpiry { UploadExpiry(now: now, lifetime: day) }
        let (before, after) = (1000 + life - 1, 1000 + life)
        #expect(
            try fixture.catalogue.unfinishedUploads(key, expiry: expiry(before), limit: 9).first?.upload.id == old.id)
        #expect(try fixture.catalogue.unfinishedUploads(key, expiry: expiry(after), limit: 9).isEmpty)
        #expect(try fixture.catalogue.expireUploads(expiry(before), isDryRun: false).unfinished.isEmpty)
        #expect(
            try fixture.catalogue.expireUploads(expiry(after), isDryRun: true).unfinished.map { [$0.path, "\($0.id)"] }
                == [["upload/g.mp4", "\(old.id)"]])
        // Another page's request finds it gone, and makes a new one.
        let new = try unfinished(try fixture.start(key, guid: "h", isFirst: true, now: after, expiry: after - day))
        #expect(new.upload.id != old.id && new.expired == [old.id])
        // The page whose chunks are gone is told, but with its first chunk it begins anew.
        let late = try fixture.start(key, guid: "g", isFirst: false, now: after, expiry: after - day)
        #expect(refusal(late)?.reason == (chunks.isEmpty ? nil : "expired"))
        #expect(
            try unfinished(try fixture.start(key, guid: "g", isFirst: true, now: after, expiry: after - day)).upload.id
                == new.upload.id)
        let again = try fixture.start(key, guid: "g", isFirst: false, now: after, expiry: after - day)
        #expect(try unfinished(again).upload.id == new.upload.id)
    }

    @Test("a sweep leaves refusals behind, and forgets them when the lifetime is over")
    func sweep() throws {
        let fixture = try CatalogueFixture()
        let upload = try unfinished(try fixture.start(key(100), guid: "g", isFirst: true, now: 1000, expiry: 0)).upload
        try record(upload, [1], now: 1000, fixture)
        let found = try fixture.catalogue.expireUploads(UploadExpiry(now: 1000 + 3600, lifetime: day), isDryRun: false)
        #expect(found.unfinished.map(\.id) == [upload.id])
        #expect(try fixture.count("refusal") == 1)
        // Its first chunk has not come: when it comes it is not for the first time again.
        let now: Int64 = 1000 + 3600
        #expect(
            refusal(try fixture.start(key(100), guid: "g", isFirst: true, now: now, expiry: now - day))?.reason
                == "expired")
        #expect(refusal(try fixture.start(key(100), guid: "g", isFirst: true, now: now, expiry: now - day)) == nil)
        _ = try fixture.catalogue.refuse(
            Refusal(
                owner: "", md5: md5, guid: "x", reason: "md5", hasFirst: true, client: .unknown, time: now,
                isRecorded: true))
        #expect(try fixture.count("refusal") == 1)
        _ = try fixture.catalogue.expireUploads(UploadExpiry(now: now + day, lifetime: day), isDryRun: false)
        #expect(try fixture.count("refusal") == 0)
    }

    @Test("no more uploads begin than there may be, of all clients and of one; known ones go on")
    func limits() throws {
        let fixture = try CatalogueFixture()
        func begin(_ owner: String, _ size: Int, guid: String = "g") throws -> UploadStart {
            try fixture.start(
                key(size, owner: owner), guid: guid, isFirst: true, now: 1000, expiry: 0,
                limits: UploadLimits(total: 4, perClient: 1))
        }
        _ = try unfinished(try begin("alice", 1))
        #expect(refusal(try begin("alice", 2, guid: "h"))?.reason == "quota client")
        _ = try unfinished(try begin("bob", 1))
        // Those that cannot be told apart are not limited as one.
        _ = try unfinished(try begin("", 1))
        _ = try unfinished(try begin("", 2))
        #expect(refusal(try begin("", 3, guid: "h"))?.reason == "quota client")
        #expect(try unfinished(try begin("carol", 1)).expired.count == 1)
        _ = try unfinished(try begin("alice", 1))
    }

    @Test("promised bytes count from the first chunk on, and what has come is no promise any more")
    func promises() throws {
        let fixture = try CatalogueFixture()
        let upload = try unfinished(
            try fixture.start(key(100), guid: "g", isFirst: true, now: 1000, expiry: 0, room: 100)
        ).upload
        #expect(try fixture.catalogue.promisedBytes() == 100)
        try record(upload, [0, 1], length: 30, now: 1000, fixture)
        #expect(try fixture.catalogue.promisedBytes() == 40)
        try record(upload, [1], length: 20, now: 1000, fixture)
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        #expect(try fixture.catalogue.promisedBytes() == 80)
        let alice = Client(owner: "alice", address: "")
        let (fits, not) = (
            try fixture.start(key(20), guid: "a", isFirst: true, now: 1000, expiry: 0, room: 100, client: alice),
            try fixture.start(key(21), guid: "b", isFirst: true, now: 1000, expiry: 0, room: 100, client: alice)
        )
        #expect(try unfinished(fits).expired == [])
        // It takes from the client that holds more, and who is told so.
        #expect(try unfinished(not).expired == [upload.id])
        let evicted = try fixture.start(key(100), guid: "g", isFirst: false, now: 1000, expiry: 0, room: 100)
        #expect(refusal(evicted)?.reason == "expired")
    }

    @Test("while what gave way is still on the disk, who would have room without it comes again")
    func comingFree() throws {
        let fixture = try CatalogueFixture()
        func start(_ size: Int, _ owner: String, now: Int64, room: Int, unrecorded: Int = 0) throws -> UploadStart {
            try fixture.start(
                key(size, owner: owner), guid: owner, isFirst: true, now: now, expiry: 0, room: room,
                unrecorded: unrecorded)
        }
        func awaits(_ start: UploadStart) -> Bool { if case .awaitsRoom = start { true } else { false } }
        let attacker = try unfinished(try start(100, "attacker", now: 1000, room: 100)).upload
        try record(attacker, [0], length: 60, now: 1000, fixture)
        #expect(try unfinished(try start(50, "bob", now: 1001, room: 40)).expired == [attacker.id])
        // 60 bytes of the attacker's are still on the disk.
        #expect(awaits(try start(50, "carol", now: 1001, room: 40)))
        #expect(awaits(try start(50, "carol", now: 1006, room: 40)))
        #expect(try fixture.freed(now: 1006) > 0)
        #expect(refusal(try start(60, "dave", now: 1006, room: 40))?.reason == "disk-full")
        #expect(try fixture.count("refusal") == 2)
        #expect(try fixture.freed(now: 1007) == 0)
        #expect(refusal(try start(50, "erin", now: 1007, room: 40))?.reason == "disk-full")
        // Bytes that are written and not recorded are taken and promised.
        #expect(awaits(try start(50, "frank", now: 1007, room: 90, unrecorded: 10)))
        #expect(try unfinished(try start(50, "carol", now: 1007, room: 100)).expired.isEmpty)
    }

    @Test("while uploads above a share are about to be videos, who is below it comes again; one that is not gives way")
    func aboutToBeVideos() throws {
        let fixture = try CatalogueFixture()
        func start(_ size: Int, _ owner: String) throws -> UploadStart {
            try fixture.start(
                key(size, owner: owner), guid: "\(owner)\(size)", isFirst: true, now: 1000, expiry: 0,
                limits: UploadLimits(total: 2, perClient: 2))
        }
        let uploads = try [10, 11].map { try unfinished(try start($0, "large")).upload }
        for upload in uploads { for chunk in 0..<upload.key.chunks { try record(upload, [chunk], now: 1000, fixture) } }
        guard case .awaitsRoom(.quota(.uploads), expired: []) = try start(12, "bob") else {
            Issue.record("it does not come again")
            return
        }
        #expect(try fixture.count("refusal") == 0)
        #expect(refusal(try start(13, "large"))?.reason == "quota client")
        // It becomes none, and has a chunk less.
        try fixture.catalogue.forget(chunk: 0, upload: uploads[1].id)
        #expect(try unfinished(try start(12, "bob")).expired == [uploads[1].id])
    }

    @Test("who comes while others give way takes no more than is missing, and nothing from clients below their share")
    func arrivals() throws {
        let fixture = try CatalogueFixture()
        // 100 bytes, all of them of one client, and on the disk until they are removed.
        var large: [Int64] = []
        for number in 0..<10 {
            let key = key(10, owner: "large", chunks: number + 2)
            let start = try fixture.start(key, guid: "a\(number)", isFirst: true, now: 1000, expiry: 0, room: 100)
            let upload = try unfinished(start).upload
            try record(upload, [0], now: 1000, fixture)
            large.append(upload.id)
        }
        for (number, owner) in ["bob", "carol", "dave", "erin", "frank"].enumerated() {
            let key = key(13 - number, owner: owner)
            let gone = try unfinished(
                try fixture.start(key, guid: owner, isFirst: true, now: 1000, expiry: 0, room: 0)
            ).expired
            // 13, 12, 11, 10 and 9 bytes are missing, of which 7, 5, 4 and 4 are left over by the one before.
            #expect(gone == Array(large.prefix(number == 0 ? 2 : 1)), "\(owner)")
            large.removeFirst(gone.count)
        }
        #expect(try fixture.count("upload") == 9)
        #expect(try fixture.freed(now: 1000) > 0)
        try fixture.catalogue.noteRemoved(bytes: 60)
        #expect(try fixture.freed(now: 1000) == 0)
    }

    @Test("the lives that are over end a hundred at a time, unless they are only counted")
    func batches() throws {
        let fixture = try CatalogueFixture()
        for number in 1...250 {
            _ = try unfinished(
                try fixture.start(key(number), guid: "g\(number)", isFirst: true, now: 1000, expiry: 0))
        }
        let expiry = UploadExpiry(now: 1000 + day, lifetime: day)
        #expect(try fixture.catalogue.expireUploads(expiry, isDryRun: true).unfinished.count == 250)
        var (counts, isPart) = ([Int](), true)
        while isPart {
            let found = try fixture.catalogue.expireUploads(expiry, isDryRun: false)
            counts.append(found.unfinished.count)
            isPart = found.isPart
            #expect(try fixture.count("upload") == 250 - counts.reduce(0, +))
        }
        #expect(counts == [100, 100, 50])
    }

    @Test("where no room is left, nothing is written for a request that is refused")
    func noRow() throws {
        let fixture = try CatalogueFixture()
        for room in [0, 10] {
            let refused = refusal(
                try fixture.start(key(100), guid: "g\(room)", isFirst: true, now: 1000, expiry: 0, room: room))
            #expect(refused?.reason == "disk-full" && refused?.isRecorded == (room > 0))
            #expect(try fixture.count("refusal") == (room > 0 ? 1 : 0))
        }
        #expect(try fixture.count("upload") == 0 && fixture.count("upload_guid") == 0)
    }

    @Test("a first chunk that is no video refuses its guid, and takes the upload along if that has no other")
    func container() throws {
        let fixture = try CatalogueFixture()
        func begin(_ guid: String, isFirst: Bool = true, refusal: String? = nil) throws -> UploadStart {
            try fixture.start(key(100), guid: guid, isFirst: isFirst, now: 1000, expiry: 0, refusal: refusal)
        }
        let upload = try unfinished(try begin("g")).upload
        guard case .refused(let bad, let gone) = try begin("bad", refusal: "container") else {
            throw CatalogueError(.failed, "not refused")
        }
        #expect(bad.reason == "container" && gone == [])
        #expect(refusal(try begin("bad", isFirst: false))?.reason == "container")
        #expect(try unfinished(try begin("g", isFirst: false)).upload.id == upload.id)
        // It was the only alias.
        guard case .refused(_, let own) = try begin("g", refusal: "container") else {
            throw CatalogueError(.failed, "not refused")
        }
        #expect(own.map(\.id) == [upload.id])
        #expect(try fixture.count("upload") == 0)
        // A refusal is of one content: another page may have the same guid.
        let other = UploadKey(
            owner: "", md5: String(repeating: "b", count: 32), extent: .size(100), chunks: 3, chunkSize: 40)
        _ = try unfinished(try fixture.start(other, guid: "g", isFirst: false, now: 1000, expiry: 0))
        // And one that asks what is there may begin with any chunk.
        try fixture.catalogue.forgetRefusals(owner: "", md5: md5, guid: nil)
        _ = try unfinished(try begin("g", isFirst: false))
    }

    @Test("a guid whose upload has a recorded chunk is not refused for want of room; what goes with a refusal is freed")
    func refusedMeanwhile() throws {
        let fixture = try CatalogueFixture()
        func refuse(_ guid: String, now: Int64 = 1000) throws {
            _ = try fixture.catalogue.refuse(
                Refusal(
                    owner: "", md5: md5, guid: guid, reason: "disk-full", hasFirst: false, client: .unknown, time: now,
                    isRecorded: true))
        }
        let upload = try unfinished(try fixture.start(key(100), guid: "g", isFirst: true, now: 1000, expiry: 0)).upload
        // Another page's.
        _ = try unfinished(try fixture.start(key(100), guid: "h", isFirst: true, now: 1000, expiry: 0))
        try record(upload, [0], length: 40, now: 1000, fixture)
        for guid in ["g", "h"] {
            try refuse(guid)
            #expect(
                try unfinished(try fixture.start(key(100), guid: guid, now: 1000, expiry: 0)).upload.id == upload.id)
        }
        #expect(try fixture.count("refusal") == 0)
        // Without a chunk it goes.
        try fixture.catalogue.forget(chunk: 0, upload: upload.id)
        try refuse("g")
        #expect(try fixture.count("refusal") == 1 && fixture.count("upload") == 1)
        try refuse("h")
        #expect(try fixture.count("refusal") == 2 && fixture.count("upload") == 0)
        // A first chunk that is no video takes along what others there are.
        let bad = try unfinished(try fixture.start(key(100), guid: "bad", isFirst: true, now: 1010, expiry: 0)).upload
        try record(bad, [1], length: 40, now: 1010, fixture)
        #expect(try fixture.freed(now: 1010) == 0)
        _ = try fixture.start(key(100), guid: "bad", isFirst: true, now: 1010, expiry: 0, refusal: "container")
        #expect(try fixture.count("upload") == 0 && fixture.freed(now: 1010) > 0)
    }

    @Test(
        "clients that cannot be told apart have at most half of all refusals, and of all uploads, but for their limit")
    func unknownClients() throws {
        let fixture = try CatalogueFixture()
        try fixture.execute(
            """
            WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < \(Refusal.limit / 2 - 1))
            INSERT INTO refusal (owner, md5, guid, reason, first_came, client, create_time)
            SELECT '', '\(md5)', 'g' || n, 'quota', 1, '', n FROM number
            """)
        for number in 0..<20 {
            _ = try fixture.catalogue.refuse(
                Refusal(
                    owner: "", md5: md5, guid: "new\(number)", reason: "quota", hasFirst: true, client: .unknown,
                    time: 30_000, isRecorded: true))
        }
        #expect(try fixture.count("refusal") == Refusal.limit / 2)
        func begin(_ size: Int) throws -> Refusal? {
            refusal(
                try fixture.start(
                    key(size), guid: "u\(size)", isFirst: true, now: 1000, expiry: 0,
                    limits: UploadLimits(total: 6, perClient: 1)))
        }
        for size in 1...3 { #expect(try begin(size) == nil) }
        #expect(try begin(4)?.reason == "quota client")
    }

    @Test("of one client only so many refusals are kept, the newest, and those of others stay")
    func refusalsOfOneClient() throws {
        let fixture = try CatalogueFixture()
        func refuse(_ guid: String, _ client: String, _ time: Int64) throws {
            _ = try fixture.catalogue.refuse(
                Refusal(
                    owner: "", md5: md5, guid: guid, reason: "quota", hasFirst: true,
                    client: Client(owner: client, address: ""), time: time, isRecorded: true))
        }
        try refuse("other", "bob", 1)
        let count = Refusal.clientLimit + 100
        for number in 0..<count { try refuse("g\(number)", "alice", Int64(1000 + number)) }
        #expect(try fixture.count("refusal") == Refusal.clientLimit + 1)
        func isRefused(_ guid: String) throws -> Bool {
            refusal(try fixture.start(key(100), guid: guid, isFirst: false, now: Int64(1000 + count), expiry: 0)) != nil
        }
        #expect(try isRefused("other") && isRefused("g\(count - 1)") && isRefused("g100") && !isRefused("g99"))
    }

    @Test("of 20,000 refusals in all, those of the client with the most go first")
    func refusalsOfAll() throws {
        let fixture = try CatalogueFixture()
        try fixture.execute(
            """
            WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < \(Refusal.limit - 1))
            INSERT INTO refusal (owner, md5, guid, reason, first_came, client, create_time)
            SELECT '', '\(md5)', 'g' || n, 'quota', 1, iif(n < 150, 'owner:most', 'c' || (n / 100)), n
            FROM number
            """)
        for number in 0..<20 {
            _ = try fixture.catalogue.refuse(
                Refusal(
                    owner: "", md5: md5, guid: "new\(number)", reason: "quota", hasFirst: true,
                    client: Client(owner: "new", address: ""), time: 30_000, isRecorded: true))
        }
        #expect(try fixture.count("refusal") == Refusal.limit)
        #expect(try fixture.count("refusal WHERE client = 'owner:most'") == 130)
        #expect(try fixture.count("refusal WHERE client = 'owner:new'") == 20)
        #expect(try fixture.count("refusal WHERE guid = 'g19'") == 0)
        #expect(try fixture.count("refusal WHERE guid = 'g20'") == 1)
    }

    @Test("an upload has at most 64 aliases, and loses its oldest first")
    func aliases() throws {
        let fixture = try CatalogueFixture()
        var id: Int64 = 0
        for number in 0..<100 {
            id = try unfinished(try fixture.start(key(100), guid: "g\(number)", isFirst: true, now: 1000, expiry: 0))
                .upload.id
        }
        #expect(try fixture.count("upload_guid") == Upload.aliasLimit)
        for (guid, isThere) in [("g35", false), ("g36", true), ("g99", true)] {
            #expect(try fixture.count("upload_guid WHERE guid = '\(guid)' AND upload_id = \(id)") == (isThere ? 1 : 0))
        }
    }

    @Test("without a guid the same name gives the same record again, and a client has no more than it may have")
    func copies() throws {
        let fixture = try CatalogueFixture()
        let video = try fixture.record("v", content: 1)
        let mayRecord = RecordPermit(isGiven: { true }, use: {})
        let mayNot = RecordPermit(isGiven: { false }, use: { Issue.record("nothing was recorded") })
        func copy(_ name: String, guid: String? = nil, _ permit: RecordPermit) throws -> Video? {
            try fixture.catalogue.copy(video, name: name, classID: nil, guid: guid, now: 2000, permit: permit)
        }
        let copy1 = try copy("w", mayRecord)
        #expect(copy1 != nil && copy1?.id != video.id)
        #expect(try copy("w", mayNot)?.id == copy1?.id)
        #expect(try copy("v", mayNot)?.id == video.id)
        #expect(try copy("w", guid: "1", mayRecord)?.id != copy1?.id)
        #expect(throws: CatalogueError.self) { try copy("x", mayNot) }
        #expect(throws: CatalogueError.self) { try copy("w", guid: "2", mayNot) }
        let refused = try fixture.start(key(100), guid: "g", isFirst: true, now: 2000, expiry: 0, permit: mayNot)
        #expect(refusal(refused)?.reason == "quota records")
        #expect(try fixture.count("video_info") == 3)
    }
}
