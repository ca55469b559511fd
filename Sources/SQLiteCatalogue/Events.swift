import Model
import Catalogue
import GRDB

extension SQLiteCatalogue {
    package func claimEvents(limit: Int, lease: Int64, now: Int64) throws(CatalogueError) -> [Event] {
        guard try read({ db in try db.dueEvents(limit: 1, now: now) }).isEmpty == false else { return [] }
        return try write { db in
            try db.dueEvents(limit: limit, now: now).compactMap { id in
                try db.row(
                    "UPDATE event SET attempts = attempts + 1, not_before = ? WHERE event_id = ? RETURNING *",
                    [now + lease, id]
                ).map(Event.init(row:))
            }
        }
    }

    package func noteDelivered(_ event: Event, now: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                "UPDATE event SET delivered_time = ? WHERE event_id = ? AND delivered_time IS NULL", [now, event.id])
        }
    }

    package func noteDeliveryFailed(_ event: Event, notBefore: Int64) throws(CatalogueError) {
        try write { db in
            // Not if a later attempt is under way or has succeeded.
            try db.run(
                "UPDATE event SET not_before = ? WHERE event_id = ? AND attempts = ? AND delivered_time IS NULL",
                [notBefore, event.id, event.attempts])
        }
    }

    package func expireEvents(now: Int64, isDryRun: Bool) throws(CatalogueError) -> ExpiredEvents {
        let old = (
            delivered: "FROM event WHERE delivered_time <= ?",
            undelivered: "FROM event WHERE delivered_time IS NULL AND create_time <= ?"
        )
        let before = (
            delivered: now - Event.lifetimeDelivered, undelivered: now - Event.lifetimeUndelivered
        )
        let found = try read { db in
            ExpiredEvents(
                delivered: try db.row("SELECT count(*) " + old.delivered, [before.delivered])![0],
                undelivered: try db.row("SELECT count(*) " + old.undelivered, [before.undelivered])![0])
        }
        if isDryRun || found == ExpiredEvents(delivered: 0, undelivered: 0) { return found }
        return try deleting { db in
            try db.run("DELETE " + old.delivered, [before.delivered])
            let delivered = db.changesCount
            try db.run("DELETE " + old.undelivered, [before.undelivered])
            let undelivered = db.changesCount
            try db.setFact("events_given_up", undelivered + (db.fact("events_given_up") ?? 0))
            return ExpiredEvents(delivered: delivered, undelivered: undelivered)
        }
    }

    /// Writes an event of every video that points to a file, or of one of them, in the transaction that makes it true.
    func note(_ kind: Event.Kind, file path: String, video id: Int64? = nil, now: Int64, in db: Database) throws {
        guard writesEvents else { return }
        try db.run(
            """
            INSERT INTO event (kind, video_id, payload, create_time, not_before)
            SELECT ?1, video_id, json_object(
                    'epoch', (SELECT value FROM fact WHERE name = 'epoch'), 'kind', ?1, 'time', ?2,
                    'video_id', video_id, 'owner', owner, 'guid', guid,
                    'video_name', video_name, 'path', v.path, 'size', v.size,
                    'duration', iif(probed, duration, NULL), 'md5', md5, 'class_id', class_id,
                    'class_name', ifnull(class_name, ''), 'game_name', ifnull(game_name, ''),
                    'create_time', v.create_time,
                    'error', iif(?1 = 'video.failed', substr(error, 1, instr(error || char(10), char(10)) - 1), NULL),
                    'width', width, 'height', height, 'mp4_path', mp4_path, 'hls_path', hls_path,
                    'poster_path', poster_path, 'thumbnails_path', thumbnails_path, 'flaws', json(flaws),
                    'failure', iif(?1 = 'video.failed', failure, NULL)), ?2, ?2
            FROM video_info v LEFT JOIN video_class USING (class_id) LEFT JOIN job j ON j.path = v.path
                LEFT JOIN media m ON m.path = v.path
            WHERE v.path = ?3 AND video_id = ifnull(?4, video_id) ORDER BY video_id
            """, [kind.rawValue, now, path, id])
    }
}

extension Database {
    /// The oldest undelivered events of their videos, if they are due.
    fileprivate func dueEvents(limit: Int, now: Int64) throws -> [Int64] {
        try rows(
            """
            SELECT event_id FROM event e
            WHERE delivered_time IS NULL AND not_before NOT BETWEEN ? AND ? AND NOT EXISTS (
                SELECT 1 FROM event older
                WHERE older.delivered_time IS NULL AND older.video_id = e.video_id AND older.event_id < e.event_id)
            ORDER BY event_id LIMIT ?
            """, [now + 1, now + Event.longestDelay, limit]
        ).map { $0[0] }
    }
}

extension Event {
    fileprivate init(row: Row) {
        self.init(
            id: row["event_id"], kind: Kind(rawValue: row["kind"])!, videoID: row["video_id"],
            payload: row["payload"], createTime: row["create_time"], attempts: row["attempts"])
    }
}
