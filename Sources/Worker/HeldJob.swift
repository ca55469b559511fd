import Model
import Catalogue
import Foundation

/// A job that this process has: how far it is, and whether it still is this worker's. Thread-safe.
///
/// Times are seconds of a clock that never jumps: one that does must not end a job.
final class HeldJob: @unchecked Sendable {
    /// Why a job is given back that nothing is wrong with.
    enum Return {
        /// The disk has no room but the reserve.
        case noRoom
        /// It is longer than the lane of short jobs is for, or than others are to wait for.
        case tooLong
    }

    let job: Job
    let lane: Job.Lane
    /// When it began.
    let start: Double
    private let lease: Int64
    // SAFETY: `lock` guards the variables.
    private let lock = NSLock()
    private var progress = 0.0
    private var renewed: Double
    private var isTaken = false
    private var reasonToReturn: Return?
    private var pauseStart: Double?
    private var turnStart: Double

    /// - Parameter lease: seconds that it is this worker's after each renewal.
    init(_ job: Job, lane: Job.Lane, lease: Int64, uptime: Double) {
        self.job = job
        self.lane = lane
        self.lease = lease
        start = uptime
        renewed = uptime
        turnStart = uptime
    }

    func note(progress: Double) { lock.withLock { self.progress = progress } }

    /// Has it given back; the first reason counts.
    func giveBack(because reason: Return) { lock.withLock { reasonToReturn = reasonToReturn ?? reason } }

    /// Why it is to be given back, `nil` if it is not.
    var isToReturn: Return? { lock.withLock { reasonToReturn } }

    /// Since when it stands still, `nil` if it does not.
    var standsStillSince: Double? { lock.withLock { pauseStart } }

    /// Since when it has not stood still.
    var runsSince: Double { lock.withLock { turnStart } }

    /// Has its tools stand still, without losing what they have done.
    func pause(uptime: Double) { lock.withLock { pauseStart = pauseStart ?? uptime } }

    func resume(uptime: Double) {
        lock.withLock {
            if pauseStart != nil { turnStart = uptime }
            pauseStart = nil
        }
    }

    /// Whether nothing counts any more that is said of it: somebody else has it, or may have it by now.
    func isLost(uptime: Double) -> Bool { lock.withLock { isTaken || uptime - renewed >= Double(lease) } }

    /// Tells the catalogue that its worker lives, and how far it is.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - uptime: before this call.
    /// - Returns: whether it still is this worker's.
    func renew(_ catalogue: any Catalogue, now: Int64, uptime: Double) throws(CatalogueError) -> Bool {
        let (progress, standsStill) = lock.withLock { (self.progress, pauseStart != nil) }
        let isOurs = try catalogue.heartbeat(
            job, lease: lease, progress: progress, standsStill: standsStill, now: now)
        lock.withLock {
            if isOurs { renewed = uptime } else { isTaken = true }
        }
        return isOurs
    }
}

/// The jobs that this process has, and the room they are promised. Thread-safe.
final class HeldJobs: @unchecked Sendable {
    // SAFETY: `lock` guards the variables.
    private let lock = NSLock()
    private var jobs: [Int64: HeldJob] = [:]
    /// Bytes that the tools of each job are about to write.
    private var promises: [Int64: Int] = [:]

    var all: [HeldJob] { lock.withLock { Array(jobs.values) } }

    /// Whether a job is one of them, by this claim.
    func contains(_ job: Job) -> Bool { lock.withLock { jobs[job.id]?.job.claims == job.claims } }

    /// Those that are not in the lane of short ones.
    var slots: [HeldJob] { all.filter { $0.lane != .short } }

    func insert(_ held: HeldJob) { lock.withLock { jobs[held.job.id] = held } }

    func remove(_ held: HeldJob) {
        lock.withLock {
            guard jobs[held.job.id] === held else { return }
            jobs[held.job.id] = nil
            promises[held.job.id] = nil
        }
    }

    /// Bytes that the tools of all jobs are about to write.
    var promised: Int { lock.withLock { promises.values.reduce(0, +) } }

    /// Promises a job room for so many bytes, instead of what it has been promised.
    ///
    /// - Parameter hasRoom: whether there is room for so many bytes; what others are promised is among them.
    /// - Returns: whether there is. Fewer bytes than before are promised in any case.
    func promise(_ bytes: Int, to held: HeldJob, hasRoom: (Int) -> Bool) -> Bool {
        lock.withLock {
            let id = held.job.id
            if let before = promises[id], bytes <= before {
                promises[id] = bytes
                return true
            }
            promises[id] = nil
            guard hasRoom(promises.values.reduce(bytes, +)) else { return false }
            promises[id] = bytes
            return true
        }
    }
}
