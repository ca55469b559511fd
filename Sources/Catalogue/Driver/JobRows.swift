import Model

/// The queue: one job for each file.
package protocol JobRows {
    func job(id: Int64) throws -> Job?

    func job(ofFile path: String) throws -> Job?

    /// The last ones, the newest first; in any state if that is `nil`.
    func jobs(state: Job.State?, limit: Int) throws -> [Job]

    /// Those of a lane that run and whose lease ends at no such time, by number.
    func runningJobs(_ lane: Job.Lane, leaseOutside leases: ClosedRange<Int64>) throws -> [Job]

    /// Of each client with jobs in a lane that are queued, and wait for no such time, the first one: one that was queued at
    /// no time of `recent`, by number; else one that is not long, then the smallest, then by number. And the number of the
    /// client's oldest.
    func queueHeads(
        _ lane: Job.Lane, notBeforeOutside waiting: ClosedRange<Int64>, recent: ClosedRange<Int64>
    ) throws -> [(client: String, job: Int64, oldest: Int64)]

    /// The clients with jobs in a lane that are queued, and wait for no such time.
    func waitingClients(_ lane: Job.Lane, notBeforeOutside waiting: ClosedRange<Int64>) throws -> [String]

    /// The files of a video, or of all, that have no job, by their first video's number.
    func filesWithoutJob(video id: Int64?) throws -> [(path: String, owner: String, size: Int)]

    /// Queues files, each only if it has no job. Returns how many were queued.
    func insert(_ jobs: [NewJob], time: Int64) throws -> Int

    /// Replaces a job's row, if it still is in the state, and was claimed as often, as `old` says. Returns whether it was so.
    func update(_ job: Job, replacing old: Job) throws -> Bool

    func deleteJob(ofFile path: String) throws
}

package struct NewJob: Sendable {
    package let path: String
    package let client: String
    /// Bytes of the file.
    package let size: Int
}

/// What clients have had of the workers lately.
package protocol UseRows {
    func use(of client: String) throws -> ClientUse?

    /// All of them, and how many jobs of which clients run.
    func uses() throws -> (used: [ClientUse], running: [String: Int])

    /// Sets a client's, in place of the one before.
    func setUse(_ use: ClientUse) throws

    /// Deletes those from before a time, and the oldest of more than `limit`.
    func deleteUses(before time: Int64, keeping limit: Int) throws
}

/// The outbox.
package protocol EventRows {
    /// Returns the range of their numbers, `nil` if there are none.
    func insert(_ events: [NewEvent], time: Int64) throws -> ClosedRange<Int64>?

    /// Whether `claimEvents` would give one.
    func hasEvents(notBeforeOutside waiting: ClosedRange<Int64>) throws -> Bool

    /// Of each video the oldest that is not delivered, if it waits for no such time, in order; they wait until `notBefore`
    /// then, with an attempt more.
    func claimEvents(limit: Int, notBeforeOutside waiting: ClosedRange<Int64>, notBefore: Int64) throws -> [Event]

    /// Only if it is not delivered yet.
    func setDelivered(event id: Int64, time: Int64) throws

    /// Only if it is not delivered, and was claimed as often.
    func setNotBefore(_ notBefore: Int64, event id: Int64, attempts: Int) throws

    /// How many were delivered at the one time or before, and how many were written at the other or before and are not.
    func countEvents(deliveredUpTo delivered: Int64, writtenUpTo written: Int64) throws -> ExpiredEvents

    /// Deletes them, and counts them as above.
    func deleteEvents(deliveredUpTo delivered: Int64, writtenUpTo written: Int64) throws -> ExpiredEvents
}

package struct NewEvent: Sendable {
    package let kind: Event.Kind
    package let videoID: Int64
    /// A JSON object.
    package let payload: String
}

/// Facts about the catalogue itself, and the workers.
package protocol FactRows {
    func text(_ fact: Fact) throws -> String?
    func set(_ fact: Fact, _ text: String) throws
    func set(_ fact: Fact, _ number: Int64) throws
    /// Adds to a number, which is 0 where there is none.
    func add(_ number: Int, to fact: Fact) throws

    /// Sets a worker's heartbeat, in place of the one before.
    func setWorker(_ worker: WorkerHeartbeat) throws
    func deleteWorker(_ name: String) throws
    /// Deletes those whose heartbeat was at no such time.
    func deleteWorkers(outside times: ClosedRange<Int64>) throws

    /// How much there is of everything.
    func figures() throws -> CatalogueFigures
}

/// What is known by one name.
package enum Fact: String, Sendable {
    /// Text, random: another one after a restore.
    case epoch
    /// Text, `UploadClock`.
    case clock
    case jobsOverBudget = "jobs_over_budget"
    case eventsGivenUp = "events_given_up"
    case workerWalls = "worker_walls"
    case checkTime = "check_time"
    case checkFindings = "check_findings"
}
