import Catalogue
import Model
import System

/// A job that this process has: how far it is, and whether it still is this worker's. Thread-safe.
/// Times are seconds of a clock that never jumps: one that does must not end a job.
final class HeldJob: Sendable {
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

    private struct State {
        var progress = 0.0
        var renewed: Double
        var isTaken = false
        var reasonToReturn: Return?
        var pauseStart: Double?
        var turnStart: Double
    }

    private let state: Locked<State>

    /// - Parameter lease: seconds that it is this worker's after each renewal.
    init(_ job: Job, lane: Job.Lane, lease: Int64, uptime: Double) {
        self.job = job
        self.lane = lane
        self.lease = lease
        start = uptime
        state = Locked(State(renewed: uptime, turnStart: uptime))
    }

    func note(progress: Double) { state.withLock { $0.progress = progress } }

    /// Has it given back; the first reason counts.
    func giveBack(because reason: Return) { state.withLock { $0.reasonToReturn = $0.reasonToReturn ?? reason } }

    /// Why it is to be given back, `nil` if it is not.
    var isToReturn: Return? { state.withLock(\.reasonToReturn) }
    /// Since when it stands still, `nil` if it does not.
    var standsStillSince: Double? { state.withLock(\.pauseStart) }
    /// Since when it has not stood still.
    var runsSince: Double { state.withLock(\.turnStart) }

    /// Has its tools stand still, without losing what they have done.
    func pause(uptime: Double) { state.withLock { $0.pauseStart = $0.pauseStart ?? uptime } }

    func resume(uptime: Double) {
        state.withLock {
            if $0.pauseStart != nil { $0.turnStart = uptime }
            $0.pauseStart = nil
        }
    }

    /// Whether the lease is lost, or may be by now.
    func isLost(uptime: Double) -> Bool { state.withLock { $0.isTaken || uptime - $0.renewed >= Double(lease) } }

    /// Tells the catalogue that its worker lives, and how far it is. Returns whether it still is this worker's.
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - uptime: before this call.
    func renew(_ catalogue: any JobQueue, now: Int64, uptime: Double) throws(CatalogueError) -> Bool {
        let (progress, standsStill) = state.withLock { ($0.progress, $0.pauseStart != nil) }
        let isOurs = try catalogue.heartbeat(job, lease: lease, progress: progress, standsStill: standsStill, now: now)
        state.withLock { if isOurs { $0.renewed = uptime } else { $0.isTaken = true } }
        return isOurs
    }
}

/// The jobs that this process has, and the room they are promised. Thread-safe.
final class HeldJobs: Sendable {
    private struct State {
        var jobs: [Int64: HeldJob] = [:]
        /// Bytes that the tools of each job are about to write.
        var promises: [Int64: Int] = [:]
    }

    private let state = Locked(State())

    var all: [HeldJob] { state.withLock { Array($0.jobs.values) } }

    /// Whether a job is one of them, by this claim.
    func contains(_ job: Job) -> Bool { state.withLock { $0.jobs[job.id]?.job.claims == job.claims } }

    /// Those that are not in the lane of short ones.
    var slots: [HeldJob] { all.filter { $0.lane != .short } }

    func insert(_ held: HeldJob) { state.withLock { $0.jobs[held.job.id] = held } }

    func remove(_ held: HeldJob) {
        state.withLock {
            guard $0.jobs[held.job.id] === held else { return }
            $0.jobs[held.job.id] = nil
            $0.promises[held.job.id] = nil
        }
    }

    /// Bytes that the tools of all jobs are about to write.
    var promised: Int { state.withLock { $0.promises.values.reduce(0, +) } }

    /// Reserves room for a job, in place of what it has reserved.
    /// - Parameter hasRoom: whether there is room for that many bytes, with what other jobs have reserved.
    /// - Returns: whether there is. Fewer bytes than before are promised in any case.
    func promise(_ bytes: Int, to held: HeldJob, hasRoom: (Int) -> Bool) -> Bool {
        state.withLock {
            let id = held.job.id
            if let before = $0.promises[id], bytes <= before {
                $0.promises[id] = bytes
                return true
            }
            $0.promises[id] = nil
            guard hasRoom($0.promises.values.reduce(bytes, +)) else { return false }
            $0.promises[id] = bytes
            return true
        }
    }
}

/// Tells a worker that is silent from a clock that has jumped: a lease that has ended by the clock is taken over only when
/// it was seen not to change for a while. Thread-safe.
/// A worker that lives renews its leases every two seconds, whatever time it is.
final class LeaseWatch: Sendable {
    private struct Sighting {
        let claims: Int
        let leaseUntil: Int64?
        /// When it was first seen like this, in seconds of uptime: a clock that never jumps.
        let since: Double
    }

    /// Seconds.
    private let patience: Double
    /// By job.
    private let seen: Locked<[Int64: Sighting]> = Locked([:])

    /// Seconds after which a sighting is forgotten, when another one comes.
    private static let lifetime = 3600.0

    init(lease: Int64) { patience = min(15, Double(lease)) }

    /// - Parameter job: one whose lease has ended by the clock.
    func isSilent(_ job: Job, uptime: Double) -> Bool {
        seen.withLock { seen in
            if let sighting = seen[job.id], sighting.claims == job.claims, sighting.leaseUntil == job.leaseUntil {
                return uptime - sighting.since >= patience
            }
            seen = seen.filter { uptime - $0.value.since < Self.lifetime }
            seen[job.id] = Sighting(claims: job.claims, leaseUntil: job.leaseUntil, since: uptime)
            return false
        }
    }
}
