import GRDB

extension SQLiteCatalogue {
    package func queueJobs(video id: Int64?, now: Int64) throws(CatalogueError) -> Int {
        try adding(durably: true) { db in
            try db.run(
                """
                INSERT INTO job (path, state, not_before, create_time, update_time)
                SELECT path, 'queued', ?1, ?1, ?1 FROM video_info
                WHERE video_id = ifnull(?2, video_id) AND NOT EXISTS (SELECT 1 FROM job j WHERE j.path = video_info.path)
                GROUP BY path ORDER BY min(video_id)
                """, [now, id])
            return db.changesCount
        }
    }

    package func claimJob(worker: String, lease: Int64, now: Int64) throws(CatalogueError) -> Job? {
        // Whoever asks in vain, again and again, does not keep others from writing.
        guard try read({ db in try db.claimableJob(now: now) }) != nil else { return nil }
        return try write { db in
            while let job = try db.claimableJob(now: now) {
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

    package func heartbeat(
        _ job: Job, lease: Int64, progress: Double, now: Int64
    ) throws(CatalogueError) -> Bool {
        try write { db in
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
            try db.run(
                """
                UPDATE job SET state = 'done', worker = NULL, lease_until = NULL, progress = 1, error = NULL,
                    update_time = ?
                WHERE
                """ + Database.isClaimed, [now, job.id, job.claims])
            guard db.changesCount > 0 else { return nil }
            try db.run(
                """
                INSERT OR REPLACE INTO media (path, width, height, video_codec, audio_codec, bit_rate, mp4_path,
                    hls_path, poster_path, thumbnails_path)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    job.path, media.width, media.height, media.videoCodec, media.audioCodec, media.bitRate,
                    media.mp4Path, media.hlsPath, media.posterPath, media.thumbnailsPath,
                ])
            if let duration, duration > 0 {
                try db.run(
                    "UPDATE video_info SET duration = ?, probed = 1 WHERE path = ? AND duration = 0",
                    [duration, job.path])
            }
            try note(.videoReady, file: job.path, now: now, in: db)
            return try db.videos(ofFile: job.path)
        }
    }

    package func failJob(
        _ job: Job, error: String, isFinal: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State? {
        try write(durably: true) { db in
            guard try db.hasClaim(job) else { return nil }
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

    package func releaseJob(_ job: Job, now: Int64) throws(CatalogueError) -> Bool {
        try write { db in
            try db.run(
                """
                UPDATE job SET state = 'queued', attempts = attempts - 1, worker = NULL, lease_until = NULL,
                    not_before = ?, progress = 0, update_time = ?
                WHERE
                """ + Database.isClaimed, [now, now, job.id, job.claims])
            return db.changesCount > 0
        }
    }

    package func retryJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool {
        try write(durably: true) { db in
            try db.run(
                """
                UPDATE job SET state = 'queued', attempts = 0, deaths = 0, not_before = ?, progress = 0, error = NULL,
                    update_time = ?
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
            UPDATE job SET state = 'failed', worker = NULL, lease_until = NULL, error = ?, update_time = ?
            WHERE job_id = ?
            """, [Job.bounded(error), now, job.id])
        try note(.videoFailed, file: job.path, now: now, in: db)
    }
}

extension Database {
    /// The condition that a worker still has the job, to be given its number and its claims.
    fileprivate static let isClaimed = " job_id = ? AND claims = ? AND state = 'running'"

    fileprivate func hasClaim(_ job: Job) throws -> Bool {
        try row("SELECT 1 FROM job WHERE" + Self.isClaimed, [job.id, job.claims]) != nil
    }

    /// The oldest job that is queued and due, or running with a lease that has ended.
    fileprivate func claimableJob(now: Int64) throws -> Job? {
        // Two questions, because each has an index of the few jobs that it is about.
        let candidates = [
            try row(
                "SELECT * FROM job WHERE state = 'queued' AND not_before <= ? ORDER BY job_id LIMIT 1", [now]),
            try row(
                "SELECT * FROM job WHERE state = 'running' AND lease_until <= ? ORDER BY job_id LIMIT 1", [now]),
        ]
        return candidates.compactMap { $0.map(Job.init(row:)) }.min { $0.id < $1.id }
    }

    /// Sees to it that a file has a job.
    func queueJob(_ path: String, now: Int64) throws {
        // Not ON CONFLICT DO NOTHING, which uses up a number.
        try run(
            """
            INSERT INTO job (path, state, not_before, create_time, update_time)
            SELECT ?1, 'queued', ?2, ?2, ?2 WHERE NOT EXISTS (SELECT 1 FROM job WHERE path = ?1)
            """, [path, now])
    }

    fileprivate func job(id: Int64) throws -> Job? {
        try row("SELECT * FROM job WHERE job_id = ?", [id]).map(Job.init(row:))
    }
}

extension Job {
    fileprivate init(row: Row) {
        self.init(
            id: row["job_id"], path: row["path"], state: State(rawValue: row["state"])!, attempts: row["attempts"],
            deaths: row["deaths"],
            claims: row["claims"], notBefore: row["not_before"], worker: row["worker"],
            leaseUntil: row["lease_until"], progress: row["progress"], error: row["error"],
            createTime: row["create_time"], updateTime: row["update_time"])
    }
}
