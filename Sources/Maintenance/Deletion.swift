import Model
import Catalogue
import ChunkStore
import Glibc
import System

/// What `deleteVideo` did.
package struct DeletedVideo: Sendable {
    /// Its record as it was.
    package let video: Video
    /// Whether other records point to its file, which is there still.
    package let isFileShared: Bool
    /// Bytes of the disk that are free now.
    package var freed = 0
    /// What could not be removed, relative to the store, and why.
    package var left: [(path: String, cause: String)] = []
}

extension Maintainer {
    /// Deletes a video's record, and with the last one that points to a file the file and what was made of it.
    ///
    /// The record goes first, and in the same transaction the file becomes garbage, whose name no video gets. A crash in
    /// between leaves garbage that `sweep` removes, never a record without its file.
    /// - Returns: `nil` if there is no such video.
    package func deleteVideo(id: Int64) throws(CatalogueError) -> DeletedVideo? {
        guard let video = try catalogue.video(id: id) else { return nil }
        // Names that a crash has left; once their uploads are gone they would be those of none.
        for upload in try catalogue.sealedUploads(video: id) { store.removeUpload(upload) }
        guard let garbage = try catalogue.deleteVideo(id: id, now: now) else { return nil }
        atStep(.recordDeleted)
        whenDeleted(video)
        var deleted = DeletedVideo(video: video, isFileShared: garbage.isEmpty)
        for item in garbage {
            do throws(StoreError) {
                deleted.freed += try remove(item)
            } catch {
                deleted.left.append((item.path, error.description))
            }
        }
        if !garbage.isEmpty, !deleted.left.contains(where: { $0.path == video.path }) {
            try? catalogue.noteRemoved(bytes: video.size)
        }
        return deleted
    }

    /// Removes garbage, unless another process has done it.
    ///
    /// It is taken out of its place while no video can be sealed there, which is quick. Its path is free only when its
    /// absence is durable.
    /// - Returns: bytes of the disk that are free now.
    /// - Throws: also if the catalogue fails; `sweep` tries again.
    func remove(_ garbage: Garbage) throws(StoreError) -> Int {
        var moved: Result<String?, StoreError> = .success(nil)
        let isGarbage = try deleting { () throws(CatalogueError) in
            try catalogue.whileGarbage(garbage) {
                moved = Result { () throws(StoreError) in
                    try store.moveToTrash(garbage.path, as: "\(garbage.id)")
                }
            }
        }
        guard isGarbage else { return 0 }
        atStep(.movedToTrash)
        do throws(StoreError) {
            // What is not in its place any more may be in the trash since a crash.
            let name = try moved.get() ?? "\(garbage.id)"
            let freed = try store.removeTrash(name, movedFrom: garbage.path)
            atStep(.trashRemoved)
            try deleting { () throws(CatalogueError) in try catalogue.forget(garbage) }
            atStep(.garbageForgotten)
            return freed
        } catch {
            // What is not ours to remove is never tried again.
            if error.reason == .foreign { try? catalogue.forget(garbage) }
            throw error
        }
    }

    private func deleting<Result>(_ body: () throws(CatalogueError) -> Result) throws(StoreError) -> Result {
        do throws(CatalogueError) {
            return try body()
        } catch {
            throw StoreError(error.reason == .diskFull ? .diskFull : .failed, "the catalogue: \(error)")
        }
    }
}
