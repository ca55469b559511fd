import Catalogue
import Foundation

/// A job that this process has: how far it is, and whether it still is this worker's. Thread-safe.
final class HeldJob: @unchecked Sendable {
    let job: Job
    // SAFETY: `lock` guards the variables.
    private let lock = NSLock()
    private var progress = 0.0
    private var leaseUntil: Int64
    private var isTaken = false

    /// - Parameter leaseUntil: seconds since 1970.
    init(_ job: Job, leaseUntil: Int64) {
        self.job = job
        self.leaseUntil = leaseUntil
    }

    func note(progress: Double) { lock.withLock { self.progress = progress } }

    /// Whether nothing counts any more that is said of it: somebody else has it, or may have it by now.
    func isLost(now: Int64) -> Bool { lock.withLock { isTaken || now >= leaseUntil } }

    /// Tells the catalogue that its worker lives, and how far it is.
    ///
    /// - Returns: whether it still is this worker's.
    func renew(_ catalogue: any Catalogue, lease: Int64, now: Int64) throws(CatalogueError) -> Bool {
        let progress = lock.withLock { self.progress }
        let isOurs = try catalogue.heartbeat(job, lease: lease, progress: progress, now: now)
        lock.withLock {
            if isOurs { leaseUntil = now + lease } else { isTaken = true }
        }
        return isOurs
    }
}

/// The jobs that this process has. Thread-safe.
final class HeldJobs: @unchecked Sendable {
    // SAFETY: `lock` guards `jobs`.
    private let lock = NSLock()
    private var jobs: [Int64: HeldJob] = [:]

    var all: [HeldJob] { lock.withLock { Array(jobs.values) } }

    func insert(_ held: HeldJob) { lock.withLock { jobs[held.job.id] = held } }

    func remove(_ held: HeldJob) {
        lock.withLock {
            if jobs[held.job.id] === held { jobs[held.job.id] = nil }
        }
    }
}
