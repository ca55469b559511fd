import Maintenance

/// What is to be done every few seconds or minutes.
extension IntakeService {
    /// Removes what has expired and what crashes have left; forgets it here too.
    package func sweep(isDryRun: Bool = false) throws -> SweepReport {
        let report = try maintainer.sweep(isDryRun: isDryRun) { self.retire($0, .expired) }
        if !isDryRun { refusedGuids.expire(before: expiry.full) }
        uploads.cleanUp()
        return report
    }

    /// Logs the refusals of a rush whose minute is over; to be called every few seconds.
    package func logRefusals() { log.logRefusals(all: false) }

    /// Logs the refusals that no line has reported yet. Call it when all requests are answered.
    package func stopped() { log.logRefusals(all: true) }

    /// Probes the durations of videos that are not known yet, and waits for it.
    package func findDurations() { durations.find() }

    /// Gives back the room of uploads that another process has ended; a quick look, to be called every few seconds. Those
    /// that are admitted count on it within seconds.
    package func closeRemovedFiles() { uploads.closeRemoved() }
}
