import Model
import Catalogue
import GRDB

extension SQLiteCatalogue {
    package func figures() throws(CatalogueError) -> CatalogueFigures {
        try read { db in try db.figures() }
    }

    /// The figures of the catalogue in a file, which is only read: also where nothing can be written, and of whatever
    /// process it is.
    package static func figures(path: String) throws(CatalogueError) -> CatalogueFigures {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(10)
            return try DatabaseQueue(path: path, configuration: configuration).read { db in
                guard try Schema.migrator.hasCompletedMigrations(db), try !Schema.migrator.hasBeenSuperseded(db) else {
                    throw CatalogueError(
                        .incompatible,
                        "\(path) is of another version of video-intake; `serve` brings an older one up to date")
                }
                return try db.figures()
            }
        } catch {
            throw failure(error)
        }
    }

    package func noteWorkerWalls(_ code: Int) throws(CatalogueError) {
        try write { db in try db.setFact("worker_walls", code) }
    }

    package func noteCheck(findings: Int, now: Int64) throws(CatalogueError) {
        try deleting { db in
            try db.setFact("check_time", now)
            try db.setFact("check_findings", findings)
        }
    }

    package func noteWorker(_ name: String, _ capacity: WorkerCapacity, now: Int64) throws(CatalogueError) {
        try write { db in
            try db.run(
                "INSERT OR REPLACE INTO worker (name, heartbeat_time, slots, memory) VALUES (?, ?, ?, ?)",
                [name, now, capacity.slots, capacity.memory])
            try db.run(
                "DELETE FROM worker WHERE heartbeat_time NOT BETWEEN ? AND ?",
                [now - WorkerHeartbeat.lifetime, now + WorkerHeartbeat.lifetime])
        }
    }

    package func forgetWorker(_ name: String) throws(CatalogueError) {
        try deleting { db in try db.run("DELETE FROM worker WHERE name = ?", [name]) }
    }
}

extension Database {
    fileprivate func figures() throws -> CatalogueFigures {
        var figures = CatalogueFigures()
        let uploads = try row(
            "SELECT count(*), ifnull(sum(received_bytes), 0) FROM upload WHERE state = 'open'")!
        (figures.openUploads, figures.receivedBytes) = (uploads[0], uploads[1])
        figures.promisedBytes = try promisedBytes()
        try addClients(&figures)
        for row in try rows("SELECT state, count(*) FROM job GROUP BY state") {
            if let state = Job.State(rawValue: row[0]) { figures.jobs[state] = row[1] }
        }
        figures.oldestQueuedJobTime = try row("SELECT min(update_time) FROM job WHERE state = 'queued'")?[0]
        figures.queuedClients = try row("SELECT count(DISTINCT client) FROM job WHERE state = 'queued'")![0]
        figures.jobsOverBudget = try fact("jobs_over_budget") ?? 0
        figures.workers = try rows("SELECT name, heartbeat_time, slots, memory FROM worker ORDER BY name").map {
            WorkerHeartbeat(name: $0[0], time: $0[1], capacity: WorkerCapacity(slots: $0[2], memory: $0[3]))
        }
        figures.eventsPending = try row("SELECT count(*) FROM event WHERE delivered_time IS NULL")![0]
        figures.oldestPendingEventTime = try row(
            "SELECT create_time FROM event WHERE delivered_time IS NULL ORDER BY event_id LIMIT 1")?[0]
        figures.workerWalls = try fact("worker_walls")
        figures.eventsGivenUp = try fact("events_given_up") ?? 0
        figures.checkTime = try fact("check_time") ?? 0
        figures.checkFindings = try fact("check_findings") ?? 0
        return figures
    }

    /// What is known of the catalogue itself by this name, `nil` if nothing.
    func fact<Value: DatabaseValueConvertible>(_ name: String) throws -> Value? {
        try row("SELECT value FROM fact WHERE name = ?", [name])?[0]
    }

    func setFact(_ name: String, _ value: some DatabaseValueConvertible) throws {
        try run("INSERT OR REPLACE INTO fact VALUES (?, ?)", [name, value])
    }
}
