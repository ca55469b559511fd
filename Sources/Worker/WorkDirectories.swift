import Model
import Catalogue
import Foundation
import Media

/// The directories that jobs are done in, one for each claim of a job: `DIRECTORY/<job>.<claim>`.
///
/// No two workers ever have the same one, not even one that was thought to be dead.
struct WorkDirectories {
    let path: String

    func path(of job: Job) -> String { "\(path)/\(StorageLayout.name(of: job))" }

    /// Removes what workers that died have left; what a worker has that may live stays.
    ///
    /// - Throws: `TranscodingError` or `CatalogueError`.
    func removeAbandoned(_ catalogue: any JobQueue) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            guard let claim = StorageLayout.claim(named: name) else { continue }
            // A claim is recorded before its directory is made.
            if let job = try catalogue.job(id: claim.job), job.isHeld(by: claim.number) { continue }
            try Transcoder.remove("\(path)/\(name)")
        }
    }
}
