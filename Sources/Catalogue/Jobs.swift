import Foundation
import Model

/// What a worker needs of the catalogue.
package protocol JobQueue: Sendable {
    func job(id: Int64) throws(CatalogueError) -> Job?
    func claimJob(
        worker: String, lane: Job.Lane, lease: Int64, now: Int64, isSilent: (Job) -> Bool
    ) throws(CatalogueError) -> Job?
    func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool
    func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool
    func finishJob(
        _ job: Job, media: MediaFacts, duration: Double?, replacing old: [String], now: Int64
    ) throws(CatalogueError) -> [Video]?
    func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State?
    func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State?
    func releaseJob(_ job: Job, isLong: Bool, now: Int64) throws(CatalogueError) -> Bool
    func noteWorker(_ name: String, _ capacity: WorkerCapacity, now: Int64) throws(CatalogueError)
    func forgetWorker(_ name: String) throws(CatalogueError)
}

extension Catalogue: JobQueue {
    /// Queues the files of a video, or of all, that have no job, because transcoding was off when they were recorded. Returns
    /// how many were queued.
    package func queueJobs(video id: Int64?, now: Int64) throws(CatalogueError) -> Int {
        try driver.adding(durably: true) { rows in
            let files = try rows.filesWithoutJob(video: id)
            return try rows.insert(
                files.map { NewJob(path: $0.path, client: "", owner: $0.owner, size: $0.size) }, time: now)
        }
    }

    /// The job that a worker is to do next: one that is running with a lease that has ended, or one that is queued and due.
    ///
    /// Of those that are queued it is one of the client whose jobs have run the least lately, and of its jobs the shortest, or
    /// one that has waited for `Job.patience`. A client's use is forgotten by half every hour: the one that waits for its turn
    /// is among those that have used nothing before long, and they take turns in the order in which they came.
    ///
    /// A job that too many workers have died with becomes failed, `worker_died`. Any number of workers in any number
    /// of processes may ask at once, each gets another job.
    /// - Parameters:
    ///   - worker: the worker's name, for operators.
    ///   - lane: which jobs.
    ///   - lease: seconds until others may claim it, unless `heartbeat` renews it.
    ///   - isSilent: whether a running job, whose lease has ended by the clock, may be taken from its worker: a clock that
    ///     jumps ends all leases at once. Called in a transaction.
    package func claimJob(
        worker: String, lane: Job.Lane = .any, lease: Int64, now: Int64, isSilent: (Job) -> Bool = { _ in true }
    ) throws(CatalogueError) -> Job? {
        // Polls that find nothing do not keep others from writing.
        guard try read({ try Job.next(lane, now: now, isSilent, in: $0) }) != nil else { return nil }
        return try write { rows in
            while let job = try Job.next(lane, now: now, isSilent, in: rows) {
                if job.state == .running, job.deaths + 1 >= Job.deathsLimit {
                    try end(job, "worker_died\n\(job.deaths + 1) workers have died with it.", now: now, in: rows)
                } else if let claimed = try rows.change(job, { $0.claim(worker, until: now + lease, now: now) }) {
                    return claimed
                }
            }
            return nil
        }
    }

    /// Whether a job of a lane waits, of a client that has used less than that of a job that runs.
    package func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool {
        try read { rows in
            guard let own = try rows.job(id: job.id)?.client else { return false }
            let clients = try rows.waitingClients(lane, notBeforeOutside: Job.waiting(now)).filter { $0 != own }
            if clients.isEmpty { return false }
            let uses = try ClientUse.steps(now: now, in: rows)
            return clients.contains { uses[$0, default: 0] < uses[own, default: 0] }
        }
    }

    /// Renews the lease and records progress.
    /// - Parameters:
    ///   - job: as `claimJob` gave it.
    ///   - lease: seconds from now until others may claim it.
    ///   - progress: from 0 to 1.
    ///   - standsStill: whether the time since the last sign of life was another client's.
    /// - Returns: `false` if the job is no longer the worker's: cancelled, claimed by another one, or deleted with its
    ///   video. It is to stop then, and nothing that it says counts any more.
    package func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool {
        try write { rows in
            guard let job = try rows.held(job) else { return false }
            if !standsStill { try ClientUse.charge(job, now: now, in: rows) }
            return try rows.change(job) {
                $0.leaseUntil = now + lease
                $0.progress = min(max(progress, 0), 1)
                $0.updateTime = now
            } != nil
        }
    }

    /// Records what a worker has made of the job's file, durably. The media must be published before.
    ///
    /// What was made of it before is garbage then, and stays for a day after others were told.
    /// - Parameters:
    ///   - duration: seconds that the video plays, for all of its records: it was measured, what they have was announced.
    ///     `nil` if it cannot be told.
    ///   - old: what an earlier version has made of the file.
    /// - Returns: the videos that point to the file, as they are now; `nil` if the job is no longer the worker's.
    package func finishJob(
        _ job: Job, media: MediaFacts, duration: Double?, replacing old: [String] = [], now: Int64
    ) throws(CatalogueError) -> [Video]? {
        try driver.write(durably: true) { rows in
            guard let job = try rows.held(job) else { return nil }
            try ClientUse.charge(job, now: now, in: rows)
            guard try rows.change(job, { $0.finish(now: now) }) != nil else { return nil }
            let replaced = try rows.media(ofFile: job.path)?.directory
            try rows.setMedia(media, file: job.path)
            if let duration, duration > 0 {
                _ = try rows.setDuration(duration, file: job.path, onlyUnprobed: false)
            }
            let videos = try rows.videos(ofFile: job.path, limit: nil)
            let events = try note(.videoReady, videos, now: now, in: rows)
            _ = try rows.insertGarbage(
                old + [replaced].compactMap(\.self), time: now, notBefore: now + Garbage.retention, events: events)
            return videos
        }
    }

    /// Records a failed attempt: the job is tried again after 1 minute, then after 5, and then it has failed.
    /// - Parameters:
    ///   - error: a line with a code, then text for people; what is too long loses its middle.
    ///   - isFinal: trying again would not help.
    ///   - isOverBudget: the video would cost more than it may, which is counted.
    /// - Returns: the job's state now, `queued` or `failed`; `nil` if the job is no longer the worker's.
    package func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool = false, now: Int64
    ) throws(CatalogueError) -> Job.State? {
        try driver.write(durably: true) { rows in
            guard let job = try rows.held(job) else { return nil }
            try ClientUse.charge(job, now: now, in: rows)
            if isOverBudget { try rows.add(1, to: .jobsOverBudget) }
            guard !isFinal, let delay = job.retryDelay else { return try end(job, error, now: now, in: rows) }
            return try rows.change(job) {
                $0.queue(notBefore: now + delay, now: now)
                $0.error = Job.bounded(error)
            }?.state
        }
    }

    /// Gives a job back for which there was no room: the attempt does not count, and the next one is made later each time,
    /// from a minute to an hour. When that has gone on for a day, the job has failed.
    /// - Parameter error: as `failJob` has it.
    /// - Returns: the job's state now, `queued` or `failed`; `nil` if the job is no longer the worker's.
    package func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State? {
        try driver.write(durably: true) { rows in
            guard let job = try rows.held(job) else { return nil }
            try ClientUse.charge(job, now: now, in: rows)
            let postponed = job.postponed + 1
            guard postponed <= Job.postponementsLimit else { return try end(job, error, now: now, in: rows) }
            return try rows.change(job) {
                $0.queue(notBefore: now + Job.delay(afterPostponement: postponed), now: now)
                $0.attempts -= 1
                $0.postponed = postponed
                $0.error = Job.bounded(error)
            }?.state
        }
    }

    /// Gives a job back that a worker is not to blame for not having done, because it was told to end: the attempt does
    /// not count, and another one may have it at once.
    /// - Parameter isLong: the lane of short jobs is not for it.
    /// - Returns: whether the job was the worker's still.
    package func releaseJob(_ job: Job, isLong: Bool = false, now: Int64) throws(CatalogueError) -> Bool {
        try write { rows in
            guard let job = try rows.held(job) else { return false }
            try ClientUse.charge(job, now: now, in: rows)
            return try rows.change(job) {
                $0.queue(notBefore: now, now: now)
                $0.attempts -= 1
                $0.isLong = $0.isLong || isLong
            } != nil
        }
    }

    /// Queues a job that is failed or done again, with all its attempts; what was made of the file stays until the new is
    /// there. Returns whether there is such a job.
    package func retryJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool {
        try driver.write(durably: true) { rows in
            guard let job = try rows.job(id: id), job.state == .failed || job.state == .done else { return false }
            return try rows.change(job) {
                $0.queue(notBefore: now, now: now)
                ($0.attempts, $0.deaths, $0.postponed) = (0, 0, 0)
                ($0.error, $0.failure) = (nil, nil)
            } != nil
        }
    }

    /// Ends a job that is queued or running as failed, `cancelled`; a worker learns it with its next `heartbeat`.
    /// Returns whether there is such a job.
    package func cancelJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool {
        try driver.deleting(durably: true) { rows in
            guard let job = try rows.job(id: id), job.state == .queued || job.state == .running else { return false }
            return try end(job, "cancelled\nAn operator has cancelled it.", now: now, in: rows) != nil
        }
    }

    /// The last jobs, the newest first; in any state if that is `nil`.
    package func jobs(state: Job.State?, limit: Int) throws(CatalogueError) -> [Job] {
        try read { try $0.jobs(state: state, limit: limit) }
    }

    package func job(id: Int64) throws(CatalogueError) -> Job? { try read { try $0.job(id: id) } }

    package func job(ofFile path: String) throws(CatalogueError) -> Job? { try read { try $0.job(ofFile: path) } }

    /// Ends a job as failed, and tells of it. Returns its state, `nil` if it is another one's by now.
    @discardableResult
    private func end(_ job: Job, _ error: String, now: Int64, in rows: any CatalogueRows) throws -> Job.State? {
        guard let ended = try rows.change(job, { $0.fail(error, now: now) }) else { return nil }
        try note(.videoFailed, rows.videos(ofFile: job.path, limit: nil), error: ended.errorCode, now: now, in: rows)
        return ended.state
    }
}

extension CatalogueRows {
    /// Makes garbage of what a claim may have published, which no record will point to. Its worker may not know yet that it
    /// has lost the job.
    func abandon(_ job: Job, now: Int64) throws {
        _ = try insertGarbage(
            [StorageLayout.results(of: job)], time: now, notBefore: now + Garbage.retention, events: nil)
    }

    /// The job as it is now, `nil` if it is no longer the worker's.
    fileprivate func held(_ job: Job) throws -> Job? {
        guard let now = try self.job(id: job.id), now.isHeld(by: job.claims) else { return nil }
        return now
    }

    /// Changes a job that is still as it was read. Returns it as it is then, `nil` if it was not. A claim that ends without a
    /// result is abandoned.
    fileprivate func change(_ job: Job, _ body: (inout Job) -> Void) throws -> Job? {
        var changed = job
        body(&changed)
        guard try update(changed, replacing: job) else { return nil }
        if job.state == .running, !changed.isHeld(by: job.claims), changed.state != .done {
            try abandon(job, now: changed.updateTime)
        }
        return changed
    }
}

extension NewJob {
    /// - Parameter client: whose job it is, as an upload has it; `""` for the owner's.
    init(path: String, client: String, owner: String, size: Int) {
        self.path = path
        self.client = client.isEmpty && !owner.isEmpty ? Client(owner: owner, address: "").description : client
        self.size = size
    }
}

extension Job {
    /// The times until which a job may wait. What is further away was written when the clock was ahead, and is due.
    fileprivate static func waiting(_ now: Int64) -> ClosedRange<Int64> { now + 1...now + longestDelay }

    /// The job that is to be done next in a lane, `nil` if there is none.
    fileprivate static func next(
        _ lane: Lane, now: Int64, _ isSilent: (Job) -> Bool, in rows: any CatalogueRows
    ) throws -> Job? {
        for job in try rows.runningJobs(lane, leaseOutside: now + 1...now + longestLease) where isSilent(job) {
            return job
        }
        let heads = try rows.queueHeads(lane, notBeforeOutside: waiting(now), recent: now - patience...now)
        if heads.count < 2 { return try heads.first.flatMap { try rows.job(id: $0.job) } }
        let uses = try ClientUse.steps(now: now, in: rows)
        let next = heads.min {
            let (a, b) = (uses[$0.client, default: 0], uses[$1.client, default: 0])
            return a == b ? $0.oldest < $1.oldest : a < b
        }
        return try next.flatMap { try rows.job(id: $0.job) }
    }

    fileprivate mutating func claim(_ worker: String, until leaseUntil: Int64, now: Int64) {
        // Its worker has died, and that is no attempt.
        if state == .queued { attempts += 1 } else { deaths += 1 }
        claims += 1
        state = .running
        self.worker = worker
        self.leaseUntil = leaseUntil
        progress = 0
        updateTime = now
    }

    fileprivate mutating func queue(notBefore: Int64, now: Int64) {
        leave(.queued, now: now)
        self.notBefore = notBefore
        progress = 0
    }

    fileprivate mutating func finish(now: Int64) {
        leave(.done, now: now)
        client = ""
        progress = 1
        error = nil
    }

    fileprivate mutating func fail(_ error: String, now: Int64) {
        leave(.failed, now: now)
        client = ""
        self.error = Self.bounded(error)
        failure = VideoFailure(code: Self.errorCode(of: error))
    }

    private mutating func leave(_ state: State, now: Int64) {
        self.state = state
        (worker, leaseUntil) = (nil, nil)
        updateTime = now
    }

    /// Seconds until it is tried again after this attempt; `nil` if that was the last one.
    fileprivate var retryDelay: Int64? { attempts <= Self.retryDelays.count ? Self.retryDelays[attempts - 1] : nil }
}

// MARK: - What clients have used

extension ClientUse {
    /// Seconds in which half of it is forgotten.
    private static let halfLife = 3600.0
    /// Seconds that count as equal: a client is not ahead for every second.
    private static let step = 10.0
    /// Seconds after which nothing of it counts.
    private static let lifetime: Int64 = 12 * 3600
    private static let rowsLimit = 1000
    /// Seconds between two heartbeats at most: what is more is a clock that jumped.
    private static let longestInterval: Int64 = 60

    /// What is left of it. What was written when the clock was ahead does not count.
    private func left(now: Int64) -> Double {
        time > now + Self.longestInterval ? 0 : seconds * exp2(-Double(max(0, now - time)) / Self.halfLife)
    }

    /// Adds the time since a job's last sign of life to what its client has used.
    static func charge(_ job: Job, now: Int64, in rows: any UseRows) throws {
        let seconds = min(max(0, now - job.updateTime), longestInterval)
        if seconds == 0 { return }
        let before = try rows.use(of: job.client)
        let used = before?.left(now: now) ?? 0
        try rows.setUse(ClientUse(client: job.client, seconds: used + Double(seconds), time: now))
        if before == nil { try rows.deleteUses(before: now - lifetime, keeping: rowsLimit) }
    }

    /// How many steps of `step` seconds each client has used; a job that runs counts as one more. None is missing but those
    /// that have used nothing.
    static func steps(now: Int64, in rows: any UseRows) throws -> [String: Int] {
        let (used, running) = try rows.uses()
        var seconds: [String: Double] = [:]
        for use in used { seconds[use.client] = use.left(now: now) }
        for (client, jobs) in running { seconds[client, default: 0] += step * Double(jobs) }
        return seconds.mapValues { Int($0 / step) }
    }
}
