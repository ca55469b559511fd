import Catalogue
import GRDB
import Model

extension Database: JobRows {
    package func job(id: Int64) throws -> Job? {
        try row("SELECT * FROM job WHERE job_id = ?", [id]).map(Job.init(row:))
    }

    package func job(ofFile path: String) throws -> Job? {
        try row("SELECT * FROM job WHERE path = ?", [path]).map(Job.init(row:))
    }

    package func jobs(state: Job.State?, limit: Int) throws -> [Job] {
        try rows(
            "SELECT * FROM job WHERE state = ifnull(?, state) ORDER BY job_id DESC LIMIT ?", [state?.rawValue, limit]
        ).map(Job.init(row:))
    }

    package func runningJobs(_ lane: Job.Lane, leaseOutside leases: ClosedRange<Int64>) throws -> [Job] {
        try rows(
            "SELECT * FROM job j WHERE state = 'running' AND lease_until NOT BETWEEN ? AND ?" + lane.condition
                + " ORDER BY job_id", [leases.lowerBound, leases.upperBound]
        ).map(Job.init(row:))
    }

    package func queueHeads(
        _ lane: Job.Lane, notBeforeOutside waiting: ClosedRange<Int64>, recent: ClosedRange<Int64>
    ) throws -> [(client: String, job: Int64, oldest: Int64)] {
        try rows(
            """
            SELECT client, job_id, oldest FROM (
                SELECT client, job_id, min(job_id) OVER (PARTITION BY client) AS oldest, row_number() OVER (
                    PARTITION BY client ORDER BY iif(create_time BETWEEN ?1 AND ?2, is_long, -1),
                        iif(create_time BETWEEN ?1 AND ?2, size, 0), job_id) AS place
                FROM job j WHERE state = 'queued' AND not_before NOT BETWEEN ?3 AND ?4
            """ + lane.condition + ") WHERE place = 1",
            [recent.lowerBound, recent.upperBound, waiting.lowerBound, waiting.upperBound]
        ).map { ($0[0], $0[1], $0[2]) }
    }

    package func waitingClients(_ lane: Job.Lane, notBeforeOutside waiting: ClosedRange<Int64>) throws -> [String] {
        try rows(
            "SELECT DISTINCT client FROM job j WHERE state = 'queued' AND not_before NOT BETWEEN ? AND ?"
                + lane.condition, [waiting.lowerBound, waiting.upperBound]
        ).map { $0[0] }
    }

    package func filesWithoutJob(video id: Int64?) throws -> [(path: String, owner: String, size: Int)] {
        try rows(
            """
            SELECT path, owner, size, min(video_id) AS first FROM video_info v
            WHERE video_id = ifnull(?, video_id) AND NOT EXISTS (SELECT 1 FROM job j WHERE j.path = v.path)
            GROUP BY path ORDER BY first
            """, [id]
        ).map { ($0[0], $0[1], $0[2]) }
    }

    package func insert(_ jobs: [NewJob], time: Int64) throws -> Int {
        try jobs.reduce(0) { count, job in
            // Not ON CONFLICT DO NOTHING, which uses up a number.
            try run(
                """
                INSERT INTO job (path, client, size, state, not_before, create_time, update_time)
                SELECT ?1, ?2, ?3, 'queued', ?4, ?4, ?4 WHERE NOT EXISTS (SELECT 1 FROM job WHERE path = ?1)
                """, [job.path, job.client, job.size, time])
            return count + changesCount
        }
    }

    package func update(_ job: Job, replacing old: Job) throws -> Bool {
        try run(
            """
            UPDATE job SET client = ?, state = ?, attempts = ?, deaths = ?, claims = ?, postponed = ?, is_long = ?,
                not_before = ?, worker = ?, lease_until = ?, progress = ?, error = ?, failure = ?, update_time = ?
            WHERE job_id = ? AND claims = ? AND state = ?
            """,
            [
                job.client, job.state.rawValue, job.attempts, job.deaths, job.claims, job.postponed, job.isLong,
                job.notBefore, job.worker, job.leaseUntil, job.progress, job.error, job.failure?.rawValue,
                job.updateTime, old.id, old.claims, old.state.rawValue,
            ]) > 0
    }

    package func deleteJob(ofFile path: String) throws { try run("DELETE FROM job WHERE path = ?", [path]) }
}

extension Database: UseRows {
    package func use(of client: String) throws -> ClientUse? {
        try row("SELECT client, seconds, time FROM client_use WHERE client = ?", [client]).map(ClientUse.init(row:))
    }

    package func uses() throws -> (used: [ClientUse], running: [String: Int]) {
        let used = try rows("SELECT client, seconds, time FROM client_use").map(ClientUse.init(row:))
        let running = try rows("SELECT client, count(*) FROM job WHERE state = 'running' GROUP BY client")
        return (used, Dictionary(running.map { ($0[0], $0[1]) }, uniquingKeysWith: +))
    }

    package func setUse(_ use: ClientUse) throws {
        try run("INSERT OR REPLACE INTO client_use VALUES (?, ?, ?)", [use.client, use.seconds, use.time])
    }

    package func deleteUses(before time: Int64, keeping limit: Int) throws {
        try run(
            """
            DELETE FROM client_use WHERE time < ?
                OR client IN (SELECT client FROM client_use ORDER BY time DESC LIMIT -1 OFFSET ?)
            """, [time, limit])
    }
}

extension Job.Lane {
    /// What a statement that names the job `j` adds to its condition.
    fileprivate var condition: String {
        switch self {
        case .any: ""
        case .turn: " AND client NOT IN (SELECT client FROM job WHERE state = 'running')"
        case .short:
            """
             AND is_long = 0 AND size <= \(Job.shortSize) AND NOT EXISTS (
                SELECT 1 FROM video_info v WHERE v.path = j.path AND probed = 1 AND duration > \(Job.shortDuration))
            """
        }
    }
}

extension Job {
    fileprivate init(row: Row) {
        let state = State(rawValue: row["state"])!
        self.init(
            id: row["job_id"], path: row["path"], client: row["client"], state: state,
            attempts: row["attempts"], deaths: row["deaths"], claims: row["claims"], postponed: row["postponed"],
            isLong: row["is_long"], notBefore: row["not_before"], worker: row["worker"],
            leaseUntil: row["lease_until"], progress: row["progress"], error: row["error"],
            failure: state == .failed ? VideoFailure(stored: row["failure"]) : nil,
            createTime: row["create_time"], updateTime: row["update_time"])
    }
}

extension ClientUse {
    fileprivate init(row: Row) { self.init(client: row[0], seconds: row[1], time: row[2]) }
}
