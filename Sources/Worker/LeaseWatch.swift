import Model
import System

/// Tells a worker that is silent from a clock that has jumped: a lease that has ended by the clock is taken over only when
/// it was seen not to change for a while. Thread-safe.
///
/// A worker that lives renews its leases every two seconds, whatever time it is.
final class LeaseWatch: Sendable {
    private struct Sighting {
        let claims: Int
        let leaseUntil: Int64?
        /// When it was first seen like this, in seconds of a clock that never jumps.
        let since: Double
    }

    /// Seconds.
    private let patience: Double
    /// By job.
    private let seen: Locked<[Int64: Sighting]> = Locked([:])

    /// Seconds after which a sighting is forgotten, when another one comes.
    private static let lifetime = 3600.0

    init(lease: Int64) { patience = min(15, Double(lease)) }

    /// - Parameters:
    ///   - job: one whose lease has ended by the clock.
    ///   - uptime: seconds of a clock that never jumps.
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
