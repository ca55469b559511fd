import Model
import Catalogue
import GRDB

extension SQLiteCatalogue {
    package func queueJobs(video id: Int64?, now: Int64) throws(CatalogueError) -> Int {
        try adding(durably: true) { db in
            try db.run(
                """
                INSERT INTO job (path, client, size, state, not_before, create_time, update_time)
                SELECT path, iif(owner = '', '', 'owner:' || owner), size, 'queued', ?1, ?1, ?1 FROM video_info
                WHERE video_id = ifnull(?2, video_id) AND NOT EXISTS (SELECT 1 FROM job j WHERE j.path = video_info.path)
                GROUP BY path ORDER BY min(video_id)
                """, [now, id])
            return db.changesCount
        }
    }

    package func claimJob(
        worker: String, lane: Job.Lane, lease: Int64, now: Int64, isSilent: (Job) -> Bool
    ) throws(CatalogueError) -> Job? {
        // Whoever asks in vain, again and again, does not keep others from writing.
        guard try read({ db in try db.claimableJob(lane, now: now, isSilent) }) != nil else { return nil }
        return try write { db in
            while let job = try db.claimableJob(lane, now: now, isSilent) {
                if job.state == .running, job.deaths + 1 >= Job.deathsLimit {
                    try end(job, "worker_died\n\(job.deaths + 1) workers have died with it.", now: now, in: db)
                    continue
                }
                return try db.row(
                    """
                    UPDATE job SET attempts = attempts + (state = 'queued'), deaths = deaths + (state = 'running'),
                        claims = claims + 1, state = 'running', worker = ?, lease_until = ?, progress = 0,
                        update_time = ?
                    WHERE job_id = ? RETURNING *
                    """, [worker, now + lease, now, job.id]
                ).map(Job.init(row:))
            }
            return nil
        }
    }

    package func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool {
        try read { db in
            guard let own: String = try db.row("SELECT client FROM job WHERE job_id = ?", [job.id])?["client"] else {
                return false
            }
            let clients = try db.rows(
                """
                SELECT DISTINCT client FROM job j
                WHERE state = 'queued' AND not_before NOT BETWEEN ? + 1 AND ? AND client <> ?
                """ + lane.condition, [now, now + Job.longestDelay, own])
            if clients.isEmpty { return false }
            let uses = try db.uses(now: now)
            return clients.contains { uses[$0["client"], default: 0] < uses[own, default: 0] }
        }
    }

    package func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool {
        try write { db in
            if !standsStill { try db.charge(job, now: now) }
            try db.run(
                "UPDATE job SET lease_until = ?, progress = ?, update_time = ? WHERE" + Database.isClaimed,
                [now + lease, min(max(progress, 0), 1), now, job.id, job.claims])
            return db.changesCount > 0
        }
    }

    package func finishJob(
        _ job: Job, media: MediaFacts, duration: Double?, now: Int64
    ) throws(CatalogueError) -> [Video]? {
        try write(durably: true) { db in
            try db.charge(job, now: now)
            try db.run(
                """
                UPDATE job SET state = 'done', client = '', worker = NULL, lease_until = NULL, progress = 1, error = NULL,
                    update_time = ?
                WHERE
                """ + Database.isClaimed, [now, job.id, job.claims])
            guard db.changesCount > 0 else { return nil }
            try db.run(
                """
                INSERT OR REPLACE INTO media (path, width, height, video_codec, audio_codec, bit_rate, mp4_path,
                    hls_path, poster_path, thumbnails_path, flaws)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    job.path, media.width, media.height, media.videoCodec, media.audioCodec, media.bitRate,
                    media.mp4Path, media.hlsPath, media.posterPath, media.thumbnailsPath, media.flawsText,
                ])
            if let duration, duration > 0 {
                try db.run(
                    "UPDATE video_info SET duration = ?, probed = 1 WHERE path = ?", [duration, job.path])
            }
            try note(.videoReady, file: job.path, now: now, in: db)
            return try db.videos(ofFile: job.path)
        }
    }

    package func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State? {
        try write(durably: true) { db in
            guard try db.charge(job, now: now) else { return nil }
            if isOverBudget { try db.setFact("jobs_over_budget", 1 + (db.fact("jobs_over_budget") ?? 0)) }
            if isFinal || job.attempts >= Job.attemptsLimit {
                try end(job, error, now: now, in: db)
                return .failed
            }
            try db.run(
                """
                UPDATE job SET state = 'queued', worker = NULL, lease_until = NULL, not_before = ?, progress = 0,
                    error = ?, update_time = ?
                WHERE job_id = ?
                """, [now + Job.retryDelays[job.attempts - 1], Job.bounded(error), now, job.id])
            return .queued
        }
    }

    package func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State? {
        try write(durably: true) { db in
            guard try db.charge(job, now: now),
                let row = try db.row(
                    "UPDATE job SET postponed = postponed + 1 WHERE job_id = ? RETURNING postponed", [job.id])
            else { return nil }
            let postponed: Int = row[0]
            if postponed > Job.postponementsLimit {
                try end(job, error, now: now, in: db)
                return .failed
            }
            try db.run(
                """
                UPDATE job SET state = 'queued', attempts = attempts - 1, worker = NULL, lease_until = NULL,
                    not_before = ?, progress = 0, error = ?, update_time = ?
                WHERE job_id = ?
                """, [now + Job.delay(afterPostponement: postponed), Job.bounded(error), now, job.id])
            return .queued
        }
    }

    package func releaseJob(_ job: Job, isLong: Bool, now: Int64) throws(CatalogueError) -> Bool {
        try write { db in
            try db.charge(job, now: now)
            try db.run(
                """
                UPDATE job SET state = 'queued', attempts = attempts - 1, is_long = max(is_long, ?), worker = NULL,
                    lease_until = NULL, not_before = ?, progress = 0, update_time = ?
                WHERE
                """ + Database.isClaimed, [isLong, now, now, job.id, job.claims])
            return db.changesCount > 0
        }
    }

    package func retryJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool {
        try write(durably: true) { db in
            try db.run(
                """
                UPDATE job SET state = 'queued', attempts = 0, deaths = 0, postponed = 0, not_before = ?, progress = 0, error = NULL,
                    failure = NULL, update_time = ?
                WHERE job_id = ? AND state IN ('failed', 'done')
                """, [now, now, id])
            return db.changesCount > 0
        }
    }

    package func cancelJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool {
        try deleting(durably: true) { db in
            guard let job = try db.job(id: id), job.state == .queued || job.state == .running else { return false }
            try end(job, "cancelled\nAn operator has cancelled it.", now: now, in: db)
            return true
        }
    }

    package func jobs(state: Job.State?, limit: Int) throws(CatalogueError) -> [Job] {
        try read { db in
            try db.rows(
                "SELECT * FROM job WHERE state = ifnull(?, state) ORDER BY job_id DESC LIMIT ?",
                [state?.rawValue, limit]
            ).map(Job.init(row:))
        }
    }

    package func job(id: Int64) throws(CatalogueError) -> Job? {
        try read { db in try db.job(id: id) }
    }

    package func job(ofFile path: String) throws(CatalogueError) -> Job? {
        try read { db in try db.row("SELECT * FROM job WHERE path = ?", [path]).map(Job.init(row:)) }
    }

    /// Ends a job as failed, and tells of it.
    private func end(_ job: Job, _ error: String, now: Int64, in db: Database) throws {
        try db.run(
            """
            UPDATE job SET state = 'failed', client = '', worker = NULL, lease_until = NULL, error = ?, failure = ?,
                update_time = ?
            WHERE job_id = ?
            """, [Job.bounded(error), VideoFailure(code: Job.errorCode(of: error)).rawValue, now, job.id])
        try note(.videoFailed, file: job.path, now: now, in: db)
    }
}

extension Database {
    /// The condition that a worker still has the job, to be given its number and its claims.
    fileprivate static let isClaimed = " job_id = ? AND claims = ? AND state = 'running'"

    /// The job that is to be done next in a lane, `nil` if there is none.
    fileprivate func claimableJob(_ lane: Job.Lane, now: Int64, _ isSilent: (Job) -> Bool) throws -> Job? {
        for row in try rows(
            "SELECT * FROM job j WHERE state = 'running' AND lease_until NOT BETWEEN ? AND ?" + lane.condition
                + " ORDER BY job_id", [now + 1, now + Job.longestLease])
        {
            let job = Job(row: row)
            if isSilent(job) { return job }
        }
        return try nextClient(lane, now: now).flatMap(job(id:))
    }

    /// The first job of the client whose turn it is.
    private func nextClient(_ lane: Job.Lane, now: Int64) throws -> Int64? {
        // Of each client its first job, and the number of its oldest.
        let clients = try rows(
            """
            SELECT client, job_id, oldest FROM (
                SELECT client, job_id, min(job_id) OVER (PARTITION BY client) AS oldest, row_number() OVER (
                    PARTITION BY client ORDER BY iif(create_time BETWEEN ?1 AND ?2, is_long, -1),
                        iif(create_time BETWEEN ?1 AND ?2, size, 0), job_id) AS place
                FROM job j WHERE state = 'queued' AND not_before NOT BETWEEN ?2 + 1 AND ?3
            """ + lane.condition + ") WHERE place = 1",
            [now - Job.patience, now, now + Job.longestDelay])
        if clients.count < 2 { return clients.first?["job_id"] }
        let uses = try uses(now: now)
        return clients.min {
            let (a, b) = (uses[$0["client"], default: 0], uses[$1["client"], default: 0])
            return a == b ? ($0["oldest"] as Int64) < $1["oldest"] : a < b
        }?["job_id"]
    }

    /// Sees to it that a file has a job.
    func queueJob(_ path: String, client: String, owner: String, size: Int, now: Int64) throws {
        // Not ON CONFLICT DO NOTHING, which uses up a number.
        try run(
            """
            INSERT INTO job (path, client, size, state, not_before, create_time, update_time)
            SELECT ?1, ?2, ?3, 'queued', ?4, ?4, ?4 WHERE NOT EXISTS (SELECT 1 FROM job WHERE path = ?1)
            """, [path, client.isEmpty && !owner.isEmpty ? "owner:\(owner)" : client, size, now])
    }

    fileprivate func job(id: Int64) throws -> Job? {
        try row("SELECT * FROM job WHERE job_id = ?", [id]).map(Job.init(row:))
    }
}

extension Job {
    fileprivate init(row: Row) {
        let state = State(rawValue: row["state"])!
        self.init(
            id: row["job_id"], path: row["path"], state: state, attempts: row["attempts"],
            deaths: row["deaths"],
            claims: row["claims"], notBefore: row["not_before"], worker: row["worker"],
            leaseUntil: row["lease_until"], progress: row["progress"], error: row["error"],
            failure: state == .failed ? VideoFailure(stored: row["failure"]) : nil,
            createTime: row["create_time"], updateTime: row["update_time"])
    }
}
