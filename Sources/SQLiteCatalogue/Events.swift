import Catalogue
import GRDB
import Model

extension Database: EventRows {
    package func insert(_ events: [NewEvent], time: Int64) throws -> ClosedRange<Int64>? {
        for event in events {
            try run(
                "INSERT INTO event (kind, video_id, payload, create_time, not_before) VALUES (?1, ?2, ?3, ?4, ?4)",
                [event.kind.rawValue, event.videoID, event.payload, time])
        }
        // One transaction's numbers are in a row.
        return events.isEmpty ? nil : lastInsertedRowID - Int64(events.count - 1)...lastInsertedRowID
    }

    package func hasEvents(notBeforeOutside waiting: ClosedRange<Int64>) throws -> Bool {
        try !dueEvents(limit: 1, waiting).isEmpty
    }

    package func claimEvents(
        limit: Int, notBeforeOutside waiting: ClosedRange<Int64>, notBefore: Int64
    ) throws -> [Event] {
        try dueEvents(limit: limit, waiting).compactMap { id in
            try row(
                "UPDATE event SET attempts = attempts + 1, not_before = ? WHERE event_id = ? RETURNING *",
                [notBefore, id]
            ).map(Event.init(row:))
        }
    }

    private func dueEvents(limit: Int, _ waiting: ClosedRange<Int64>) throws -> [Int64] {
        try rows(
            """
            SELECT event_id FROM event e
            WHERE delivered_time IS NULL AND not_before NOT BETWEEN ? AND ? AND NOT EXISTS (
                SELECT 1 FROM event older
                WHERE older.delivered_time IS NULL AND older.video_id = e.video_id AND older.event_id < e.event_id)
            ORDER BY event_id LIMIT ?
            """, [waiting.lowerBound, waiting.upperBound, limit]
        ).map { $0[0] }
    }

    package func setDelivered(event id: Int64, time: Int64) throws {
        try run("UPDATE event SET delivered_time = ? WHERE event_id = ? AND delivered_time IS NULL", [time, id])
    }

    package func setNotBefore(_ notBefore: Int64, event id: Int64, attempts: Int) throws {
        try run(
            "UPDATE event SET not_before = ? WHERE event_id = ? AND attempts = ? AND delivered_time IS NULL",
            [notBefore, id, attempts])
    }

    package func countEvents(deliveredUpTo delivered: Int64, writtenUpTo written: Int64) throws -> ExpiredEvents {
        ExpiredEvents(
            delivered: try row("SELECT count(*) FROM event WHERE delivered_time <= ?", [delivered])![0],
            undelivered: try row(
                "SELECT count(*) FROM event WHERE delivered_time IS NULL AND create_time <= ?", [written])![0])
    }

    package func deleteEvents(deliveredUpTo delivered: Int64, writtenUpTo written: Int64) throws -> ExpiredEvents {
        try run("DELETE FROM event WHERE delivered_time <= ?", [delivered])
        let count = changesCount
        try run("DELETE FROM event WHERE delivered_time IS NULL AND create_time <= ?", [written])
        return ExpiredEvents(delivered: count, undelivered: changesCount)
    }
}

extension Event {
    fileprivate init(row: Row) {
        self.init(
            id: row["event_id"], kind: Kind(rawValue: row["kind"])!, videoID: row["video_id"],
            payload: row["payload"], attempts: row["attempts"])
    }
}
