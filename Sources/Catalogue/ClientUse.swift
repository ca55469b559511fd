import Foundation
import Model

extension ClientUse {
    /// Seconds in which half of it is forgotten.
    private static let halfLife = 3600.0
    /// Seconds that count as equal: a client is not ahead for every second.
    private static let step = 10.0
    /// Seconds after which nothing of it counts.
    private static let lifetime: Int64 = 12 * 3600
    private static let rowsLimit = 1000
    /// Seconds between two heartbeats at most: what is more is a clock that jumped.
    private static let longestInterval: Int64 = 60

    /// What is left of it. What was written when the clock was ahead does not count.
    private func left(now: Int64) -> Double {
        time > now + Self.longestInterval ? 0 : seconds * exp2(-Double(max(0, now - time)) / Self.halfLife)
    }

    /// Adds the time since a job's last sign of life to what its client has used.
    static func charge(_ job: Job, now: Int64, in rows: any UseRows) throws {
        let seconds = min(max(0, now - job.updateTime), longestInterval)
        if seconds == 0 { return }
        let before = try rows.use(of: job.client)
        let used = before?.left(now: now) ?? 0
        try rows.setUse(ClientUse(client: job.client, seconds: used + Double(seconds), time: now))
        if before == nil { try rows.deleteUses(before: now - lifetime, keeping: rowsLimit) }
    }

    /// How many steps of `step` seconds each client has used; a job that runs counts as one more. None is missing but those
    /// that have used nothing.
    static func steps(now: Int64, in rows: any UseRows) throws -> [String: Int] {
        let (used, running) = try rows.uses()
        var seconds: [String: Double] = [:]
        for use in used { seconds[use.client] = use.left(now: now) }
        for (client, jobs) in running { seconds[client, default: 0] += step * Double(jobs) }
        return seconds.mapValues { Int($0 / step) }
    }
}
