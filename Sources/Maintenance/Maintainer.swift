import Catalogue
import ChunkStore
import Logging
import Model
import System

/// Keeps catalogue and store in step: what a crash has left, what has expired, what is deleted. It needs nothing but the two.
///
/// Thread-safe, and safe while requests are served, by this process or others.
package final class Maintainer: Sendable {
    package let catalogue: Catalogue
    let store: any ChunkStore
    let logger: Logger
    /// Where nginx puts body files; `nil` if there are none.
    let bodyDirectory: String?
    private let lifetime: @Sendable () -> Duration
    private let clock: @Sendable () -> Int64
    /// Is called when a video's record is deleted.
    let whenDeleted: @Sendable (Video) -> Void
    /// Is told of each step, for tests.
    let atStep: @Sendable (Step) -> Void

    /// - Parameters:
    ///   - lifetime: of uploads, after their last chunk.
    ///   - clock: seconds since 1970.
    package init(
        _ catalogue: Catalogue, _ store: any ChunkStore, logger: Logger, bodyDirectory: String?,
        lifetime: @escaping @Sendable () -> Duration, clock: @escaping @Sendable () -> Int64,
        whenDeleted: @escaping @Sendable (Video) -> Void = { _ in },
        atStep: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        (self.catalogue, self.store, self.logger, self.bodyDirectory) = (catalogue, store, logger, bodyDirectory)
        (self.lifetime, self.clock, self.whenDeleted, self.atStep) = (lifetime, clock, whenDeleted, atStep)
    }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// When uploads expire, by the catalogue's clock.
    package var expiry: UploadExpiry { UploadExpiry(now: catalogue.clock, lifetime: Int64(lifetime() / .seconds(1))) }

    /// Takes a publication back, if it is certain that no record points to it.
    package func withdraw(_ path: String) { _ = try? catalogue.whileUnrecorded(path) { store.withdraw(path) } }

    /// Puts the store and the catalogue in step after a crash or a reboot; call it before the first request. Its time does not
    /// grow with the sizes of the uploads.
    /// - Returns: the uploads that are to be resumed: whole, or with chunks in doubt. Requests need not wait for that.
    package func recover() throws(CatalogueError) -> [Upload] {
        let files: [IncomingFile]
        do throws(StoreError) {
            files = try store.incomingFiles()
        } catch {
            throw CatalogueError(.failed, "cannot list the unfinished uploads: \(error)")
        }
        let stored = Set(files.compactMap(\.upload))
        let uploads = try catalogue.openUploads()
        for upload in uploads where upload.received > 0 && !stored.contains(upload.id) {
            logger.error(
                "an unfinished upload's file is lost: it starts afresh",
                metadata: ["file": "incoming/\(upload.id).part"])
            _ = try catalogue.trust(upload, bootID: store.incarnation, lost: try catalogue.chunks(ofUpload: upload.id))
        }
        let left = uploads.filter { stored.contains($0.id) }
        let doubtful = left.count { $0.bootID != store.incarnation }
        if !left.isEmpty {
            logger.notice(
                "recovered unfinished uploads", metadata: ["uploads": "\(left.count)", "to_be_compared": "\(doubtful)"])
        }
        return left.filter { $0.bootID != store.incarnation || $0.isWhole }
    }
}
