import GRDB
import Uploads

// MARK: - Refusals

extension SQLiteCatalogue {
    package func refuse(_ refusal: Refusal) throws(CatalogueError) -> [ExpiredUpload] {
        try write { db in try db.refuse(refusal) }
    }

    package func forgetRefusals(owner: String, md5: String) throws(CatalogueError) {
        let isThere = try read { db in
            try db.row("SELECT 1 FROM refusal WHERE owner = ? AND md5 = ? LIMIT 1", [owner, md5]) != nil
        }
        guard isThere else { return }
        try write { db in try db.run("DELETE FROM refusal WHERE owner = ? AND md5 = ?", [owner, md5]) }
    }
}

extension Database {
    /// The refusal of a guid, unless its time is over.
    func refusal(_ key: UploadKey, guid: String, _ expiry: UploadExpiry) throws -> Refusal? {
        try row(
            """
            SELECT reason, first_came, client, create_time, overlapped, other_chunk FROM refusal
            WHERE owner = ? AND md5 = ? AND guid = ? AND create_time > ?
            """, [key.owner, key.md5, guid, expiry.full]
        ).map {
            Refusal(
                owner: key.owner, md5: key.md5, guid: guid, reason: $0[0], hasFirst: $0[1], overlaps: $0[4],
                otherChunk: $0[5], client: Client(recorded: $0[2]), time: $0[3], isRecorded: true)
        }
    }

    /// The refusal that a request gets. A first chunk that comes again begins anew, and there is none then.
    func currentRefusal(
        _ key: UploadKey, guid: String, isFirst: Bool, _ terms: UploadTerms, _ expiry: UploadExpiry
    ) throws -> Refusal? {
        guard let found = try refusal(key, guid: guid, expiry) else { return nil }
        guard isFirst else {
            if found.isNews(terms) { try note(terms, of: found) }
            return found
        }
        let which: StatementArguments = [key.owner, key.md5, guid]
        if found.ends(terms) {
            try run("DELETE FROM refusal WHERE owner = ? AND md5 = ? AND guid = ?", which)
            return nil
        }
        try run(
            "UPDATE refusal SET first_came = 1, overlapped = max(overlapped, ?) WHERE owner = ? AND md5 = ? AND guid = ?",
            [terms.overlaps] + which)
        return found
    }

    /// Notes what another chunk than the first tells of a refused guid.
    func note(_ terms: UploadTerms, of refusal: Refusal) throws {
        try run(
            """
            UPDATE refusal SET overlapped = max(overlapped, ?), other_chunk = iif(other_chunk = 0, ?, other_chunk)
            WHERE owner = ? AND md5 = ? AND guid = ?
            """, [terms.overlaps, terms.chunk, refusal.owner, refusal.md5, refusal.guid])
    }

    /// Refuses a guid, which is no alias of an open upload any more.
    ///
    /// - Returns: the uploads that had no other alias, and are gone.
    func refuse(_ refusal: Refusal) throws -> [ExpiredUpload] {
        if refusal.isRecorded { try insert(refusal) }
        let uploads = try rows(
            """
            DELETE FROM upload_guid WHERE guid = ? AND upload_id IN (
                SELECT upload_id FROM upload WHERE owner = ? AND md5 = ? AND state = 'open')
            RETURNING upload_id
            """, [refusal.guid, refusal.owner, refusal.md5])
        return try uploads.compactMap { guid in
            try row(
                """
                DELETE FROM upload WHERE upload_id = ?
                    AND NOT EXISTS (SELECT 1 FROM upload_guid g WHERE g.upload_id = upload.upload_id)
                RETURNING upload_id, path
                """, [guid[0] as Int64]
            ).map { ExpiredUpload(id: $0[0], path: $0[1]) }
        }
    }

    func insert(_ refusal: Refusal) throws {
        try run(
            """
            INSERT INTO refusal (owner, md5, guid, reason, first_came, overlapped, other_chunk, client, create_time)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET reason = excluded.reason, first_came = max(first_came, excluded.first_came),
                overlapped = max(overlapped, excluded.overlapped),
                other_chunk = iif(other_chunk = 0, excluded.other_chunk, other_chunk), client = excluded.client, create_time = excluded.create_time
            """,
            [
                refusal.owner, refusal.md5, refusal.guid, refusal.reason, refusal.hasFirst, refusal.overlaps,
                refusal.otherChunk, refusal.client.description, refusal.time,
            ])
        try boundRefusals(of: refusal.client.description)
    }

    /// Forgets the oldest refusals of a client that has too many, and of the clients with the most while there are too
    /// many in all.
    private func boundRefusals(of client: String) throws {
        func forget(_ count: Int, of client: String) throws {
            try run(
                """
                DELETE FROM refusal WHERE (owner, md5, guid) IN (
                    SELECT owner, md5, guid FROM refusal WHERE client = ? ORDER BY create_time LIMIT ?)
                """, [client, count])
        }
        let own: Int = try row("SELECT count(*) FROM refusal WHERE client = ?", [client])![0]
        if !client.isEmpty, own > Refusal.clientLimit { try forget(own - Refusal.clientLimit, of: client) }
        var excess = try row("SELECT count(*) FROM refusal")![0] - Refusal.limit
        while excess > 0 {
            let most = try rows(
                "SELECT client, count(*) FROM refusal GROUP BY client ORDER BY count(*) DESC, client LIMIT 2")
            let (first, second): (Int, Int) = (most[0][1], most.count > 1 ? most[1][1] : 0)
            let count = min(excess, max(1, first - second))
            try forget(count, of: most[0][0])
            excess -= count
        }
    }

    /// Deletes the finished uploads of a video that is deleted: their guids had code 1, and must not go on with code 2.
    func retireSealed(as video: Int64, now: Int64) throws {
        let uploads = try rows(
            "SELECT upload_id, path FROM upload WHERE video_id = ? AND state = 'sealed'", [video]
        ).map { ExpiredUpload(id: $0[0], path: $0[1]) }
        try retire(uploads, reason: Refusal.expired, now: now)
    }

    /// Deletes uploads, whose guids are refused from now on: a page that had a chunk acknowledged must not go on as
    /// if it were there.
    func retire(_ uploads: [ExpiredUpload], reason: String, now: Int64) throws {
        var clients: Set<String> = []
        for upload in uploads {
            let guids = try rows(
                """
                INSERT INTO refusal (owner, md5, guid, reason, first_came, overlapped, other_chunk, client, create_time)
                SELECT owner, md5, g.guid, ?, first_came, overlapped, iif(state = 'sealed', 1, (
                    SELECT ifnull(max(chunk), 0) FROM upload_chunk c WHERE c.upload_id = upload.upload_id)), client, ?
                FROM upload JOIN upload_guid g USING (upload_id)
                WHERE upload_id = ? AND (received > 0 OR state = 'sealed') AND chunks > 1
                ON CONFLICT DO UPDATE SET reason = excluded.reason, first_came = excluded.first_came,
                    overlapped = excluded.overlapped, other_chunk = excluded.other_chunk, client = excluded.client, create_time = excluded.create_time
                RETURNING client
                """, [reason, now, upload.id])
            clients.formUnion(guids.map { $0[0] })
            try run("DELETE FROM upload WHERE upload_id = ?", [upload.id])
        }
        for client in clients { try boundRefusals(of: client) }
    }
}

// MARK: - Lives

extension UploadExpiry {
    /// Whether an open upload's life is over, with `arguments`.
    static let isOver = "update_time <= iif(is_known, ?, iif(received <= 1, ?, ?))"

    var arguments: StatementArguments { [known, short, full] }
}

extension SQLiteCatalogue {
    package func expireUploads(_ expiry: UploadExpiry, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads {
        if isDryRun {
            return try read { db in
                let sealed: Int = try db.row(
                    "SELECT count(*) FROM upload WHERE update_time <= ? AND state = 'sealed'", [expiry.full])![0]
                return ExpiredUploads(unfinished: try db.openUploads(over: expiry), sealed: sealed)
            }
        }
        return try deleting { db in
            let unfinished = try db.openUploads(over: expiry)
            try db.retire(unfinished, reason: Refusal.expired, now: expiry.now)
            try db.run("DELETE FROM upload WHERE update_time <= ? AND state = 'sealed'", [expiry.full])
            let sealed = db.changesCount
            try db.run("DELETE FROM refusal WHERE create_time <= ?", [expiry.full])
            return ExpiredUploads(unfinished: unfinished, sealed: sealed)
        }
    }
}

extension Database {
    fileprivate func openUploads(over expiry: UploadExpiry) throws -> [ExpiredUpload] {
        try rows(
            "SELECT upload_id, path FROM upload WHERE state = 'open' AND " + UploadExpiry.isOver
                + " ORDER BY upload_id", expiry.arguments
        ).map { ExpiredUpload(id: $0[0], path: $0[1]) }
    }
}

// MARK: - Admission

extension SQLiteCatalogue {
    package func promisedBytes() throws(CatalogueError) -> Int {
        try read { db in try db.promisedBytes() }
    }
}

extension Database {
    /// Bytes of an open upload that count against the room from its first chunk on.
    fileprivate static let heldBytes = "iif(is_known, received_bytes, max(ifnull(size, 0), received_bytes))"

    /// Bytes that are still to come for open uploads.
    func promisedBytes() throws -> Int {
        try row("SELECT ifnull(sum(\(Self.heldBytes) - received_bytes), 0) FROM upload WHERE state = 'open'")![0]
    }

    /// Adds what clients hold.
    func addClients(_ figures: inout CatalogueFigures) throws {
        let clients = try row(
            """
            SELECT count(*), ifnull(max(uploads), 0), ifnull(max(bytes), 0) FROM (
                SELECT count(*) AS uploads, sum(\(Self.heldBytes)) AS bytes FROM upload WHERE state = 'open'
                GROUP BY client)
            """)!
        (figures.uploadClients, figures.largestUploads, figures.largestBytes) = (clients[0], clients[1], clients[2])
        figures.refusals = try row("SELECT count(*) FROM refusal")![0]
    }

    /// Lets uploads give way to a new one.
    ///
    /// - Parameter bytes: what it promises to bring.
    func admit(
        _ terms: UploadTerms, bytes: Int, now: Int64
    ) throws -> Admittance {
        let sums = try row(
            """
            SELECT count(*), ifnull(sum(\(Self.heldBytes) - received_bytes), 0) FROM upload WHERE state = 'open'
            """)!
        let (count, promised): (Int, Int) = (sums[0], sums[1])
        let (client, limits) = (terms.client, terms.limits)
        let room = terms.room - promised
        let own: Int = try row(
            "SELECT count(*) FROM upload WHERE state = 'open' AND client = ?", [client.description])![0]
        if count < limits.total, bytes <= room, !client.isKnown || own < limits.perClient { return .admitted([]) }
        var paths: [Int64: String] = [:]
        let holdings = try rows(
            """
            SELECT upload_id, client, \(Self.heldBytes), received_bytes, update_time, received >= max(chunks, 1), path
            FROM upload WHERE state = 'open'
            """
        ).map { row in
            let id: Int64 = row[0]
            paths[id] = row[6]
            return Admission.Holding(
                upload: id, client: Client(recorded: row[1]), bytes: row[2], received: row[3], idle: now - row[4],
                isWhole: row[5])
        }
        let verdict = Admission.verdict(
            Admission.Request(client: client, bytes: bytes), room: room, limits: limits, holdings: holdings)
        switch verdict {
        case .admitted(let evicted):
            let uploads = evicted.map { ExpiredUpload(id: $0, path: paths[$0] ?? "") }
            try retire(uploads, reason: Refusal.expired, now: now)
            return .admitted(uploads)
        case .refused(let reason):
            return .refused(reason)
        }
    }
}

/// What becomes of a new upload.
enum Admittance {
    /// It begins; these have given way to it.
    case admitted([ExpiredUpload])
    case refused(Admission.Refusal)
}
