import Catalogue
import GRDB
import Model

extension SQLiteCatalogue {
    package func beginUpload(
        _ key: UploadKey, isFirst: Bool, draft: VideoDraft, bootID: String, terms: UploadTerms, expiry: UploadExpiry
    ) throws(CatalogueError) -> UploadStart {
        // Most requests of a refused guid end here, without a turn to write.
        if !isFirst, let refusal = try read({ db in try db.refusal(key, guid: draft.guid, expiry) }) {
            // Where there is no room for that it stays refused all the same.
            if refusal.isNews(terms) { try? write { db in try db.note(terms, of: refusal) } }
            return .refused(refusal)
        }
        try checkLog()
        return try write { db in
            let now = expiry.now
            var expired: [ExpiredUpload] = []
            if let id = try db.sealedVideo(key, guid: draft.guid, expiry: expiry.full) {
                if let video = try db.video(id: id) { return .sealed(video) }
                // Its record was deleted by SQL.
                try db.retireSealed(as: id, now: now)
            }
            var found = try db.unfinishedUploads(key, limit: 1).first
            if let upload = found, try db.isOver(upload.id, expiry) {
                expired.append(ExpiredUpload(id: upload.id, path: upload.draft.path))
                try db.retire(expired, reason: Refusal.expired, now: now)
                found = nil
            }
            if let reason = terms.refusal {
                let refusal = db.refusal(key, guid: draft.guid, reason, isFirst: isFirst, terms, now: now)
                return .refused(refusal, expired: expired + (try db.refuse(refusal)))
            }
            if let refusal = try db.currentRefusal(key, guid: draft.guid, isFirst: isFirst, terms, expiry) {
                return .refused(refusal, expired: expired)
            }
            let others = try db.otherUploads(key, guid: draft.guid, expiry: expiry.full)
            guard isFirst || others.allSatisfy({ $0.received == 0 }) else { return .otherChunkSize }
            if others.contains(where: { $0.received > 0 && !$0.firstCame }) {
                // Chunks of the guid that its page takes for stored are of no use with this one.
                let refusal = db.refusal(key, guid: draft.guid, Refusal.expired, isFirst: true, terms, now: now)
                return .refused(refusal, expired: expired + (try db.refuse(refusal)))
            }
            let left = others.map(\.id)
            for id in left { try db.run("DELETE FROM upload_guid WHERE guid = ? AND upload_id = ?", [draft.guid, id]) }
            if let upload = found {
                try db.addGuid(draft.guid, upload: upload.id, now: now)
                return .unfinished(upload, expired: [], left: left)
            }
            guard key.chunkSize != nil else { return .unplaced }
            let known = try key.size.flatMap { try db.video(owner: key.owner, md5: key.md5, size: $0) }
            let promised = known == nil ? key.size ?? 0 : 0
            let admittance =
                try terms.permit.isGiven()
                ? db.admit(terms, bytes: promised, now: now) : .refused(.quota(.records), comesFree: false)
            switch admittance {
            case .refused(_, comesFree: true):
                return .awaitsRoom(expired: expired)
            case .refused(let reason, comesFree: false):
                let reason =
                    switch reason {
                    case .quota(let limit): Refusal.quota(limit)
                    case .diskFull: Refusal.diskFull
                    }
                let refusal = db.refusal(key, guid: draft.guid, reason, isFirst: isFirst, terms, now: now)
                if refusal.isRecorded { try db.insert(refusal) }
                return .refused(refusal, expired: expired)
            case .admitted(let evicted): expired += evicted
            }
            terms.permit.use()
            try db.run(
                """
                INSERT INTO upload (owner, md5, size, size_guid, chunks, chunk_size, state, video_id, is_known,
                    video_name, guid, path, class_id, boot_id, client, create_time, update_time)
                VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    key.owner, key.md5, key.size, key.sizeGuid, key.chunks, key.chunkSize, try db.nextVideoID(),
                    known != nil, draft.name, draft.guid, draft.path, draft.classID, bootID,
                    terms.client.description, now, now,
                ])
            try db.addGuid(draft.guid, upload: db.lastInsertedRowID, now: now)
            return .unfinished(try db.unfinishedUploads(key, limit: 1)[0], expired: expired, left: left)
        }
    }

    package func unfinishedUploads(
        _ key: UploadKey, expiry: UploadExpiry, limit: Int
    ) throws(CatalogueError) -> [(upload: Upload, chunks: [StoredChunk])] {
        try read { db in
            try db.unfinishedUploads(key, limit: limit).filter { try !db.isOver($0.id, expiry) }.map {
                ($0, try db.chunks(ofUpload: $0.id))
            }
        }
    }

    package func openUploads() throws(CatalogueError) -> [Upload] {
        try read { db in
            try db.rows(Database.selectUpload + " WHERE state = 'open' ORDER BY upload_id").map(Upload.init(row:))
        }
    }

    package func states(ofUploads ids: [Int64]) throws(CatalogueError) -> [Int64: Upload.State] {
        try read { db in
            var states: [Int64: Upload.State] = [:]
            for id in ids {
                let state: String? = try db.row("SELECT state FROM upload WHERE upload_id = ?", [id])?[0]
                states[id] = state.flatMap(Upload.State.init(rawValue:))
            }
            return states
        }
    }

    package func video(ofUpload id: Int64) throws(CatalogueError) -> Video? {
        try read { db in
            let video: Int64? =
                try db.row("SELECT video_id FROM upload WHERE upload_id = ? AND state = 'sealed'", [id])?[0]
            return try video.flatMap(db.video(id:))
        }
    }

    package func chunks(ofUpload id: Int64) throws(CatalogueError) -> [StoredChunk] {
        try read { db in try db.chunks(ofUpload: id) }
    }

    package func record(_ chunks: [ChunkRecord], durably: Bool) throws(CatalogueError) -> [Int?] {
        try checkLog()
        return try write(durably: durably) { db in try chunks.map(db.record) }
    }

    package func noteFirstChunk(guid: String, upload id: Int64) throws(CatalogueError) {
        try write { db in try db.noteFirstChunk(guid: guid, upload: id) }
    }

    package func forget(chunk: Int, upload id: Int64) throws(CatalogueError) {
        try deleting { db in
            try db.forget(chunk: chunk, upload: id)
        }
    }

    package func setDraft(_ draft: VideoDraft, upload id: Int64) throws(CatalogueError) -> Bool {
        try write { db in
            guard try db.videos(ofFile: draft.path, limit: 1).isEmpty, try !db.isGarbage(draft.path) else {
                return false
            }
            try db.run(
                """
                UPDATE upload SET video_name = ?, guid = ?, path = ?, class_id = ?
                WHERE upload_id = ? AND state = 'open'
                """, [draft.name, draft.guid, draft.path, draft.classID, id])
            return db.changesCount > 0
        }
    }

    package func distrust(upload id: Int64) throws(CatalogueError) {
        try deleting { db in
            try db.run("UPDATE upload SET boot_id = '' WHERE upload_id = ?", [id])
        }
    }

    package func trust(_ upload: Upload, bootID: String, lost: [StoredChunk]) throws(CatalogueError) -> Bool {
        try deleting { db in
            try db.run(
                "UPDATE upload SET boot_id = ? WHERE upload_id = ? AND boot_id = ?",
                [bootID, upload.id, upload.bootID])
            guard db.changesCount > 0 else { return false }
            for chunk in lost {
                // Not one that has come again meanwhile.
                if try db.chunks(ofUpload: upload.id, number: chunk.number) == [chunk] {
                    try db.forget(chunk: chunk.number, upload: upload.id)
                }
            }
            return true
        }
    }

    package func discardEmpty(upload id: Int64) throws(CatalogueError) -> Bool {
        try deleting { db in
            try db.run("DELETE FROM upload WHERE upload_id = ? AND state = 'open' AND received = 0", [id])
            return db.changesCount > 0
        }
    }

    package func discard(upload id: Int64, reason: String, now: Int64) throws(CatalogueError) -> Int {
        try deleting { db in
            let bytes: Int? = try db.row(
                "SELECT received_bytes FROM upload WHERE upload_id = ? AND state = 'open'", [id])?[0]
            guard let bytes else { return 0 }
            try db.retire([ExpiredUpload(id: id, path: "")], reason: reason, now: now)
            return bytes
        }
    }

    package func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, knowing known: Set<String>, now: Int64,
        uploadTime: Int64, isPublished: (_ path: String, _ isOwners: Bool) -> Bool
    ) throws(CatalogueError) -> Sealing {
        try write(durably: true) { db in
            guard
                let row = try db.row(
                    "SELECT owner, md5, video_id, state, path, client FROM upload WHERE upload_id = ?", [id])
            else { return .gone }
            let (owner, md5): (String, String) = (row["owner"], row["md5"])
            var videoID: Int64 = row["video_id"]
            guard row["state"] == Upload.State.open.rawValue else {
                return try db.video(id: videoID).map { .sealed($0, others: []) } ?? .gone
            }
            guard try known.isSuperset(of: db.knownFiles(owner: owner, md5: md5, size: size)) else {
                return .unknownFiles
            }
            let same = try db.videos(ofFile: draft.path, limit: 1).first
            let isShared =
                try db.row(
                    "SELECT 1 FROM video_info WHERE path = ? AND (owner, md5, size) <> (?, ?, ?)",
                    [draft.path, owner, md5, size]) != nil
            guard same.map({ $0.md5 == md5 && $0.size == size }) ?? (row["path"] == draft.path),
                try !db.isGarbage(draft.path), isPublished(draft.path, !isShared)
            else { return .pathLost }
            // Another video was inserted with this number by SQL since the upload began.
            if try db.isTaken(videoID: videoID) { videoID = try db.renumber(upload: id) }
            try db.run("UPDATE upload SET state = 'sealed', update_time = ? WHERE upload_id = ?", [uploadTime, id])
            let others = try db.sealOthers(
                than: id, as: videoID, owner: owner, md5: md5, size: size, client: row["client"], now: uploadTime)
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ?", [id])
            // Its own bytes go, unless they are those that a lost file becomes.
            if same != nil { try db.noteFreed(size, now: uploadTime) }
            let video = try record(
                videoID, client: row["client"], owner: owner, md5: md5, draft, size: size,
                duration: same?.duration ?? duration, now: now, in: db)
            return .sealed(video, others: others)
        }
    }

    package func wrongNumbers(isRepairing: Bool) throws(CatalogueError) -> [String] {
        guard isRepairing else { return try read { db in try db.wrongNumbers(isRepairing: false) } }
        return try deleting { db in try db.wrongNumbers(isRepairing: true) }
    }
}

extension Database {
    fileprivate static let selectUpload = """
        SELECT upload_id, owner, md5, size, size_guid, chunks, chunk_size, state, video_id, client, is_known,
            video_name, guid, path, class_id, boot_id, received, received_bytes, update_time
        FROM upload
        """

    /// The unfinished uploads with this key, or with any chunk size if it has none, the newest first.
    fileprivate func unfinishedUploads(_ key: UploadKey, limit: Int) throws -> [Upload] {
        try rows(
            Self.selectUpload + """
                 WHERE md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ? AND ifnull(size_guid, '') = ?
                    AND chunk_size = ifnull(?, chunk_size) AND state <> 'sealed'
                ORDER BY upload_id DESC LIMIT ?
                """,
            [key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", key.chunkSize, limit]
        ).map(Upload.init(row:))
    }

    /// Whether an open upload's life is over.
    fileprivate func isOver(_ id: Int64, _ expiry: UploadExpiry) throws -> Bool {
        try row("SELECT \(UploadExpiry.isOver) FROM upload WHERE upload_id = ?", expiry.arguments + [id])![0]
    }

    /// The unfinished uploads of the same file, with chunks of another length, that this guid is an alias of.
    fileprivate func otherUploads(
        _ key: UploadKey, guid: String, expiry: Int64
    ) throws -> [(id: Int64, received: Int, firstCame: Bool)] {
        guard let chunkSize = key.chunkSize else { return [] }
        return try rows(
            """
            SELECT upload_id, iif(update_time > ?, received, 0), first_came FROM upload JOIN upload_guid USING (upload_id)
            WHERE upload_guid.guid = ? AND md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ?
                AND ifnull(size_guid, '') = ? AND chunk_size <> ? AND state <> 'sealed'
            """,
            [expiry, guid, key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", chunkSize]
        ).map { ($0[0], $0[1], $0[2]) }
    }

    /// The number of the video of the finished upload that has this guid as an alias and is of the same file, in chunks of any length.
    fileprivate func sealedVideo(_ key: UploadKey, guid: String, expiry: Int64) throws -> Int64? {
        try row(
            """
            SELECT video_id FROM upload JOIN upload_guid USING (upload_id)
            WHERE upload_guid.guid = ? AND md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ?
                AND ifnull(size_guid, '') = ? AND state = 'sealed' AND update_time > ?
            ORDER BY upload_id DESC LIMIT 1
            """,
            [guid, key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", expiry])?[0]
    }

    /// The refusal of a request's guid. Nothing follows a whole file, and where the reserve is touched there is no room for
    /// a row.
    fileprivate func refusal(
        _ key: UploadKey, guid: String, _ reason: String, isFirst: Bool, _ terms: UploadTerms, now: Int64
    ) -> Refusal {
        Refusal(
            owner: key.owner, md5: key.md5, guid: guid, reason: reason, hasFirst: isFirst,
            overlaps: terms.overlaps, otherChunk: isFirst ? 0 : terms.chunk, client: terms.client, time: now,
            isRecorded: key.chunks > 1 && terms.room().free > 0)
    }

    /// Ends the client's other unfinished uploads of the content that an upload has become a video of.
    fileprivate func sealOthers(
        than id: Int64, as video: Int64, owner: String, md5: String, size: Int, client: String, now: Int64
    ) throws -> [ExpiredUpload] {
        // Clients that cannot be told apart may have other bytes with this md5. Of the same client only those go along whose
        // chunks are all among those that were verified; the others are of content that is known now.
        guard !client.isEmpty else { return [] }
        let others = try rows(
            """
            UPDATE upload SET state = 'sealed', video_id = ?, update_time = ?
            WHERE md5 = ? AND owner = ? AND size = ? AND client = ? AND state = 'open' AND upload_id <> ?
                AND NOT EXISTS (
                    SELECT 1 FROM upload_chunk theirs WHERE theirs.upload_id = upload.upload_id AND NOT EXISTS (
                        SELECT 1 FROM upload_chunk ours WHERE ours.upload_id = ? AND ours.chunk = theirs.chunk
                            AND ours.length = theirs.length AND ours.crc32c = theirs.crc32c))
            RETURNING upload_id, path, received_bytes
            """, [video, now, md5, owner, size, client, id, id]
        ).map { row in
            try noteFreed(row[2], now: now)
            return ExpiredUpload(id: row[0], path: row[1], bytes: row[2])
        }
        for other in others { try run("DELETE FROM upload_chunk WHERE upload_id = ?", [other.id]) }
        try run(
            """
            UPDATE upload SET is_known = 1
            WHERE md5 = ? AND owner = ? AND size = ? AND client = ? AND state = 'open' AND upload_id <> ?
            """, [md5, owner, size, client, id])
        return others
    }

    fileprivate func isTaken(videoID: Int64) throws -> Bool {
        try row("SELECT 1 FROM video_info WHERE video_id = ?", [videoID]) != nil
    }

    /// Gives an upload another video number, which is returned.
    fileprivate func renumber(upload id: Int64) throws -> Int64 {
        let number = try nextVideoID()
        try run("UPDATE upload SET video_id = ? WHERE upload_id = ?", [number, id])
        return number
    }

    fileprivate func wrongNumbers(isRepairing: Bool) throws -> [String] {
        var findings: [String] = []
        let last: Int64 = try row("SELECT last FROM id_sequence WHERE name = 'video'")![0]
        let highest: Int64 = try row(
            """
            SELECT max(ifnull((SELECT max(video_id) FROM video_info), 0),
                ifnull((SELECT max(video_id) FROM upload WHERE state <> 'sealed'), 0))
            """)![0]
        if last < highest {
            findings.append("the last number that was given out is said to be \(last), but \(highest) is taken")
            if isRepairing { try run("UPDATE id_sequence SET last = ? WHERE name = 'video'", [highest]) }
        }
        let uploads = try rows(
            """
            SELECT upload_id, video_id FROM upload WHERE state <> 'sealed' AND (
                video_id IN (SELECT video_id FROM video_info) OR upload_id NOT IN (
                    SELECT min(upload_id) FROM upload WHERE state <> 'sealed' GROUP BY video_id))
            """)
        for row in uploads {
            let (upload, number): (Int64, Int64) = (row[0], row[1])
            let owner = try isTaken(videoID: number) ? "a video" : "an older upload"
            findings.append("upload \(upload) is to become video \(number), a number that \(owner) has")
            if isRepairing { _ = try renumber(upload: upload) }
        }
        return findings
    }

    /// Returns how many different chunks the upload now has, `nil` if it is no longer open.
    fileprivate func record(_ record: ChunkRecord) throws -> Int? {
        let chunk = record.chunk
        try run(
            """
            INSERT INTO upload_chunk (upload_id, chunk, length, crc32c)
            SELECT upload_id, ?, ?, ? FROM upload WHERE upload_id = ? AND state = 'open'
            ON CONFLICT DO NOTHING
            """,
            [chunk.number, chunk.length, chunk.crc32c, record.upload])
        let inserted = changesCount
        if chunk.number == 0 { try noteFirstChunk(guid: record.guid, upload: record.upload) }
        if record.overlaps {
            try run(
                "UPDATE upload_guid SET overlapped = 1 WHERE guid = ? AND upload_id = ? AND overlapped = 0",
                [record.guid, record.upload])
        }
        var bytes = chunk.length
        if inserted == 0 {
            for old in try chunks(ofUpload: record.upload, number: chunk.number) { bytes -= old.length }
            try run(
                "UPDATE upload_chunk SET length = ?, crc32c = ? WHERE upload_id = ? AND chunk = ?",
                [chunk.length, chunk.crc32c, record.upload, chunk.number])
        }
        return try row(
            """
            UPDATE upload SET received = received + ?, received_bytes = received_bytes + ?, update_time = ?
            WHERE upload_id = ? AND state = 'open' RETURNING received
            """,
            [inserted, bytes, record.time, record.upload])?[0]
    }

    fileprivate func noteFirstChunk(guid: String, upload id: Int64) throws {
        try run(
            "UPDATE upload_guid SET first_came = 1 WHERE guid = ? AND upload_id = ? AND first_came = 0", [guid, id])
    }

    fileprivate func forget(chunk: Int, upload id: Int64) throws {
        let length: Int? = try row(
            "DELETE FROM upload_chunk WHERE upload_id = ? AND chunk = ? RETURNING length", [id, chunk])?[0]
        guard let length else { return }
        try run(
            "UPDATE upload SET received = received - 1, received_bytes = received_bytes - ? WHERE upload_id = ?",
            [length, id])
    }

    /// - Parameter number: of which; `nil` for all.
    fileprivate func chunks(ofUpload id: Int64, number: Int? = nil) throws -> [StoredChunk] {
        try rows(
            "SELECT chunk, length, crc32c FROM upload_chunk WHERE upload_id = ? AND chunk = ifnull(?, chunk)",
            [id, number]
        ).map {
            StoredChunk(number: $0["chunk"], length: $0["length"], crc32c: $0["crc32c"])
        }
    }

    /// Makes a guid an alias of an upload, which loses its oldest one where there are too many: that one is refused, because
    /// its page counts chunks as stored and would never learn that the file is complete.
    fileprivate func addGuid(_ guid: String, upload id: Int64, now: Int64) throws {
        try run(
            """
            INSERT INTO upload_guid (guid, upload_id, number)
            SELECT ?, ?, ifnull(max(number), 0) + 1 FROM upload_guid WHERE upload_id = ? ON CONFLICT DO NOTHING
            """, [guid, id, id])
        if changesCount == 0 { return }
        let lost = try rows(
            """
            DELETE FROM upload_guid WHERE upload_id = ? AND number <= (
                SELECT number FROM upload_guid WHERE upload_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)
            RETURNING guid, first_came, overlapped
            """, [id, id, Upload.aliasLimit])
        guard !lost.isEmpty, let upload = try row("SELECT owner, md5, client FROM upload WHERE upload_id = ?", [id])
        else { return }
        for alias in lost {
            try insert(
                Refusal(
                    owner: upload[0], md5: upload[1], guid: alias[0], reason: Refusal.expired, hasFirst: alias[1],
                    overlaps: alias[2], client: Client(recorded: upload[2]), time: now, isRecorded: true))
        }
    }
}

extension UploadKey {
    fileprivate var sizeGuid: String? {
        if case .guid(let guid) = extent { guid } else { nil }
    }
}

extension Upload {
    fileprivate init(row: Row) {
        let size: Int? = row["size"]
        self.init(
            id: row["upload_id"],
            key: UploadKey(
                owner: row["owner"], md5: row["md5"],
                extent: size.map(UploadKey.Extent.size) ?? .guid(row["size_guid"]), chunks: row["chunks"],
                chunkSize: row["chunk_size"]),
            state: State(rawValue: row["state"])!, videoID: row["video_id"],
            client: row["client"], isKnown: row["is_known"],
            draft: VideoDraft(name: row["video_name"], guid: row["guid"], path: row["path"], classID: row["class_id"]),
            bootID: row["boot_id"], received: row["received"], receivedBytes: row["received_bytes"])
    }
}
