import Model
import Synchronization
import System

/// What is known of videos, classes and uploads, committed before a reply promises it.
///
/// Its rules stand here, once; a `CatalogueDriver` keeps the rows. Thread-safe; every decision that concerns more than one
/// request is one transaction, so that several processes may share one catalogue. Times are seconds since 1970; those of
/// uploads are seconds of `clock`.
package final class Catalogue: Sendable {
    package let driver: any CatalogueDriver
    let queuesJobs: Bool
    private let writesEventsNow: Atomic<Bool>
    private let machine: MachineClock
    /// As it was at the start; it runs with the machine.
    private let uploadClock: UploadClock

    /// - Parameters:
    ///   - queuesJobs: whether a new record makes sure that its file has a job. Without a worker the queue would only grow.
    ///   - writesEvents: as `setWritesEvents` has it.
    ///   - machine: what `clock` follows.
    package init(
        _ driver: any CatalogueDriver, queuesJobs: Bool = false, writesEvents: Bool = false,
        machine: MachineClock = .system
    ) throws(CatalogueError) {
        self.driver = driver
        self.queuesJobs = queuesJobs
        writesEventsNow = Atomic(writesEvents)
        self.machine = machine
        // The first process in a start of the machine sets it going.
        uploadClock = try driver.deleting(durably: false) { rows in
            let kept = try rows.uploadClock()
            let clock = kept?.running(on: machine) ?? UploadClock(machine)
            if clock != kept { try rows.set(.clock, clock.text) }
            return clock
        }
    }

    /// The version of its tables.
    package var schema: Int { driver.schema }

    /// A sentence about what opening it has changed; `nil` if nothing.
    package var upgrade: String? { driver.upgrade }

    /// Whether events are written from now on. Without a receiver they would only grow in number.
    package func setWritesEvents(_ writesEvents: Bool) { writesEventsNow.store(writesEvents, ordering: .relaxed) }

    var writesEvents: Bool { writesEventsNow.load(ordering: .relaxed) }

    /// Checks that changes can be written.
    package func checkWritable() throws(CatalogueError) { try driver.checkWritable() }

    /// Looks for damage in the database itself.
    ///
    /// - Returns: one line for each finding.
    package func damage() throws(CatalogueError) -> [String] { try driver.damage() }

    /// Seconds of a clock that never jumps: what ages of uploads, of their aliases and of refusals are measured with. It begins
    /// with the time of day and falls behind by what the machine is off.
    package var clock: Int64 { uploadClock.now(machine) }

    /// Keeps `clock` for the next start of the machine. To be called from time to time.
    ///
    /// - Parameter isDryRun: keeps nothing.
    /// - Returns: the time of day without what it has jumped lately, in seconds since 1970.
    package func keepClock(isDryRun: Bool) throws(CatalogueError) -> Int64 {
        if isDryRun { return try read { try $0.uploadClock() ?? uploadClock }.steadyTime(machine) }
        return try deleting { rows in
            let clock = try (rows.uploadClock() ?? uploadClock).kept(on: machine)
            try rows.set(.clock, clock.text)
            return clock.steadyTime(machine)
        }
    }

    func read<Result>(_ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result {
        try driver.read(body)
    }

    func write<Result>(_ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result {
        try driver.write(durably: false, body)
    }

    func deleting<Result>(_ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result {
        try driver.deleting(durably: false, body)
    }
}

extension FactRows {
    fileprivate func uploadClock() throws -> UploadClock? { try text(.clock).flatMap(UploadClock.init(text:)) }
}
