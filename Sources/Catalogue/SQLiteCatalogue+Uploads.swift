import GRDB
import Uploads

extension SQLiteCatalogue {
    package func beginUpload(
        _ key: UploadKey, guid: String, now: Int64, expiry: Int64
    ) throws(CatalogueError) -> UploadStart {
        try write { db in
            if let video = try db.sealedVideo(key, guid: guid, expiry: expiry) { return .sealed(video) }
            var expired: [Int64] = []
            if let upload = try db.unfinishedUpload(key) {
                if upload.updateTime > expiry {
                    try db.addGuid(guid, upload: upload.record.id)
                    return .unfinished(upload.record, expired: [])
                }
                try db.deleteUpload(upload.record.id)
                expired.append(upload.record.id)
            }
            let original = try key.size.flatMap { try db.video(owner: key.owner, md5: key.md5, size: $0) }
            try db.run(
                """
                INSERT INTO upload (owner, md5, size, size_guid, chunks, state, video_id, original_path,
                    create_time, update_time)
                VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?)
                """,
                [
                    key.owner, key.md5, key.size, key.sizeGuid, key.chunks, try db.nextVideoID(), original?.path, now,
                    now,
                ])
            try db.addGuid(guid, upload: db.lastInsertedRowID)
            return .unfinished(try db.unfinishedUpload(key)!.record, expired: expired)
        }
    }

    package func unfinishedUpload(_ key: UploadKey, expiry: Int64) throws(CatalogueError) -> Upload? {
        try read { db in
            try db.unfinishedUpload(key).flatMap { $0.updateTime > expiry ? $0.record : nil }
        }
    }

    package func chunks(ofUpload id: Int64) throws(CatalogueError) -> [StoredChunk] {
        try read { db in
            try db.rows("SELECT chunk, length, differs FROM upload_chunk WHERE upload_id = ?", [id]).map {
                StoredChunk(number: $0["chunk"], length: $0["length"], differs: $0["differs"])
            }
        }
    }

    package func record(
        _ chunk: StoredChunk, layout: ChunkLayout, upload id: Int64, now: Int64
    ) throws(CatalogueError) -> Int? {
        try write { db in
            try db.run(
                """
                INSERT INTO upload_chunk (upload_id, chunk, length, differs)
                SELECT upload_id, ?, ?, ? FROM upload WHERE upload_id = ? AND state = 'open'
                ON CONFLICT DO NOTHING
                """,
                [chunk.number, chunk.length, chunk.differs, id])
            let inserted = db.changesCount
            if inserted == 0 {
                try db.run(
                    "UPDATE upload_chunk SET length = ?, differs = ? WHERE upload_id = ? AND chunk = ?",
                    [chunk.length, chunk.differs, id, chunk.number])
            }
            return try db.row(
                """
                UPDATE upload SET received = received + ?, chunk_size = ifnull(?, chunk_size),
                    last_length = ifnull(?, last_length), update_time = ?
                WHERE upload_id = ? AND state = 'open' RETURNING received
                """,
                [inserted, layout.chunkSize, layout.lastLength, now, id])?[0]
        }
    }

    package func forget(chunk: Int, upload id: Int64) throws(CatalogueError) {
        try write { db in
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ? AND chunk = ?", [id, chunk])
            try db.run("UPDATE upload SET received = received - ? WHERE upload_id = ?", [db.changesCount, id])
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

    package func seal(upload id: Int64, as draft: VideoDraft, now: Int64) throws(CatalogueError) -> Video? {
        try writeDurably { db in
            try db.run(
                "UPDATE upload SET state = 'sealed', update_time = ? WHERE upload_id = ? AND state = 'open'",
                [now, id])
            let won = db.changesCount > 0
            guard let row = try db.row("SELECT owner, md5, video_id FROM upload WHERE upload_id = ?", [id]) else {
                return nil
            }
            let (owner, md5, videoID): (String, String, Int64) = (row["owner"], row["md5"], row["video_id"])
            guard won else { return try db.video(id: videoID) }
            let known = try db.video(owner: owner, md5: md5, size: draft.size)
            let pointed = VideoDraft(
                name: draft.name, guid: draft.guid, path: known?.path ?? draft.path, size: draft.size,
                duration: known?.duration ?? draft.duration, classID: draft.classID)
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ?", [id])
            return try db.insertVideo(videoID, owner: owner, md5: md5, pointed, now: now)
        }
    }

    package func expireUploads(before expiry: Int64) throws(CatalogueError) -> [Int64] {
        try write { db in
            try db.rows("DELETE FROM upload WHERE update_time <= ? RETURNING upload_id", [expiry]).map { $0[0] }
        }
    }
}

extension Database {
    fileprivate static let selectUpload = """
        SELECT upload_id, owner, md5, size, size_guid, chunks, state, reason, video_id, chunk_size, last_length,
            original_path, update_time
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
            WHERE guid = ? AND md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ?
                AND ifnull(size_guid, '') = ? AND state = 'sealed' AND update_time > ?
            ORDER BY upload_id DESC LIMIT 1
            """,
            [guid, key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", expiry])?[0]
        return try id.flatMap(video(id:))
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
            chunkSize: row["chunk_size"], lastLength: row["last_length"], originalPath: row["original_path"])
    }
}
