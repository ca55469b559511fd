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

    /// Looks for damage in the database itself. Returns one line for each finding.
    package func damage() throws(CatalogueError) -> [String] { try driver.damage() }

    /// Seconds of a clock that never jumps: what ages of uploads, of their aliases and of refusals are measured with. It begins
    /// with the time of day and falls behind by what the machine is off.
    package var clock: Int64 { uploadClock.now(machine) }

    /// Keeps `clock` for the next start of the machine, unless `isDryRun`. To be called from time to time.
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

/// The clock that the ages of uploads follow: it begins with the time of day, and then only goes on while the machine runs.
///
/// A time of day that is set a day ahead, for a minute only, would otherwise end every unfinished upload. The catalogue keeps
/// it: what it showed at some moment, and which one that was by a clock of the machine that cannot be set. All processes of
/// one start of the machine calculate with the same two numbers; the first one of the next goes on from the last that was
/// kept, so the time without the machine does not count.
struct UploadClock: Equatable {
    /// Seconds that it showed at `boot`.
    private let value: Int64
    private let boot: Int64
    private let bootID: String
    /// Seconds since 1970 at `boot`, without what the time of day has jumped lately.
    private let wall: Int64
    /// Since when the time of day has been another one, by this clock.
    private let jumpTime: Int64?

    /// Seconds that another time of day is believed to be a mistake. No file and no event is kept for longer.
    private static let patience: Int64 = 30 * 24 * 3600
    /// Seconds of a jump that harms nothing.
    private static let tolerance: Int64 = 3600
}

extension UploadClock {
    /// A first one.
    init(_ machine: MachineClock) {
        self.init(
            value: machine.wall(), boot: machine.boot(), bootID: machine.bootID, wall: machine.wall(), jumpTime: nil)
    }

    /// One that was kept.
    init?(text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 5, let value = Int64(parts[0]), let boot = Int64(parts[1]), let wall = Int64(parts[2])
        else { return nil }
        self.init(value: value, boot: boot, bootID: String(parts[4]), wall: wall, jumpTime: Int64(parts[3]))
    }

    var text: String { "\(value) \(boot) \(wall) \(jumpTime.map { "\($0)" } ?? "-") \(bootID)" }

    /// Seconds. Only where it runs.
    func now(_ machine: MachineClock) -> Int64 { value + machine.boot() - boot }

    /// The time of day as it would be without jumps, in seconds since 1970.
    func steadyTime(_ machine: MachineClock) -> Int64 { wall + machine.boot() - boot }

    /// It as it runs in this start of the machine.
    func running(on machine: MachineClock) -> UploadClock {
        if bootID == machine.bootID { return self }
        return UploadClock(value: value, boot: machine.boot(), bootID: machine.bootID, wall: wall, jumpTime: jumpTime)
    }

    /// It as it is to be kept now.
    func kept(on machine: MachineClock) -> UploadClock {
        let (now, steady, wall) = (now(machine), steadyTime(machine), machine.wall())
        let isElsewhere = abs(wall - steady) > Self.tolerance
        let since = isElsewhere ? jumpTime ?? now : nil
        let isBelieved = since.map { now - $0 > Self.patience } ?? true
        return UploadClock(
            value: now, boot: machine.boot(), bootID: bootID, wall: isBelieved ? wall : steady,
            jumpTime: isBelieved ? nil : since)
    }
}
