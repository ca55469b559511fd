import GRDB
import Uploads

extension SQLiteCatalogue {
    package func beginUpload(
        _ key: UploadKey, draft: VideoDraft, bootID: String, limits: UploadLimits, now: Int64, expiry: Int64
    ) throws(CatalogueError) -> UploadStart {
        try write { db in
            if let video = try db.sealedVideo(key, guid: draft.guid, expiry: expiry) { return .sealed(video) }
            var expired: [ExpiredUpload] = []
            if let upload = try db.unfinishedUpload(key) {
                if upload.updateTime > expiry {
                    try db.addGuid(draft.guid, upload: upload.record.id)
                    return .unfinished(upload.record, expired: [])
                }
                try db.deleteUpload(upload.record.id)
                expired.append(ExpiredUpload(id: upload.record.id, path: upload.record.draft.path))
            }
            try db.checkLimits(limits, owner: key.owner)
            let original = try key.size.flatMap { try db.video(owner: key.owner, md5: key.md5, size: $0) }
            try db.run(
                """
                INSERT INTO upload (owner, md5, size, size_guid, chunks, state, video_id, original_path,
                    video_name, guid, path, class_id, boot_id, create_time, update_time)
                VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    key.owner, key.md5, key.size, key.sizeGuid, key.chunks, try db.nextVideoID(), original?.path,
                    draft.name, draft.guid, draft.path, draft.classID, bootID, now, now,
                ])
            try db.addGuid(draft.guid, upload: db.lastInsertedRowID)
            return .unfinished(try db.unfinishedUpload(key)!.record, expired: expired)
        }
    }

    package func unfinishedUpload(
        _ key: UploadKey, expiry: Int64
    ) throws(CatalogueError) -> (upload: Upload, chunks: [StoredChunk])? {
        try read { db in
            guard let found = try db.unfinishedUpload(key), found.updateTime > expiry else { return nil }
            return (found.record, try db.chunks(ofUpload: found.record.id))
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
        try write(durably: durably) { db in try chunks.map(db.record) }
    }

    package func forget(chunk: Int, upload id: Int64) throws(CatalogueError) {
        try write { db in
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ? AND chunk = ?", [id, chunk])
            try db.run("UPDATE upload SET received = received - ? WHERE upload_id = ?", [db.changesCount, id])
        }
    }

    package func setDraft(_ draft: VideoDraft, upload id: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                """
                UPDATE upload SET video_name = ?, guid = ?, path = ?, class_id = ?
                WHERE upload_id = ? AND state = 'open'
                """, [draft.name, draft.guid, draft.path, draft.classID, id])
        }
    }

    package func distrust(upload id: Int64) throws(CatalogueError) {
        try write { db in
            try db.run("UPDATE upload SET boot_id = '' WHERE upload_id = ?", [id])
        }
    }

    package func trust(_ upload: Upload, bootID: String, lost: [StoredChunk]) throws(CatalogueError) -> Bool {
        try write { db in
            try db.run(
                "UPDATE upload SET boot_id = ? WHERE upload_id = ? AND boot_id = ?",
                [bootID, upload.id, upload.bootID])
            guard db.changesCount > 0 else { return false }
            for chunk in lost {
                // Not one that has come again meanwhile.
                try db.run(
                    "DELETE FROM upload_chunk WHERE upload_id = ? AND chunk = ? AND crc32c IS ?",
                    [upload.id, chunk.number, chunk.crc32c])
                try db.run(
                    "UPDATE upload SET received = received - ? WHERE upload_id = ?", [db.changesCount, upload.id])
            }
            return true
        }
    }

    package func reject(upload id: Int64, reason: String, now: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                """
                UPDATE upload SET state = 'rejected', reason = ?, received = 0, chunk_size = NULL,
                    last_length = NULL, update_time = ?
                WHERE upload_id = ? AND state = 'open'
                """, [reason, now, id])
            if db.changesCount > 0 { try db.run("DELETE FROM upload_chunk WHERE upload_id = ?", [id]) }
        }
    }

    package func reopen(upload id: Int64, now: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                "UPDATE upload SET state = 'open', reason = NULL, update_time = ? WHERE upload_id = ? AND state = 'rejected'",
                [now, id])
        }
    }

    package func discardEmpty(upload id: Int64) throws(CatalogueError) -> Bool {
        try write { db in
            try db.run("DELETE FROM upload WHERE upload_id = ? AND state = 'open' AND received = 0", [id])
            return db.changesCount > 0
        }
    }

    package func discard(upload id: Int64) throws(CatalogueError) {
        try write { db in
            try db.run("DELETE FROM upload WHERE upload_id = ? AND state <> 'sealed'", [id])
        }
    }

    package func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, now: Int64
    ) throws(CatalogueError) -> Video? {
        try write(durably: true) { db in
            try db.run(
                "UPDATE upload SET state = 'sealed', update_time = ? WHERE upload_id = ? AND state = 'open'",
                [now, id])
            let won = db.changesCount > 0
            guard let row = try db.row("SELECT client, owner, md5, video_id FROM upload WHERE upload_id = ?", [id])
            else { return nil }
            let (owner, md5): (String, String) = (row["owner"], row["md5"])
            var videoID: Int64 = row["video_id"]
            guard won else { return try db.video(id: videoID) }
            // Another video was inserted with this number by SQL since the upload began.
            if try db.isTaken(videoID: videoID) { videoID = try db.renumber(upload: id) }
            let known = try db.video(owner: owner, md5: md5, size: size)
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ?", [id])
            return try record(
                videoID, client: row["client"], owner: owner, md5: md5, draft.at(known?.path ?? draft.path), size: size,
                duration: known?.duration ?? duration, now: now, in: db)
        }
    }

    package func wrongNumbers(isRepairing: Bool) throws(CatalogueError) -> [String] {
        guard isRepairing else { return try read { db in try db.wrongNumbers(isRepairing: false) } }
        return try write { db in try db.wrongNumbers(isRepairing: true) }
    }

    package func expireUploads(before expiry: Int64, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads {
        func sort(_ rows: [Row]) -> ExpiredUploads {
            ExpiredUploads(
                unfinished: rows.filter { $0["state"] != "sealed" }.map {
                    ExpiredUpload(id: $0["upload_id"], path: $0["path"])
                },
                sealed: rows.count { $0["state"] == "sealed" })
        }
        if isDryRun {
            return try read { db in
                sort(try db.rows("SELECT upload_id, state, path FROM upload WHERE update_time <= ?", [expiry]))
            }
        }
        return try write { db in
            sort(try db.rows("DELETE FROM upload WHERE update_time <= ? RETURNING upload_id, state, path", [expiry]))
        }
    }
}

extension Database {
    fileprivate static let selectUpload = """
        SELECT upload_id, owner, md5, size, size_guid, chunks, state, reason, video_id, chunk_size, last_length,
            original_path, video_name, guid, path, class_id, boot_id, received, update_time
        FROM upload
        """

    fileprivate func unfinishedUpload(_ key: UploadKey) throws -> (record: Upload, updateTime: Int64)? {
        try row(
            Self.selectUpload + """
                 WHERE md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ? AND ifnull(size_guid, '') = ?
                    AND state <> 'sealed'
                """,
            [key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? ""]
        ).map { (Upload(row: $0), $0["update_time"]) }
    }

    /// The video of the finished upload that has this guid as an alias and the same key.
    fileprivate func sealedVideo(_ key: UploadKey, guid: String, expiry: Int64) throws -> Video? {
        let id: Int64? = try row(
            """
            SELECT video_id FROM upload JOIN upload_guid USING (upload_id)
            WHERE upload_guid.guid = ? AND md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ?
                AND ifnull(size_guid, '') = ? AND state = 'sealed' AND update_time > ?
            ORDER BY upload_id DESC LIMIT 1
            """,
            [guid, key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", expiry])?[0]
        return try id.flatMap(video(id:))
    }

    fileprivate func checkLimits(_ limits: UploadLimits, owner: String) throws {
        let total: Int = try row("SELECT count(*) FROM upload WHERE state = 'open'")![0]
        let own: Int = try row("SELECT count(*) FROM upload WHERE state = 'open' AND owner = ?", [owner])![0]
        guard total < limits.total, owner.isEmpty || own < limits.perOwner else {
            throw CatalogueError(.tooManyUploads, "there are \(total) unfinished uploads, \(own) of them of this owner")
        }
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
            INSERT INTO upload_chunk (upload_id, chunk, length, crc32c, differs)
            SELECT upload_id, ?, ?, ?, ? FROM upload WHERE upload_id = ? AND state = 'open'
            ON CONFLICT DO NOTHING
            """,
            [chunk.number, chunk.length, chunk.crc32c, chunk.differs, record.upload])
        let inserted = changesCount
        if inserted == 0 {
            try run(
                "UPDATE upload_chunk SET length = ?, crc32c = ?, differs = ? WHERE upload_id = ? AND chunk = ?",
                [chunk.length, chunk.crc32c, chunk.differs, record.upload, chunk.number])
        }
        return try row(
            """
            UPDATE upload SET received = received + ?, chunk_size = ifnull(?, chunk_size),
                last_length = ifnull(?, last_length), update_time = ?
            WHERE upload_id = ? AND state = 'open' RETURNING received
            """,
            [inserted, record.layout.chunkSize, record.layout.lastLength, record.time, record.upload])?[0]
    }

    fileprivate func chunks(ofUpload id: Int64) throws -> [StoredChunk] {
        try rows("SELECT chunk, length, crc32c, differs FROM upload_chunk WHERE upload_id = ?", [id]).map {
            StoredChunk(number: $0["chunk"], length: $0["length"], crc32c: $0["crc32c"], differs: $0["differs"])
        }
    }

    fileprivate func addGuid(_ guid: String, upload id: Int64) throws {
        try run("INSERT INTO upload_guid (guid, upload_id) VALUES (?, ?) ON CONFLICT DO NOTHING", [guid, id])
    }

    fileprivate func deleteUpload(_ id: Int64) throws {
        try run("DELETE FROM upload WHERE upload_id = ?", [id])
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
                extent: size.map(UploadKey.Extent.size) ?? .guid(row["size_guid"]), chunks: row["chunks"]),
            state: State(rawValue: row["state"])!, reason: row["reason"], videoID: row["video_id"],
            chunkSize: row["chunk_size"], lastLength: row["last_length"], originalPath: row["original_path"],
            draft: VideoDraft(name: row["video_name"], guid: row["guid"], path: row["path"], classID: row["class_id"]),
            bootID: row["boot_id"], received: row["received"])
    }
}
