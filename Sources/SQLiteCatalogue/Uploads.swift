import Catalogue
import GRDB
import Model

extension Database: UploadRows {
    private static let selectUpload = """
        SELECT upload_id, owner, md5, size, size_guid, chunks, chunk_size, state, video_id, client, is_known,
            video_name, upload.guid, path, class_id, boot_id, received, received_bytes, update_time
        """

    /// The unfinished uploads of the same file, whatever the length of their chunks, in a statement with `file(_:)`.
    private static let isFile = """
         md5 = ? AND owner = ? AND chunks = ? AND ifnull(size, -1) = ? AND ifnull(size_guid, '') = ?
        """

    private func file(_ key: UploadKey) -> StatementArguments {
        [key.md5, key.owner, key.chunks, key.size ?? -1, key.sizeGuid ?? ""]
    }

    private func uploads(_ rest: String, _ arguments: StatementArguments) throws -> [Upload] {
        try rows(Self.selectUpload + " FROM upload" + rest, arguments).map(Upload.init(row:))
    }

    package func beginning(_ key: UploadKey, guid: String, after time: Int64) throws -> UploadBeginning {
        let sealed = try row(
            """
            SELECT video_id FROM upload JOIN upload_guid USING (upload_id)
            WHERE upload_guid.guid = ? AND state = 'sealed' AND update_time > ? AND
            """ + Self.isFile + " ORDER BY upload_id DESC LIMIT 1", [guid, time] + file(key)
        ).map { $0[0] as Int64 }
        let others = try key.chunkSize.map { chunkSize in
            try rows(
                Self.selectUpload + ", first_came FROM upload JOIN upload_guid USING (upload_id)"
                    + " WHERE upload_guid.guid = ? AND chunk_size <> ? AND state <> 'sealed' AND" + Self.isFile,
                [guid, chunkSize] + file(key)
            ).map { (Upload(row: $0), $0["first_came"] as Bool) }
        }
        return UploadBeginning(
            sealed: try sealed.map { ($0, try video(id: $0)) }, unfinished: try unfinishedUploads(key, limit: 1).first,
            refusal: try refusal(owner: key.owner, md5: key.md5, guid: guid, after: time), others: others ?? [])
    }

    package func unfinishedUploads(_ key: UploadKey, limit: Int) throws -> [Upload] {
        try uploads(
            " WHERE" + Self.isFile + """
                 AND chunk_size = ifnull(?, chunk_size) AND state <> 'sealed' ORDER BY upload_id DESC LIMIT ?
                """, file(key) + [key.chunkSize, limit])
    }

    package func openUploads(idleSince time: Int64?) throws -> [Upload] {
        // Without a hint SQLite may read all finished ones of a day.
        try uploads(
            " INDEXED BY upload_open WHERE state = 'open' AND update_time <= ? ORDER BY upload_id", [time ?? .max])
    }

    package func states(ofUploads ids: [Int64]) throws -> [Int64: Upload.State] {
        var states: [Int64: Upload.State] = [:]
        for id in ids {
            let state: String? = try row("SELECT state FROM upload WHERE upload_id = ?", [id])?[0]
            states[id] = state.flatMap(Upload.State.init(rawValue:))
        }
        return states
    }

    package func insertUpload(_ upload: NewUpload, time: Int64) throws -> Upload {
        let key = upload.key
        let draft = upload.draft
        return Upload(
            row: try row(
                """
                INSERT INTO upload (owner, md5, size, size_guid, chunks, chunk_size, state, video_id, is_known,
                    video_name, guid, path, class_id, boot_id, client, create_time, update_time)
                VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                RETURNING upload_id, owner, md5, size, size_guid, chunks, chunk_size, state, video_id, client, is_known,
                    video_name, guid, path, class_id, boot_id, received, received_bytes, update_time
                """,
                [
                    key.owner, key.md5, key.size, key.sizeGuid, key.chunks, key.chunkSize, upload.videoID,
                    upload.isKnown, draft.name, draft.guid, draft.path, draft.classID, upload.bootID,
                    upload.client.description, time, time,
                ])!)
    }

    package func setDraft(_ draft: VideoDraft, upload id: Int64) throws -> Bool {
        try run(
            """
            UPDATE upload SET video_name = ?, guid = ?, path = ?, class_id = ?
            WHERE upload_id = ? AND state = 'open'
            """, [draft.name, draft.guid, draft.path, draft.classID, id]) > 0
    }

    package func setBoot(_ bootID: String, upload id: Int64, replacing old: String?) throws -> Bool {
        try run(
            "UPDATE upload SET boot_id = ? WHERE upload_id = ? AND boot_id = ifnull(?, boot_id)", [bootID, id, old]) > 0
    }

    package func deleteEmptyUpload(id: Int64) throws -> Bool {
        try run("DELETE FROM upload WHERE upload_id = ? AND state = 'open' AND received = 0", [id]) > 0
    }

    package func deleteSealedUploads(upTo time: Int64, limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM upload WHERE upload_id IN (
                SELECT upload_id FROM upload WHERE update_time <= ? AND state = 'sealed' LIMIT ?)
            """, [time, limit])
    }

    package func countSealedUploads(upTo time: Int64) throws -> Int {
        try row("SELECT count(*) FROM upload WHERE update_time <= ? AND state = 'sealed'", [time])![0]
    }
}

extension Database: AliasRows {
    package func insertAlias(_ guid: String, upload id: Int64) throws -> Bool {
        try run(
            """
            INSERT INTO upload_guid (guid, upload_id, number)
            SELECT ?, ?, ifnull(max(number), 0) + 1 FROM upload_guid WHERE upload_id = ? ON CONFLICT DO NOTHING
            """, [guid, id, id]) > 0
    }

    package func deleteAliases(ofUpload id: Int64, keeping limit: Int) throws -> [Alias] {
        try rows(
            """
            DELETE FROM upload_guid WHERE upload_id = ? AND number <= (
                SELECT number FROM upload_guid WHERE upload_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)
            RETURNING guid, upload_id, first_came, overlapped
            """, [id, id, limit]
        ).map(Alias.init(row:))
    }

    package func deleteAlias(_ guid: String, uploads ids: [Int64]) throws {
        for id in ids { try run("DELETE FROM upload_guid WHERE guid = ? AND upload_id = ?", [guid, id]) }
    }

    package func deleteAliases(_ guid: String, owner: String, md5: String) throws -> [Alias] {
        try rows(
            """
            DELETE FROM upload_guid WHERE guid = ? AND upload_id IN (
                SELECT upload_id FROM upload WHERE owner = ? AND md5 = ? AND state = 'open')
            RETURNING guid, upload_id, first_came, overlapped
            """, [guid, owner, md5]
        ).map(Alias.init(row:))
    }

    package func hasChunks(guid: String, owner: String, md5: String) throws -> Bool {
        try row(
            """
            SELECT 1 FROM upload JOIN upload_guid g USING (upload_id)
            WHERE g.guid = ? AND owner = ? AND md5 = ? AND state = 'open' AND received > 0
            """, [guid, owner, md5]) != nil
    }

    package func setFirstCame(_ guid: String, upload id: Int64) throws {
        try run(
            "UPDATE upload_guid SET first_came = 1 WHERE guid = ? AND upload_id = ? AND first_came = 0", [guid, id])
    }
}

extension Database: ChunkRows {
    package func record(_ chunks: [ChunkRecord]) throws -> [Int?] { try chunks.map(record) }

    private func record(_ record: ChunkRecord) throws -> Int? {
        let chunk = record.chunk
        try run(
            """
            INSERT INTO upload_chunk (upload_id, chunk, length, crc32c)
            SELECT upload_id, ?, ?, ? FROM upload WHERE upload_id = ? AND state = 'open'
            ON CONFLICT DO NOTHING
            """,
            [chunk.number, chunk.length, chunk.crc32c, record.upload])
        let inserted = changesCount
        if chunk.number == 0 { try setFirstCame(record.guid, upload: record.upload) }
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

    package func chunks(ofUpload id: Int64) throws -> [StoredChunk] { try chunks(ofUpload: id, number: nil) }

    /// - Parameter number: of which; `nil` for all.
    private func chunks(ofUpload id: Int64, number: Int?) throws -> [StoredChunk] {
        try rows(
            "SELECT chunk, length, crc32c FROM upload_chunk WHERE upload_id = ? AND chunk = ifnull(?, chunk)",
            [id, number]
        ).map {
            StoredChunk(number: $0["chunk"], length: $0["length"], crc32c: $0["crc32c"])
        }
    }

    package func hasChunks(upload id: Int64) throws -> Bool {
        try row("SELECT 1 FROM upload WHERE upload_id = ? AND received > 0", [id]) != nil
    }

    package func deleteChecksum(chunk number: Int, upload id: Int64) throws {
        try run("UPDATE upload_chunk SET crc32c = NULL WHERE upload_id = ? AND chunk = ?", [id, number])
    }

    package func deleteChunk(_ number: Int, upload id: Int64) throws {
        let length: Int? = try row(
            "DELETE FROM upload_chunk WHERE upload_id = ? AND chunk = ? RETURNING length", [id, number])?[0]
        guard let length else { return }
        try run(
            "UPDATE upload SET received = received - 1, received_bytes = received_bytes - ? WHERE upload_id = ?",
            [length, id])
    }

    package func deleteChunks(_ chunks: [StoredChunk], upload id: Int64) throws {
        for chunk in chunks where try self.chunks(ofUpload: id, number: chunk.number) == [chunk] {
            try deleteChunk(chunk.number, upload: id)
        }
    }
}

extension Database: SealingRows {
    package func sealing(upload id: Int64, path: String, size: Int, filesLimit: Int) throws -> SealingFacts? {
        guard let upload = try uploads(" WHERE upload_id = ?", [id]).first else { return nil }
        let (owner, md5) = (upload.key.owner, upload.key.md5)
        return SealingFacts(
            upload: upload,
            isNumberTaken: try row("SELECT 1 FROM video_info WHERE video_id = ?", [upload.videoID]) != nil,
            files: try files(owner: owner, md5: md5, size: size, limit: filesLimit),
            first: try videos(ofFile: path, limit: 1).first,
            isOthers: try row(
                "SELECT 1 FROM video_info WHERE path = ? AND (owner, md5, size) <> (?, ?, ?)",
                [path, owner, md5, size]) != nil)
    }

    package func siblings(ofUpload id: Int64, size: Int) throws -> [(upload: Upload, isPart: Bool)] {
        try rows(
            Self.selectUpload + """
                , NOT EXISTS (
                    SELECT 1 FROM upload_chunk theirs WHERE theirs.upload_id = upload.upload_id AND NOT EXISTS (
                        SELECT 1 FROM upload_chunk ours WHERE ours.upload_id = ?1 AND ours.chunk = theirs.chunk
                            AND ours.length = theirs.length AND ours.crc32c = theirs.crc32c)) AS is_part
                FROM upload
                WHERE (md5, owner, client) = (SELECT md5, owner, client FROM upload WHERE upload_id = ?1) AND size = ?2
                    AND state = 'open' AND upload_id <> ?1
                """, [id, size]
        ).map { (Upload(row: $0), $0["is_part"]) }
    }

    package func seal(uploads ids: [Int64], video: Int64, time: Int64) throws {
        for id in ids {
            try run(
                "UPDATE upload SET state = 'sealed', video_id = ?, update_time = ? WHERE upload_id = ? AND state = 'open'",
                [video, time, id])
            try run("DELETE FROM upload_chunk WHERE upload_id = ?", [id])
        }
    }

    package func setKnown(uploads ids: [Int64]) throws {
        for id in ids { try run("UPDATE upload SET is_known = 1 WHERE upload_id = ? AND state = 'open'", [id]) }
    }

    package func sealedUploads(video id: Int64) throws -> [Int64] {
        try rows("SELECT upload_id FROM upload WHERE video_id = ? AND state = 'sealed'", [id]).map { $0[0] }
    }

    package func videoNumber(ofSealed id: Int64) throws -> Int64? {
        try row("SELECT video_id FROM upload WHERE upload_id = ? AND state = 'sealed'", [id])?[0]
    }

    package func endings(ofUploads ids: [Int64]) throws -> [(upload: Upload, lastChunk: Int, aliases: [Alias])] {
        try ids.flatMap { id in
            let chunk: Int = try row("SELECT ifnull(max(chunk), 0) FROM upload_chunk WHERE upload_id = ?", [id])![0]
            let aliases = try rows(
                "SELECT guid, upload_id, first_came, overlapped FROM upload_guid WHERE upload_id = ?", [id])
            return try uploads(" WHERE upload_id = ?", [id]).map { ($0, chunk, aliases.map(Alias.init(row:))) }
        }
    }

    package func deleteUploads(ids: [Int64]) throws {
        for id in ids { try run("DELETE FROM upload WHERE upload_id = ?", [id]) }
    }

    package func deleteUploadsWithoutAlias(ids: [Int64]) throws -> [Upload] {
        let gone = try ids.flatMap { id in
            try uploads(
                """
                 WHERE upload_id = ? AND NOT EXISTS (
                    SELECT 1 FROM upload_guid g WHERE g.upload_id = upload.upload_id)
                """, [id])
        }
        try deleteUploads(ids: gone.map(\.id))
        return gone
    }
}

extension UploadKey {
    fileprivate var sizeGuid: String? {
        if case .guid(let guid) = extent { guid } else { nil }
    }
}

extension Upload {
    /// - Parameter row: with the columns of `selectUpload`; by place, because there may be thousands.
    fileprivate init(row: Row) {
        let size: Int? = row[3]
        self.init(
            id: row[0],
            key: UploadKey(
                owner: row[1], md5: row[2], extent: size.map(UploadKey.Extent.size) ?? .guid(row[4]), chunks: row[5],
                chunkSize: row[6]),
            state: State(rawValue: row[7])!, videoID: row[8], client: row[9], isKnown: row[10],
            draft: VideoDraft(name: row[11], guid: row[12], path: row[13], classID: row[14]), bootID: row[15],
            received: row[16], receivedBytes: row[17], updateTime: row[18])
    }
}

extension Alias {
    fileprivate init(row: Row) { self.init(guid: row[0], upload: row[1], firstCame: row[2], overlapped: row[3]) }
}
