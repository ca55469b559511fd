import Catalogue
import ChunkStore
import Logging
import Model
import System

/// What a crash or a reboot leaves.
extension Maintainer {
    /// Puts the store and the catalogue in step; call it before the first request. Its time does not grow with the sizes
    /// of the uploads.
    ///
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
            _ = try catalogue.trust(
                upload, bootID: store.incarnation, lost: try catalogue.chunks(ofUpload: upload.id))
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
