import Catalogue
import GRDB
import Model

// MARK: - Refusals

extension SQLiteCatalogue {
    package func refuse(
        _ refusal: Refusal, whenRefused: () -> Void = {}
    ) throws(CatalogueError) -> [ExpiredUpload]? {
        try write { db in
            // Want of room or share does not end what has chunks; what is wrong with a chunk does.
            guard try !refusal.isForWant || !db.hasChunks(refusal) else { return nil }
            whenRefused()
            return try db.refuse(refusal)
        }
    }

    package func forgetRefusals(owner: String, md5: String, guid: String?) throws(CatalogueError) {
        let condition = "owner = ? AND md5 = ? AND guid = ifnull(?, guid)"
        let which: StatementArguments = [owner, md5, guid]
        let isThere = try read { db in
            try db.row("SELECT 1 FROM refusal WHERE \(condition) LIMIT 1", which) != nil
        }
        guard isThere else { return }
        try write { db in try db.run("DELETE FROM refusal WHERE \(condition)", which) }
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

    /// Whether an open upload that the guid is an alias of has a recorded chunk.
    fileprivate func hasChunks(_ refusal: Refusal) throws -> Bool {
        try row(
            """
            SELECT 1 FROM upload JOIN upload_guid g USING (upload_id)
            WHERE g.guid = ? AND owner = ? AND md5 = ? AND state = 'open' AND received > 0
            """, [refusal.guid, refusal.owner, refusal.md5]) != nil
    }

    /// Refuses a guid, which is no alias of an open upload any more.
    ///
    /// - Returns: the uploads that had no other alias, and are gone.
    func refuse(_ refusal: Refusal) throws -> [ExpiredUpload] {
        let uploads = try rows(
            """
            DELETE FROM upload_guid WHERE guid = ? AND upload_id IN (
                SELECT upload_id FROM upload WHERE owner = ? AND md5 = ? AND state = 'open')
            RETURNING upload_id, first_came, overlapped
            """, [refusal.guid, refusal.owner, refusal.md5])
        if refusal.isRecorded {
            var refusal = refusal
            refusal.hasFirst = uploads.contains { $0[1] } || refusal.hasFirst
            refusal.overlaps = uploads.contains { $0[2] } || refusal.overlaps
            try insert(refusal)
        }
        return try uploads.compactMap { guid in
            let gone = try row(
                """
                DELETE FROM upload WHERE upload_id = ?
                    AND NOT EXISTS (SELECT 1 FROM upload_guid g WHERE g.upload_id = upload.upload_id)
                RETURNING upload_id, path, received_bytes
                """, [guid[0] as Int64])
            guard let gone else { return nil }
            try noteFreed(gone[2], now: refusal.time)
            return ExpiredUpload(id: gone[0], path: gone[1], bytes: gone[2])
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
        let limit = Client(recorded: client).limit(Refusal.clientLimit, of: Refusal.limit)
        if own > limit { try forget(own - limit, of: client) }
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
        var freed = 0
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
            let bytes: Int? =
                try row(
                    "DELETE FROM upload WHERE upload_id = ? RETURNING iif(state = 'open', received_bytes, 0)",
                    [upload.id])?[0]
            freed += bytes ?? 0
        }
        for client in clients { try boundRefusals(of: client) }
        try noteFreed(freed, now: now)
    }
}

// MARK: - Lives

extension UploadExpiry {
    /// Whether an open upload's life is over, with `arguments`.
    ///
    /// One that is whole waits to be completed, however short the life of its kind is.
    static let isOver = """
        update_time <= iif(received >= max(chunks, 1), ?, iif(is_known, ?, iif(received <= 1, ?, ?)))
        """

    var arguments: StatementArguments { [full, known, short, full] }
}

extension SQLiteCatalogue {
    package func expireUploads(_ expiry: UploadExpiry, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads {
        if isDryRun {
            return try read { db in
                let sealed: Int = try db.row(
                    "SELECT count(*) FROM upload WHERE update_time <= ? AND state = 'sealed'", [expiry.full])![0]
                return ExpiredUploads(
                    unfinished: try db.openUploads(over: expiry, limit: .max), isPart: false, sealed: sealed)
            }
        }
        return try deleting { db in
            let unfinished = try db.openUploads(over: expiry, limit: Self.expiryBatch)
            try db.retire(unfinished, reason: Refusal.expired, now: expiry.now)
            let rest: StatementArguments = [expiry.full, Self.expiryBatch - unfinished.count]
            try db.run(
                """
                DELETE FROM upload WHERE upload_id IN (
                    SELECT upload_id FROM upload WHERE update_time <= ? AND state = 'sealed' LIMIT ?)
                """, rest)
            let sealed = db.changesCount
            try db.run(
                """
                DELETE FROM refusal WHERE (owner, md5, guid) IN (
                    SELECT owner, md5, guid FROM refusal WHERE create_time <= ? LIMIT ?)
                """, [expiry.full, Self.expiryBatch])
            let isPart =
                try db.changesCount == Self.expiryBatch || unfinished.count + sealed == Self.expiryBatch
                || !db.openUploads(over: expiry, limit: 1).isEmpty
            return ExpiredUploads(unfinished: unfinished, isPart: isPart, sealed: sealed)
        }
    }

    /// Uploads of a kind, and refusals, that go in one transaction: what it writes has to fit the ballast.
    private static let expiryBatch = 100
}

extension Database {
    /// Chunks that go in one transaction; one upload may have more.
    private static let chunkBatch = 20_000

    /// - Parameter limit: how many at most; fewer where they have many chunks, unless it is `.max`.
    fileprivate func openUploads(over expiry: UploadExpiry, limit: Int) throws -> [ExpiredUpload] {
        var chunks = 0
        return try rows(
            "SELECT upload_id, path, received, received_bytes FROM upload WHERE state = 'open' AND "
                + UploadExpiry.isOver + " ORDER BY upload_id LIMIT ?", expiry.arguments + [limit]
        ).enumerated().prefix { index, row in
            chunks += row[2]
            return index == 0 || limit == .max || chunks <= Self.chunkBatch
        }.map { _, row in ExpiredUpload(id: row[0], path: row[1], bytes: row[3]) }
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
    fileprivate static let heldBytes = "iif(is_known, received_bytes, ifnull(size, received_bytes))"

    /// Bytes of it that are still to come. One that an older version began has all of them on the disk, and says that it has
    /// received them; some are received once more.
    fileprivate static let comingBytes = "max(\(heldBytes) - received_bytes, 0)"

    /// Bytes that are still to come for open uploads.
    func promisedBytes() throws -> Int {
        try row("SELECT ifnull(sum(\(Self.comingBytes)), 0) FROM upload WHERE state = 'open'")![0]
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
    func admit(_ terms: UploadTerms, bytes: Int, now: Int64) throws -> Admittance {
        try admit(
            Admission.Request(client: terms.client, bytes: bytes), room: terms.room(), limits: terms.limits, now: now)
    }

    fileprivate func admit(
        _ request: Admission.Request, room disk: DiskRoom, limits: UploadLimits, now: Int64
    ) throws -> Admittance {
        let (totals, promised) = try totals(for: request.client)
        let room = disk.free - promised
        var holdings: [(upload: Admission.Holding, path: String)]?
        func verdict(room: Int) throws -> Admission.Verdict {
            try Admission.verdict(request, room: room, limits: limits, totals: totals) {
                if holdings == nil { holdings = try self.holdings(now: now) }
                return holdings!.map(\.upload)
            }
        }
        // What is on its way off the disk is promised already to those for whom it gave way. Without it each request that
        // comes meanwhile would take it once more, and as shares would shrink, in the end from clients below theirs.
        let whole = try room + freedBytes(now: now) + disk.unrecorded
        switch try verdict(room: whole) {
        case .admitted(let evicted):
            if evicted.isEmpty {
                // It is no room yet.
                return request.bytes <= room ? .admitted([]) : .refused(.diskFull, comesFree: true)
            }
            let gone = Set(evicted)
            let uploads = (holdings ?? []).filter { gone.contains($0.upload.upload) }.map {
                ExpiredUpload(
                    id: $0.upload.upload, path: $0.path, bytes: $0.upload.received,
                    evictedClient: $0.upload.client.description)
            }
            try retire(uploads, reason: Refusal.expired, now: now)
            return .admitted(uploads)
        case .refused(let reason):
            // But for what is on its way off the disk the answer may be another one in a moment.
            if disk.coming > 0, case .admitted = try verdict(room: whole + disk.coming) {
                return .refused(reason, comesFree: true)
            }
            return .refused(reason, comesFree: false)
        }
    }

    /// What clients hold, and the bytes that are still to come for them, in one pass.
    private func totals(for client: Client) throws -> (Admission.Totals, promised: Int) {
        let row = try row(
            """
            SELECT ifnull(sum(uploads), 0), ifnull(sum(bytes), 0), count(*),
                ifnull(max(iif(client = ?1, uploads, 0)), 0), ifnull(max(iif(client = ?1, bytes, 0)), 0),
                ifnull(max(iif(client = ?1, 0, uploads)), 0), ifnull(max(iif(client = ?1, 0, bytes)), 0),
                ifnull(sum(coming), 0)
            FROM (
                SELECT client, count(*) AS uploads, sum(\(Self.heldBytes)) AS bytes, sum(\(Self.comingBytes)) AS coming
                FROM upload WHERE state = 'open' GROUP BY client)
            """, [client.description])!
        var totals = Admission.Totals()
        (totals.uploads, totals.bytes, totals.clients) = (row[0], row[1], row[2])
        (totals.ownUploads, totals.ownBytes) = (row[3], row[4])
        (totals.othersUploads, totals.othersBytes) = (row[5], row[6])
        return (totals, row[7])
    }

    private func holdings(now: Int64) throws -> [(upload: Admission.Holding, path: String)] {
        try rows(
            """
            SELECT upload_id, client, \(Self.heldBytes), received_bytes, update_time, received >= max(chunks, 1), path
            FROM upload WHERE state = 'open'
            """
        ).map { row in
            let upload = Admission.Holding(
                upload: row[0], client: Client(recorded: row[1]), bytes: row[2], received: row[3], idle: now - row[4],
                isWhole: row[5])
            return (upload, row[6])
        }
    }
}

/// What becomes of a new upload.
enum Admittance {
    /// It begins; these have given way to it.
    case admitted([ExpiredUpload])
    /// It does not, or not yet, where `comesFree`: what is on its way off the disk would be enough.
    case refused(Admission.Refusal, comesFree: Bool)
}

// MARK: - What is on its way off the disk

extension UploadTerms {
    /// Seconds after which the bytes of an upload or a video that is gone are off the disk: the process that ends it removes its
    /// file, and others close it within that time.
    static let freeingTime: Int64 = 5
}

extension Database {
    /// The bytes of uploads and videos that are gone stay on the disk for a moment, while they are promised and held no
    /// more. In the catalogue, because another process may be the one that removes them.
    func noteFreed(_ bytes: Int, now: Int64) throws {
        guard bytes > 0 else { return }
        try run("DELETE FROM freed WHERE time NOT BETWEEN ? AND ?", [now - UploadTerms.freeingTime, now])
        try run(
            "INSERT INTO freed VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes", [now, bytes])
    }

    fileprivate func freedBytes(now: Int64) throws -> Int {
        let seconds: StatementArguments = [now - UploadTerms.freeingTime, now]
        return try row("SELECT ifnull(sum(bytes), 0) FROM freed WHERE time BETWEEN ? AND ?", seconds)![0]
    }
}

extension SQLiteCatalogue {
    package func makeRoom(
        for bytes: Int, of upload: Upload, room: () -> DiskRoom, now: Int64
    ) throws(CatalogueError) -> RoomMade {
        try write { db in
            let request = Admission.Request(client: Client(recorded: upload.client), bytes: bytes)
            switch try db.admit(request, room: room(), limits: .none, now: now) {
            case .admitted(let evicted): return .made(expired: evicted)
            case .refused(let reason, let comesFree):
                let chunk = try db.row("SELECT 1 FROM upload WHERE upload_id = ? AND received > 0", [upload.id])
                return .none(reason, hasChunks: chunk != nil, comesFree: comesFree)
            }
        }
    }

    package func noteRemoved(bytes: Int) throws(CatalogueError) {
        guard bytes > 0 else { return }
        try write { db in
            try db.run(
                """
                UPDATE freed SET bytes = bytes - ?1 WHERE time = (
                    SELECT time FROM freed WHERE bytes >= ?1 ORDER BY time DESC LIMIT 1)
                """, [bytes])
        }
    }
}
