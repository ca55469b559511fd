import Model
import System

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

    /// A first one.
    init(_ machine: MachineClock) {
        self.init(
            value: machine.wall(), boot: machine.boot(), bootID: machine.bootID, wall: machine.wall(), jumpTime: nil)
    }

    private init(value: Int64, boot: Int64, bootID: String, wall: Int64, jumpTime: Int64?) {
        self.value = value
        self.boot = boot
        self.bootID = bootID
        self.wall = wall
        self.jumpTime = jumpTime
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
        return UploadClock(
            value: value, boot: machine.boot(), bootID: machine.bootID, wall: wall, jumpTime: jumpTime)
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
