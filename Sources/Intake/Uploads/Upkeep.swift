import Logging
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

    /// Refusals of the end of a rush, after which no other one came; to be called every few seconds.
    ///
    /// - Parameter all: also those whose minute is not over.
    package func logRefusals(all: Bool = false) {
        for (reason, refused) in refusals.overdue(all: all) {
            logger.log(
                level: RefusalLog.reasons.contains(reason) ? .warning : .info, "requests were refused",
                metadata: ["reason": "\(reason.rawValue)", "refused": "\(refused)"])
        }
    }

    /// Gives back the room of uploads that another process has ended; a quick look, to be called every few seconds. Those
    /// that are admitted count on it within seconds.
    package func closeRemovedFiles() { uploads.closeRemoved() }
}
