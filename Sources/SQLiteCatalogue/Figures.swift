import Model
import Catalogue
import GRDB

extension Database: FactRows {
    package func text(_ fact: Fact) throws -> String? { try value(fact) }

    package func set(_ fact: Fact, _ text: String) throws { try setValue(fact, text) }

    package func set(_ fact: Fact, _ number: Int64) throws { try setValue(fact, number) }

    package func add(_ number: Int, to fact: Fact) throws {
        try run(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            [fact.rawValue, number])
    }

    package func setWorker(_ worker: WorkerHeartbeat) throws {
        try run(
            "INSERT OR REPLACE INTO worker (name, heartbeat_time, slots, memory) VALUES (?, ?, ?, ?)",
            [worker.name, worker.time, worker.capacity.slots, worker.capacity.memory])
    }

    package func deleteWorker(_ name: String) throws { try run("DELETE FROM worker WHERE name = ?", [name]) }

    package func deleteWorkers(outside times: ClosedRange<Int64>) throws {
        try run("DELETE FROM worker WHERE heartbeat_time NOT BETWEEN ? AND ?", [times.lowerBound, times.upperBound])
    }

    package func figures() throws -> CatalogueFigures {
        var figures = CatalogueFigures()
        let uploads = try row(
            "SELECT count(*), ifnull(sum(received_bytes), 0) FROM upload WHERE state = 'open'")!
        (figures.openUploads, figures.receivedBytes) = (uploads[0], uploads[1])
        figures.promisedBytes = try comingBytes()
        try addClients(&figures)
        for row in try rows("SELECT state, count(*) FROM job GROUP BY state") {
            if let state = Job.State(rawValue: row[0]) { figures.jobs[state] = row[1] }
        }
        figures.oldestQueuedJobTime = try row("SELECT min(update_time) FROM job WHERE state = 'queued'")?[0]
        figures.queuedClients = try row("SELECT count(DISTINCT client) FROM job WHERE state = 'queued'")![0]
        figures.jobsOverBudget = try value(.jobsOverBudget) ?? 0
        figures.workers = try rows("SELECT name, heartbeat_time, slots, memory FROM worker ORDER BY name").map {
            WorkerHeartbeat(name: $0[0], time: $0[1], capacity: WorkerCapacity(slots: $0[2], memory: $0[3]))
        }
        figures.eventsPending = try row("SELECT count(*) FROM event WHERE delivered_time IS NULL")![0]
        figures.oldestPendingEventTime = try row(
            "SELECT create_time FROM event WHERE delivered_time IS NULL ORDER BY event_id LIMIT 1")?[0]
        figures.workerWalls = try value(.workerWalls)
        figures.eventsGivenUp = try value(.eventsGivenUp) ?? 0
        figures.checkTime = try value(.checkTime) ?? 0
        figures.checkFindings = try value(.checkFindings) ?? 0
        return figures
    }

    private func value<Value: DatabaseValueConvertible>(_ fact: Fact) throws -> Value? {
        try row("SELECT value FROM fact WHERE name = ?", [fact.rawValue])?[0]
    }

    private func setValue(_ fact: Fact, _ value: some DatabaseValueConvertible) throws {
        try run("INSERT OR REPLACE INTO fact VALUES (?, ?)", [fact.rawValue, value])
    }
}
