import Glibc
import System

/// What the tools of one video have used, and whether one of them has to end. Used by one thread.
///
/// Processor time counts and not the clock: on a busy machine a good video takes longer, and costs no more.
final class ToolWatch {
    private let limits: TranscodingLimits
    private let processorTime: (pid_t) -> Double?
    private let isPaused: () -> Bool
    /// Seconds of processor time for all tools together.
    var limit: Double
    /// Seconds of processor time of the tools that have ended.
    private(set) var used = 0.0

    // Of the tool that runs.
    private var toolLimit = Double.infinity
    private var toolUsed = 0.0
    private var start = SuspendingClock.now
    private var lastLook = SuspendingClock.now
    /// When it last did something, and the processor time that it had used by then.
    private var lastSign = SuspendingClock.now
    private var usedAtSign = 0.0
    private var reasonToStop: String?
    private var standsStill = false

    /// Seconds between two looks at the processor time.
    private static let interval = 0.5

    /// - Parameters:
    ///   - isPaused: whether a tool is to stand still.
    ///   - processorTime: what a process and its children have used, in seconds.
    init(
        _ limits: TranscodingLimits, limit: Double, isPaused: @escaping () -> Bool = { false },
        processorTime: @escaping (pid_t) -> Double? = ProcessorTime.ofTree
    ) {
        self.limits = limits
        self.limit = limit
        self.isPaused = isPaused
        self.processorTime = processorTime
    }

    /// Seconds of processor time that are left for a tool that may use so many.
    func left(within seconds: Double) -> Double { max(0, min(seconds, limit - used)) }

    /// Notes that a tool begins, and what it may use.
    func begin(within seconds: Double) {
        toolLimit = left(within: seconds)
        toolUsed = 0
        (reasonToStop, standsStill) = (nil, false)
        (start, lastLook) = (.now, .now)
        (lastSign, usedAtSign) = (.now, 0)
    }

    /// Notes that the tool has written something.
    func noteOutput() { lastSign = .now }

    /// Has the tool end.
    func stop(because reason: String) { reasonToStop = reason }

    /// Notes that the tool has ended.
    func end() {
        used += toolUsed
        toolUsed = 0
    }

    /// Why the tool must end, `nil` if it may go on. To be asked several times a second: it lets the tool stand still and go on.
    ///
    /// - Parameter process: the leader of the tool's process group.
    func verdict(_ process: pid_t) -> String? {
        if let reasonToStop { return reasonToStop }
        let now = SuspendingClock.now
        if isPaused() != standsStill {
            standsStill.toggle()
            kill(-process, standsStill ? SIGSTOP : SIGCONT)
            lastSign = now
        }
        if standsStill { return nil }
        guard (now - lastLook) / .seconds(1) >= Self.interval else { return nil }
        lastLook = now
        toolUsed = max(toolUsed, processorTime(process) ?? 0)
        if toolUsed > toolLimit {
            return "it used more processor time than it may, \(Int(toolLimit.rounded(.up))) s"
        }
        if toolUsed >= usedAtSign + 1 { (lastSign, usedAtSign) = (now, toolUsed) }
        if (now - lastSign) / .seconds(1) >= limits.stallTime {
            return "it did nothing for \(Int(limits.stallTime)) s"
        }
        if (now - start) / .seconds(1) >= limits.mostTime {
            return "it took longer than it may, \(Int(limits.mostTime)) s"
        }
        return nil
    }
}
