import Catalogue
import GRDB
import Model

extension Database: RefusalRows {
    package func refusal(owner: String, md5: String, guid: String, after time: Int64) throws -> Refusal? {
        try row(
            """
            SELECT reason, first_came, client, create_time, overlapped, other_chunk FROM refusal
            WHERE owner = ? AND md5 = ? AND guid = ? AND create_time > ?
            """, [owner, md5, guid, time]
        ).map {
            Refusal(
                owner: owner, md5: md5, guid: guid, reason: $0[0], hasFirst: $0[1], overlaps: $0[4],
                otherChunk: $0[5], client: Client(recorded: $0[2]), time: $0[3], isRecorded: true)
        }
    }

    package func insert(_ refusals: [Refusal], mergesFlags: Bool) throws {
        let flags =
            mergesFlags
            ? """
            first_came = max(first_came, excluded.first_came), overlapped = max(overlapped, excluded.overlapped),
                other_chunk = iif(other_chunk = 0, excluded.other_chunk, other_chunk)
            """
            : """
            first_came = excluded.first_came, overlapped = excluded.overlapped, other_chunk = excluded.other_chunk
            """
        for refusal in refusals {
            try run(
                """
                INSERT INTO refusal (owner, md5, guid, reason, first_came, overlapped, other_chunk, client, create_time)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET reason = excluded.reason, client = excluded.client,
                    create_time = excluded.create_time, \(flags)
                """,
                [
                    refusal.owner, refusal.md5, refusal.guid, refusal.reason, refusal.hasFirst, refusal.overlaps,
                    refusal.otherChunk, refusal.client.description, refusal.time,
                ])
        }
    }

    package func note(
        firstCame: Bool, overlaps: Bool, chunk: Int, ofRefused guid: String, owner: String, md5: String
    ) throws -> Bool {
        try run(
            """
            UPDATE refusal SET first_came = max(first_came, ?), overlapped = max(overlapped, ?),
                other_chunk = iif(other_chunk = 0, ?, other_chunk)
            WHERE owner = ? AND md5 = ? AND guid = ?
            """, [firstCame, overlaps, chunk, owner, md5, guid]) > 0
    }

    package func hasRefusals(owner: String, md5: String, guid: String?) throws -> Bool {
        try row(
            "SELECT 1 FROM refusal WHERE owner = ? AND md5 = ? AND guid = ifnull(?, guid) LIMIT 1", [owner, md5, guid])
            != nil
    }

    package func deleteRefusals(owner: String, md5: String, guid: String?) throws {
        try run("DELETE FROM refusal WHERE owner = ? AND md5 = ? AND guid = ifnull(?, guid)", [owner, md5, guid])
    }

    package func deleteRefusals(upTo time: Int64, limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM refusal WHERE (owner, md5, guid) IN (
                SELECT owner, md5, guid FROM refusal WHERE create_time <= ? LIMIT ?)
            """, [time, limit])
    }

    package func countRefusals(of client: String) throws -> (own: Int, all: Int) {
        let own: Int = try row("SELECT count(*) FROM refusal WHERE client = ?", [client])![0]
        return (own, try row("SELECT count(*) FROM refusal")![0])
    }

    package func mostRefused(limit: Int) throws -> [(client: String, count: Int)] {
        try rows(
            "SELECT client, count(*) FROM refusal GROUP BY client ORDER BY count(*) DESC, client LIMIT ?", [limit]
        ).map { ($0[0], $0[1]) }
    }

    package func deleteOldestRefusals(of client: String, count: Int) throws {
        try run(
            """
            DELETE FROM refusal WHERE (owner, md5, guid) IN (
                SELECT owner, md5, guid FROM refusal WHERE client = ? ORDER BY create_time LIMIT ?)
            """, [client, count])
    }
}

extension Database: HoldingRows {
    /// `Upload.heldBytes` of an open upload.
    private static let heldBytes = "iif(is_known, received_bytes, ifnull(size, received_bytes))"

    /// Bytes of it that are still to come. One that an older version began has all of them on the disk, and says that it has
    /// received them; some are received once more.
    private static let comingBytes = "max(\(heldBytes) - received_bytes, 0)"

    package func holdings(
        for client: Client, freedIn times: ClosedRange<Int64>
    ) throws -> (totals: Admission.Totals, coming: Int, freed: Int) {
        let row = try row(
            """
            SELECT ifnull(sum(uploads), 0), ifnull(sum(bytes), 0), count(*),
                ifnull(max(iif(client = ?1, uploads, 0)), 0), ifnull(max(iif(client = ?1, bytes, 0)), 0),
                ifnull(max(iif(client = ?1, 0, uploads)), 0), ifnull(max(iif(client = ?1, 0, bytes)), 0),
                ifnull(sum(coming), 0), (SELECT ifnull(sum(bytes), 0) FROM freed WHERE time BETWEEN ?2 AND ?3)
            FROM (
                SELECT client, count(*) AS uploads, sum(\(Self.heldBytes)) AS bytes, sum(\(Self.comingBytes)) AS coming
                FROM upload WHERE state = 'open' GROUP BY client)
            """, [client.description, times.lowerBound, times.upperBound])!
        var totals = Admission.Totals()
        (totals.uploads, totals.bytes, totals.clients) = (row[0], row[1], row[2])
        (totals.ownUploads, totals.ownBytes) = (row[3], row[4])
        (totals.othersUploads, totals.othersBytes) = (row[5], row[6])
        return (totals, row[7], row[8])
    }

    package func comingBytes() throws -> Int {
        try row("SELECT ifnull(sum(\(Self.comingBytes)), 0) FROM upload WHERE state = 'open'")![0]
    }

    package func addFreed(_ bytes: Int, time: Int64, keeping times: ClosedRange<Int64>) throws {
        try run("DELETE FROM freed WHERE time NOT BETWEEN ? AND ?", [times.lowerBound, times.upperBound])
        try run(
            "INSERT INTO freed VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes", [time, bytes])
    }

    package func subtractFreed(_ bytes: Int) throws {
        try run(
            """
            UPDATE freed SET bytes = bytes - ?1 WHERE time = (
                SELECT time FROM freed WHERE bytes >= ?1 ORDER BY time DESC LIMIT 1)
            """, [bytes])
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
}
