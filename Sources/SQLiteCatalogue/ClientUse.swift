import Model
import Foundation
import GRDB

/// What clients have had of the workers lately: the queue gives the next turn to the one that has had the least.
///
/// A row for each client whose job has run in the last hours; it may hold an address, so it does not stay longer than it
/// counts, and there are at most `ClientUse.rowsLimit`.
enum ClientUse {
    /// Seconds in which half of it is forgotten.
    static let halfLife = 3600.0
    /// Seconds that count as equal: who has used less is not ahead for every second.
    static let step = 10.0
    /// Seconds after which nothing of it counts.
    static let lifetime: Int64 = 12 * 3600
    static let rowsLimit = 1000
    /// Seconds between two heartbeats at most: what is more is a clock that jumped.
    static let longestInterval: Int64 = 60

    /// - Parameter time: when it was so many seconds. What was written when the clock was ahead does not count.
    static func left(of seconds: Double, since time: Int64, now: Int64) -> Double {
        time > now + longestInterval ? 0 : seconds * exp2(-Double(max(0, now - time)) / halfLife)
    }
}

extension Database {
    /// Adds the time since a job's last sign of life to what its client has used. Returns whether it still is its worker's.
    @discardableResult
    func charge(_ job: Job, now: Int64) throws -> Bool {
        guard
            let row = try row(
                "SELECT client, update_time FROM job WHERE job_id = ? AND claims = ? AND state = 'running'",
                [job.id, job.claims])
        else { return false }
        let client: String = row["client"]
        let seconds = min(max(0, now - (row["update_time"] as Int64)), ClientUse.longestInterval)
        if seconds == 0 { return true }
        let before = try self.row("SELECT seconds, time FROM client_use WHERE client = ?", [client])
        let used = before.map { ClientUse.left(of: $0[0], since: $0[1], now: now) } ?? 0
        try run("INSERT OR REPLACE INTO client_use VALUES (?, ?, ?)", [client, used + Double(seconds), now])
        if before == nil {
            try run(
                """
                DELETE FROM client_use WHERE time < ?1
                    OR client IN (SELECT client FROM client_use ORDER BY time DESC LIMIT -1 OFFSET ?2)
                """, [now - ClientUse.lifetime, ClientUse.rowsLimit])
        }
        return true
    }

    /// How many steps of `ClientUse.step` seconds each client has used; a job that runs counts as one more. None is missing
    /// but those that have used nothing.
    func uses(now: Int64) throws -> [String: Int] {
        var seconds: [String: Double] = [:]
        for row in try rows("SELECT client, seconds, time FROM client_use") {
            seconds[row[0]] = ClientUse.left(of: row[1], since: row[2], now: now)
        }
        for row in try rows("SELECT client, count(*) FROM job WHERE state = 'running' GROUP BY client") {
            seconds[row[0], default: 0] += ClientUse.step * (row[1] as Double)
        }
        return seconds.mapValues { Int($0 / ClientUse.step) }
    }
}

extension Job.Lane {
    /// What a statement that names the job `j` adds to its condition.
    var condition: String {
        switch self {
        case .any: ""
        case .turn: " AND client NOT IN (SELECT client FROM job WHERE state = 'running')"
        case .short:
            """
             AND is_long = 0 AND size <= \(Job.shortSize) AND NOT EXISTS (
                SELECT 1 FROM video_info v WHERE v.path = j.path AND probed = 1 AND duration > \(Job.shortDuration))
            """
        }
    }
}
