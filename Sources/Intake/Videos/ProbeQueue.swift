import Dispatch
import System

/// Probes files in the background, as `ProbeSchedule` orders them.
///
/// Thread-safe. The schedule's lock is held to look at it and to change it, never while a file is probed.
final class ProbeQueue: Sendable {
    private let schedule: Monitor<ProbeSchedule>

    /// - Parameter slots: probes at once.
    init(slots: Int) { schedule = Monitor(ProbeSchedule(slots: slots)) }

    /// Files that are probed, and that wait.
    var counts: (running: Int, waiting: Int) { withLock { ($0.running, $0.waiting) } }

    /// Has a service probe a file when it is its client's turn.
    func add(_ path: String, client: String, _ service: IntakeService) {
        withLock { $0.add(.init(path: path, client: client)) }
        start(service)
    }

    /// Probes for a request that waits for the answer, on its thread.
    ///
    /// - Returns: `nil` if it would have to wait, or another request of the client waits already.
    func now<Result>(
        client: String, _ service: IntakeService, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result? {
        guard withLock({ $0.beginRequest(of: client) }) else { return nil }
        defer {
            let needsRefill = withLock { schedule in
                schedule.endRequest(of: client)
                let needsRefill = schedule.needsRefill
                if needsRefill { schedule.beginRefill() }
                return needsRefill
            }
            if needsRefill { DispatchQueue.global(qos: .utility).async { self.refill(service) } }
            start(service)
        }
        return try body()
    }

    /// Waits until nothing waits or is probed.
    func wait() { schedule.wait { $0.isIdle ? () : nil } }

    /// Begins with what may begin, each on a thread that keeps it to its end: ffprobe dies with the thread.
    private func start(_ service: IntakeService) {
        while let task = withLock({ $0.next() }) {
            DispatchQueue.global(qos: .utility).async { self.work(on: task, service) }
        }
    }

    private func work(on first: ProbeSchedule.Task, _ service: IntakeService) {
        var task = first
        while true {
            let isRecorded = service.findDuration(task.path)
            let (next, needsRefill) = withLock { schedule in
                schedule.end(task, isRecorded: isRecorded)
                let needsRefill = schedule.needsRefill
                if needsRefill { schedule.beginRefill() }
                return (schedule.next(), needsRefill)
            }
            if needsRefill { refill(service) }
            guard let next else { return }
            task = next
        }
    }

    /// Looks into the catalogue for what did not fit, after `beginRefill`.
    private func refill(_ service: IntakeService) {
        service.addUnprobed()
        withLock { $0.endRefill() }
        start(service)
    }

    private func withLock<Result>(_ body: (inout ProbeSchedule) -> Result) -> Result {
        schedule.withLock {
            let result = body(&$0)
            if $0.isIdle { schedule.broadcast() }
            return result
        }
    }
}
