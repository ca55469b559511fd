import Catalogue
import ChunkStore
import Foundation
import Logging
import Media
import Model
import System

/// Takes jobs from the catalogue, of each client in turn, and does them, several at a time.
///
/// One more thread takes a job that is expected to be short while all others have one: it does not wait for long ones. The
/// price is one more ffmpeg at nice 19. A job that is longer than expected is given back to the others, and soon so where
/// another client waits for the lane.
///
/// One more takes a job of a client that has none while another one has run for ten minutes: then that one's tools stand still
/// for as long, in memory, and the two go on in turns. To end the long one instead would lose what it has done, again and
/// again where others keep coming.
///
/// Any number of workers may share a catalogue and a store. One that dies at any point leaves its jobs to others, once
/// their leases end, and nothing under a final name but what is whole. Thread-safe.
package final class TranscodingWorker: Sendable {
    private let catalogue: any JobQueue
    private let store: any ChunkStore
    private let settings: WorkerSettings
    private let logger: Logger
    private let now: @Sendable () -> Int64
    private let uptime: @Sendable () -> Double
    private let run: JobRun
    private let memory: MemoryBudget
    /// That of short jobs, which do not wait for the memory of long ones.
    private let shortMemory: MemoryBudget
    private let held = HeldJobs()
    private let leases: LeaseWatch

    /// Seconds between two looks for a job, when there was none.
    private static let pollInterval = 1.0
    /// Bytes above the reserve with which no job begins and one that runs is given back: what encoders write from one look at
    /// the room to the next, and until they have ended. A copy, which is faster, has room for all of it before it begins.
    private static let roomMargin = 32 << 20
    /// Seconds between two looks at the room while jobs run, and how fast it may go: at a gigabyte a second nothing has used up
    /// all that is left by the next look.
    private static let roomIntervals = 0.05...2.0
    private static let roomSpeed = 1e9
    /// Seconds after which a job in the lane of short ones makes way for a client that has used less. A client's videos of a
    /// minute that take much longer to convert, one after the other, would keep the lane from all others; 20 s are twice what 10 s
    /// of a telephone's video take, and let one that comes be ready within a minute.
    private static let sharedShortTime = 20.0

    /// The parameters are those of `JobRun`.
    package init(
        catalogue: any JobQueue, store: any ChunkStore, transcoder: Transcoder, settings: WorkerSettings,
        logger: Logger, now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) },
        uptime: @escaping @Sendable () -> Double = TranscodingWorker.uptime
    ) {
        self.catalogue = catalogue
        self.store = store
        self.settings = settings
        self.logger = logger
        self.now = now
        self.uptime = uptime
        let short = WorkerSettings.shortMemory(jobs: settings.jobs, memory: settings.memory)
        memory = MemoryBudget(total: settings.memory - short)
        shortMemory = short > 0 ? MemoryBudget(total: short) : memory
        leases = LeaseWatch(lease: settings.lease)
        run = JobRun(
            catalogue: catalogue, store: store, transcoder: transcoder, settings: settings, logger: logger, now: now,
            uptime: uptime)
    }

    private static let beginning = SuspendingClock.now

    /// Seconds that the machine was awake since some moment.
    package static let uptime: @Sendable () -> Double = { (SuspendingClock.now - beginning) / .seconds(1) }

    /// Does jobs until it is told to stop; what is under way then is given back, for another worker to begin anew.
    ///
    /// Keeps its thread until all is ended.
    /// - Parameter turn: called after each write that says that this worker or a job of it lives, and at least every 2
    ///   seconds where none of them has to wait for the catalogue.
    package func run(until stop: StopSignal, turn: () -> Void = {}) {
        let group = DispatchGroup()
        for lane in Array(repeating: Job.Lane.any, count: settings.jobs) + [.short, .turn] {
            group.enter()
            // A thread of its own, because a tool dies with the thread that has started it.
            Thread.detachNewThread {
                self.takeJobs(lane, until: stop)
                group.leave()
            }
        }
        let ended = StopSignal()
        group.notify(queue: .global()) { ended.stop() }
        Thread.detachNewThread { while ended.wait(self.makeRoom()) {} }
        // The last jobs keep their leases while they end.
        let interval = min(2, Double(settings.lease) / 4)
        var heartbeat: Int64 = 0
        var (noHeartbeat, noRenewal) = (Complaint(logger), Complaint(logger))
        repeat {
            recordHeartbeat(&heartbeat, &noHeartbeat)
            turn()
            // Each may have to wait for the catalogue: many of them together for longer than a process that is alive.
            for job in held.all {
                renew(job, &noRenewal)
                turn()
            }
            shareShortLane()
            takeTurns()
        } while ended.wait(interval)
        do throws(CatalogueError) {
            try catalogue.forgetWorker(settings.name)
        } catch {
            logger.warning("cannot say that this worker has ended", metadata: ["cause": "\(error)"])
        }
    }

    /// Records a heartbeat if one is due.
    /// - Parameter last: when the last one was tried, in seconds since 1970.
    private func recordHeartbeat(_ last: inout Int64, _ complaint: inout Complaint) {
        let now = now()
        // A clock that was set back must not silence it.
        guard now >= last + WorkerHeartbeat.interval || now < last else { return }
        last = now
        do throws(CatalogueError) {
            try catalogue.noteWorker(
                settings.name, WorkerCapacity(slots: settings.jobs, memory: settings.memory), now: now)
            complaint.end()
        } catch {
            complaint.make("cannot say that this worker runs: \(error)")
        }
    }

    private func renew(_ held: HeldJob, _ complaint: inout Complaint) {
        do throws(CatalogueError) {
            // A job that is lost, its own thread notices.
            _ = try held.renew(catalogue, now: now(), uptime: uptime())
            complaint.end()
        } catch {
            // Tried again soon; without success the job is lost when its lease ends.
            complaint.make("cannot renew the leases of jobs: \(error)")
        }
    }

    /// Has the job that began last given back when there is no room but the reserve, one after the other: the results of the
    /// others may still fit.
    /// - Returns: seconds until the next look.
    private func makeRoom() -> Double {
        let jobs = held.all
        guard !jobs.isEmpty, let room = try? store.room().data else { return Self.roomIntervals.upperBound / 4 }
        if room < Self.roomMargin, !jobs.contains(where: { $0.isToReturn != nil }) {
            jobs.max { $0.start < $1.start }?.giveBack(because: .noRoom)
        }
        let seconds = Double(room) / Self.roomSpeed
        return min(max(seconds, Self.roomIntervals.lowerBound), Self.roomIntervals.upperBound)
    }

    /// Whether there is room for what a job is about to write and for what others are promised.
    private func takeRoom(_ bytes: Int, for job: HeldJob) -> Bool {
        held.promise(bytes, to: job) { bytes in
            do throws(StoreError) {
                try store.checkRoom(for: bytes + Self.roomMargin)
            } catch {
                return error.reason != .diskFull
            }
            return true
        }
    }

    /// Has the job in the lane of short ones given back that another client waits for.
    private func shareShortLane() {
        for job in held.all where job.lane == .short && uptime() - job.start > Self.sharedShortTime {
            // What cannot be found out now is asked again soon.
            if (try? catalogue.hasWaiting(.short, before: job.job, now: now())) == true {
                job.giveBack(because: .tooLong)
            }
        }
    }

    private func takeJobs(_ lane: Job.Lane, until stop: StopSignal) {
        var complaint = Complaint(logger)
        while !stop.isStopped {
            do {
                if try doNextJob(lane, until: stop, &complaint) { continue }
            } catch let error as StoreError where error.reason == .diskFull {
                complaint.make("no job is begun until there is room: \(error)")
            } catch {
                complaint.make("cannot take a job: \(error)")
            }
            _ = stop.wait(Self.pollInterval)
        }
    }

    /// While there is one job more than there are to be, one of them stands still, each in its turn.
    private func takeTurns() {
        let (jobs, uptime) = (held.slots, uptime())
        let still = jobs.first { $0.standsStillSince != nil }
        if jobs.count > settings.jobs, let since = still?.standsStillSince, uptime - since < settings.turnTime {
            return
        }
        still?.resume(uptime: uptime)
        guard jobs.count > settings.jobs else { return }
        jobs.filter { $0 !== still }.min { $0.runsSince < $1.runsSince }?.pause(uptime: uptime)
    }

    /// Whether a job may begin in a lane now.
    private func isOpen(_ lane: Job.Lane) -> Bool {
        let jobs = held.slots
        switch lane {
        case .any: return jobs.count < settings.jobs
        // Where another thread is free, it takes what comes.
        case .short: return jobs.count >= settings.jobs
        case .turn:
            return jobs.count == settings.jobs && jobs.contains { uptime() - $0.runsSince >= settings.turnTime }
        }
    }

    /// Does a job. Returns `false` if there is none, or none that may begin now.
    private func doNextJob(_ lane: Job.Lane, until stop: StopSignal, _ complaint: inout Complaint) throws -> Bool {
        guard isOpen(lane) else { return false }
        try store.checkRoom(for: held.promised + Self.roomMargin)
        let memory = lane == .short ? shortMemory : memory
        var bytes = min(memory.total, WorkerSettings.toolMemory(jobs: settings.jobs, memory: settings.memory))
        guard memory.take(bytes) else {
            if lane == .any, !held.all.isEmpty {
                complaint.make("no job is begun until others have given back their memory")
            }
            return false
        }
        defer { memory.giveBack(bytes) }
        guard let job = try claim(lane) else { return false }
        complaint.end()
        let held = HeldJob(job, lane: lane, lease: settings.lease, uptime: uptime())
        self.held.insert(held)
        defer { self.held.remove(held) }
        if job.wantedMore { bytes = memory.grow(bytes, upTo: WorkerSettings.mostToolMemory) }
        run.work(on: held, memory: bytes, takeRoom: { self.takeRoom($0, for: held) }, isStopped: { stop.isStopped })
        return true
    }

    /// The next job, with the directories gone that its earlier workers have left.
    private func claim(_ lane: Job.Lane) throws -> Job? {
        let job = try catalogue.claimJob(
            worker: settings.name, lane: lane, lease: settings.lease, now: now()
        ) { !held.contains($0) && leases.isSilent($0, uptime: uptime()) }
        guard let job else { return nil }
        run.removeAbandoned()
        return job
    }

    /// Removes the directories of claims that are over.
    package func removeAbandoned() { run.removeAbandoned() }
}

/// A warning about what is tried again and again: said once, until it is another one or over.
struct Complaint {
    private let logger: Logger
    private var last: String?

    init(_ logger: Logger) { self.logger = logger }

    mutating func make(_ text: String) {
        if last != text { logger.warning("\(text)") }
        last = text
    }

    mutating func end() { last = nil }
}

/// Tells threads to end. Thread-safe.
package final class StopSignal: Sendable {
    private let isSet = Monitor(false)

    package init() {}

    package var isStopped: Bool { isSet.withLock(\.self) }

    package func stop() {
        isSet.withLock { $0 = true }
        isSet.broadcast()
    }

    /// Waits up to `seconds`, or until it is to stop. Returns whether to go on.
    package func wait(_ seconds: Double) -> Bool {
        isSet.wait(until: Date(timeIntervalSinceNow: seconds)) {
            $0 ? false : nil
        } otherwise: { _ in
            true
        }
    }
}
