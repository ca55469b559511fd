import Logging
import Maintenance
import Model

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

/// How uploads are resumed that a crash or a reboot has left.
extension IntakeService {
    /// Compares with their checksums the chunks that are in doubt, and completes what is whole: one upload after the
    /// other, while requests are served.
    package func takeUp(_ records: [Upload]) {
        for record in records { takeUp(record) { $0() } }
    }

    /// The same for one upload.
    ///
    /// - Parameter completing: runs the completion, now or later, if the upload is whole.
    func takeUp(_ record: Upload, completing: (@escaping @Sendable () -> Void) -> Void) {
        let use = uploads.begin(record, guid: record.draft.guid)
        let upload = use.upload
        do throws(Failure) {
            // A request may have completed it meanwhile.
            if try open(upload) != nil, !record.draft.path.isEmpty, upload.takeCompletion() {
                return completing {
                    switch self.complete(upload, record.draft) {
                    case .complete:
                        self.log.logger.notice(
                            "completed an upload that was whole", metadata: ["upload": "\(record.id)"])
                    case .failed(let failure): self.noteNotTakenUp(upload, failure)
                    }
                    use.end()
                    self.uploads.close(upload)
                }
            }
        } catch {
            noteNotTakenUp(upload, error)
        }
        use.end()
        uploads.close(upload)
    }

    private func noteNotTakenUp(_ upload: ActiveUpload, _ failure: Failure) {
        log.logger.error(
            "cannot take up an upload",
            metadata: ["upload": "\(upload.record.id)", "cause": "\(failure.cause ?? failure.reason.rawValue)"])
    }
}
