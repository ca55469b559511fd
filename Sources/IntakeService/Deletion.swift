import Catalogue
import ChunkStore
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

extension IntakeService {
    /// The video with this number, whoever has it, `nil` if there is none.
    package func video(id: Int64) throws(CatalogueError) -> Video? { try catalogue.video(id: id) }

    /// Deletes a video's record, and with the last one that points to a file the file and what was made of it.
    ///
    /// The record goes first: a crash in between leaves files that `check` reports, never a record without its file.
    /// - Returns: `nil` if there is no such video.
    package func deleteVideo(id: Int64) throws(CatalogueError) -> DeletedVideo? {
        guard let video = try catalogue.video(id: id), let paths = try catalogue.deleteVideo(id: id) else { return nil }
        videos.noteRecorded(video)
        // An upload of the same content that was just being completed may have recorded the file again.
        let isFileShared = paths.isEmpty ? true : try catalogue.hasVideo(atPath: video.path)
        var deleted = DeletedVideo(video: video, isFileShared: isFileShared)
        if isFileShared { return deleted }
        for path in paths {
            do throws(SystemError) {
                deleted.freed += try store.removePublished(path)
            } catch {
                deleted.left.append((path, error.description))
            }
        }
        return deleted
    }
}
