import GRDB
import Uploads

extension SQLiteCatalogue {
    package func beginUpload(
        _ key: UploadKey, isFirst: Bool, draft: VideoDraft, bootID: String, limits: UploadLimits, now: Int64,
        expiry: Int64
    ) throws(CatalogueError) -> UploadStart {
        try write { db in
            if let video = try db.sealedVideo(key, guid: draft.guid, expiry: expiry) { return .sealed(video) }
            let others = try db.otherUploads(key, guid: draft.guid, expiry: expiry)
            guard isFirst || others.allSatisfy({ $0.received == 0 }) else { return .otherChunkSize }
            let left = others.map(\.id)
            for id in left { try db.run("DELETE FROM upload_guid WHERE guid = ? AND upload_id = ?", [draft.guid, id]) }
            var expired: [ExpiredUpload] = []
            if let upload = try db.unfinishedUploads(key, limit: 1).first {
                if upload.updateTime > expiry {
                    try db.addGuid(draft.guid, upload: upload.record.id)
                    return .unfinished(upload.record, expired: [], left: left)
                }
                try db.deleteUpload(upload.record.id)
                expired.append(ExpiredUpload(id: upload.record.id, path: upload.record.draft.path))
            }
            guard key.chunkSize != nil else { return .unplaced }
            try checkRoom()
            try db.checkLimits(limits, owner: key.owner)
            let known = try key.size.flatMap { try db.video(owner: key.owner, md5: key.md5, size: $0) }
            try db.run(
                """
                INSERT INTO upload (owner, md5, size, size_guid, chunks, chunk_size, state, video_id, is_known,
                    video_name, guid, path, class_id, boot_id, create_time, update_time)
                VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    key.owner, key.md5, key.size, key.sizeGuid, key.chunks, key.chunkSize, try db.nextVideoID(),
                    known != nil, draft.name, draft.guid, draft.path, draft.classID, bootID, now, now,
                ])
            try db.addGuid(draft.guid, upload: db.lastInsertedRowID)
            return .unfinished(try db.unfinishedUploads(key, limit: 1)[0].record, expired: expired, left: left)
        }
    }

    package func unfinishedUploads(
        _ key: UploadKey, expiry: Int64, limit: Int
    ) throws(CatalogueError) -> [(upload: Upload, chunks: [StoredChunk])] {
        try read { db in
            try db.unfinishedUploads(key, limit: limit).filter { $0.updateTime > expiry }.map {
                ($0.record, try db.chunks(ofUpload: $0.record.id))
            }
        }
    }

    package func promisedBytes() throws(CatalogueError) -> Int {
        try read { db in try db.promisedBytes() }
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

    package func reject(upload id: Int64, reason: String, now: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                """
                UPDATE upload SET state = 'rejected', reason = ?, received = 0, received_bytes = 0, update_time = ?
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
        try deleting { db in
            try db.run("DELETE FROM upload WHERE upload_id = ? AND state = 'open' AND received = 0", [id])
            return db.changesCount > 0
        }
    }

    package func discard(upload id: Int64) throws(CatalogueError) {
        try deleting { db in
            try db.run("DELETE FROM upload WHERE upload_id = ? AND state <> 'sealed'", [id])
        }
    }

    package func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, knowing known: Set<String>, now: Int64,
        uploadTime: Int64, isPublished: (_ path: String) -> Bool
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
            guard same.map({ $0.md5 == md5 && $0.size == size }) ?? (row["path"] == draft.path),
                try !db.isGarbage(draft.path), isPublished(draft.path)
            else { return .pathLost }
            // Another video was inserted with this number by SQL since the upload began.
            if try db.isTaken(videoID: videoID) { videoID = try db.renumber(upload: id) }
            try db.run("UPDATE upload SET state = 'sealed', update_time = ? WHERE upload_id = ?", [uploadTime, id])
            let others = try db.sealOthers(
                than: id, as: videoID, owner: owner, md5: md5, size: size, client: row["client"], now: uploadTime)
            try db.run("DELETE FROM upload_chunk WHERE upload_id = ?", [id])
            let video = try record(
                videoID, owner: owner, md5: md5, draft, size: size, duration: same?.duration ?? duration, now: now,
                in: db)
            return .sealed(video, others: others)
        }
    }

    package func wrongNumbers(isRepairing: Bool) throws(CatalogueError) -> [String] {
        guard isRepairing else { return try read { db in try db.wrongNumbers(isRepairing: false) } }
        return try deleting { db in try db.wrongNumbers(isRepairing: true) }
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
        return try deleting { db in
            sort(try db.rows("DELETE FROM upload WHERE update_time <= ? RETURNING upload_id, state, path", [expiry]))
        }
    }
}

extension Database {
    fileprivate static let selectUpload = """
        SELECT upload_id, owner, md5, size, size_guid, chunks, chunk_size, state, reason, video_id, client,
            is_known, video_name, guid, path, class_id, boot_id, received, received_bytes, update_time
        FROM upload
        """

    /// The unfinished uploads with this key, or with any chunk size if it has none, the newest first.
    fileprivate func unfinishedUploads(
        _ key: UploadKey, limit: Int
    ) throws -> [(record: Upload, updateTime: Int64)] {
        try rows(
            Self.selectUpload + """
                 WHERE md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ? AND ifnull(size_guid, '') = ?
                    AND chunk_size = ifnull(?, chunk_size) AND state <> 'sealed'
                ORDER BY upload_id DESC LIMIT ?
                """,
            [key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", key.chunkSize, limit]
        ).map { (Upload(row: $0), $0["update_time"]) }
    }

    /// The unfinished uploads of the same file, with chunks of another length, that this guid is an alias of.
    fileprivate func otherUploads(
        _ key: UploadKey, guid: String, expiry: Int64
    ) throws -> [(id: Int64, received: Int)] {
        guard let chunkSize = key.chunkSize else { return [] }
        return try rows(
            """
            SELECT upload_id, iif(update_time > ?, received, 0) FROM upload JOIN upload_guid USING (upload_id)
            WHERE upload_guid.guid = ? AND md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ?
                AND ifnull(size_guid, '') = ? AND chunk_size <> ? AND state <> 'sealed'
            """,
            [expiry, guid, key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? "", chunkSize]
        ).map { ($0[0], $0[1]) }
    }

    /// The video of the finished upload that has this guid as an alias and is of the same file, in chunks of any length.
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

    func promisedBytes() throws -> Int {
        try row(
            """
            SELECT ifnull(sum(max(size - received_bytes, 0)), 0) FROM upload
            WHERE state = 'open' AND is_known = 0 AND size IS NOT NULL
            """)![0]
    }

    fileprivate func checkLimits(_ limits: UploadLimits, owner: String) throws {
        let total: Int = try row("SELECT count(*) FROM upload WHERE state = 'open'")![0]
        let own: Int = try row("SELECT count(*) FROM upload WHERE state = 'open' AND owner = ?", [owner])![0]
        guard total < limits.total, owner.isEmpty || own < limits.perOwner else {
            throw CatalogueError(.tooManyUploads, "there are \(total) unfinished uploads, \(own) of them of this owner")
        }
    }

    /// Ends the client's other unfinished uploads of the content that an upload has become a video of.
    fileprivate func sealOthers(
        than id: Int64, as video: Int64, owner: String, md5: String, size: Int, client: String, now: Int64
    ) throws -> [ExpiredUpload] {
        // Clients that cannot be told apart may have other bytes with this md5; so has one whose chunks differ.
        guard !client.isEmpty else { return [] }
        let others = try rows(
            """
            UPDATE upload SET state = 'sealed', video_id = ?, update_time = ?
            WHERE md5 = ? AND owner = ? AND size = ? AND client = ? AND state = 'open' AND upload_id <> ?
                AND NOT EXISTS (
                    SELECT 1 FROM upload_chunk a JOIN upload_chunk b USING (chunk, length)
                    WHERE a.upload_id = ? AND b.upload_id = upload.upload_id AND a.crc32c <> b.crc32c)
            RETURNING upload_id, path
            """, [video, now, md5, owner, size, client, id, id]
        ).map { ExpiredUpload(id: $0[0], path: $0[1]) }
        for other in others { try run("DELETE FROM upload_chunk WHERE upload_id = ?", [other.id]) }
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
                extent: size.map(UploadKey.Extent.size) ?? .guid(row["size_guid"]), chunks: row["chunks"],
                chunkSize: row["chunk_size"]),
            state: State(rawValue: row["state"])!, reason: row["reason"], videoID: row["video_id"],
            client: row["client"], isKnown: row["is_known"],
            draft: VideoDraft(name: row["video_name"], guid: row["guid"], path: row["path"], classID: row["class_id"]),
            bootID: row["boot_id"], received: row["received"], receivedBytes: row["received_bytes"])
    }
}
