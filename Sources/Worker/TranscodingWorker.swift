import Catalogue
import ChunkStore
import Foundation
import Logging
import System
import Transcoding

/// Takes jobs from the catalogue, the oldest first, and does them, several at a time.
///
/// Any number of workers may share a catalogue and a store. One that dies at any point leaves its jobs to others, once
/// their leases end, and nothing under a final name but what is whole. Thread-safe.
package final class TranscodingWorker: Sendable {
    let catalogue: any Catalogue
    let store: any ChunkStore
    let transcoder: Transcoder
    let settings: WorkerSettings
    let logger: Logger
    let now: @Sendable () -> Int64
    let directories: WorkDirectories
    private let held = HeldJobs()

    /// Seconds between two looks for a job, when there was none.
    private static let pollInterval = 1.0

    /// - Parameter now: seconds since 1970.
    package init(
        catalogue: any Catalogue, store: any ChunkStore, transcoder: Transcoder, settings: WorkerSettings,
        logger: Logger, now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    ) {
        self.catalogue = catalogue
        self.store = store
        self.transcoder = transcoder
        self.settings = settings
        self.logger = logger
        self.now = now
        directories = WorkDirectories(path: settings.workDirectory)
    }

    /// Does jobs until it is told to stop; what is under way then is given back, for another worker to begin anew.
    ///
    /// Keeps its thread until all is ended.
    ///
    /// - Parameter turn: called after each write that says that this worker or a job of it lives, and at least every 2
    ///   seconds where none of them has to wait for the catalogue.
    package func run(until stop: StopSignal, turn: () -> Void = {}) {
        let group = DispatchGroup()
        for _ in 0..<settings.jobs {
            group.enter()
            // A thread of its own, because a tool dies with the thread that has started it.
            Thread.detachNewThread {
                self.takeJobs(until: stop)
                group.leave()
            }
        }
        let ended = StopSignal()
        group.notify(queue: .global()) { ended.stop() }
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
        } while ended.wait(interval)
        do throws(CatalogueError) {
            try catalogue.forgetWorker(settings.name)
        } catch {
            logger.warning("cannot say that this worker has ended", metadata: ["cause": "\(error)"])
        }
    }

    /// Records a heartbeat if one is due.
    ///
    /// - Parameter last: when the last one was tried, in seconds since 1970.
    private func recordHeartbeat(_ last: inout Int64, _ complaint: inout Complaint) {
        let now = now()
        // A clock that was set back must not silence it.
        guard now >= last + WorkerHeartbeat.interval || now < last else { return }
        last = now
        do throws(CatalogueError) {
            try catalogue.noteWorker(settings.name, now: now)
            complaint.end()
        } catch {
            complaint.make("cannot say that this worker runs: \(error)")
        }
    }

    private func renew(_ held: HeldJob, _ complaint: inout Complaint) {
        do throws(CatalogueError) {
            // A job that is lost, its own thread notices.
            _ = try held.renew(catalogue, lease: settings.lease, now: now())
            complaint.end()
        } catch {
            // Tried again soon; without success the job is lost when its lease ends.
            complaint.make("cannot renew the leases of jobs: \(error)")
        }
    }

    private func takeJobs(until stop: StopSignal) {
        var complaint = Complaint(logger)
        while !stop.isStopped {
            do {
                try store.checkRoom(for: 0)
                if let job = try claim() {
                    complaint.end()
                    let held = HeldJob(job, leaseUntil: now() + settings.lease)
                    self.held.insert(held)
                    work(on: held, until: stop)
                    self.held.remove(held)
                    continue
                }
            } catch let error as SystemError where error.isDiskFull {
                complaint.make("no job is begun until there is room: \(error)")
            } catch {
                complaint.make("cannot take a job: \(error)")
            }
            _ = stop.wait(Self.pollInterval)
        }
    }

    /// The next job, with the directories gone that its earlier workers have left.
    private func claim() throws -> Job? {
        guard let job = try catalogue.claimJob(worker: settings.name, lease: settings.lease, now: now()) else {
            return nil
        }
        removeAbandoned()
        return job
    }

    /// Removes the directories of claims that are over.
    package func removeAbandoned() {
        do {
            try directories.removeAbandoned(catalogue)
        } catch {
            logger.warning("cannot remove what a worker has left", metadata: ["cause": "\(error)"])
        }
    }
}
