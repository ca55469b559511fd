import Catalogue
import ChunkStore
import Logging
import System
import Model

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
