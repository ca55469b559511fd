import Catalogue
import ChunkStore
import Foundation
import System
import Uploads

/// Verify, publish, record.
///
/// The bytes get their final name before the record is committed and lose the first one after it, so that a crash at any
/// point leaves either an upload that can be completed again or a finished video.
extension IntakeService {
    /// Completes a whole upload, which the caller was chosen for, and answers who waits for it.
    ///
    /// - Parameters:
    ///   - draft: what the video will be called.
    ///   - client: whom the probe of the video counts for.
    func complete(_ upload: ActiveUpload, _ draft: VideoDraft, client: String) -> ActiveUpload.Outcome {
        do throws(Failure) {
            let video = try verifyAndSeal(upload, draft, client: client)
            end(upload, .complete(video))
            if video.duration == nil { probes.add(video.path, client: client, self) }
            return .complete(video)
        } catch {
            let outcome = ActiveUpload.Outcome.failed(error)
            switch error.reason {
            case .md5, .expired:
                try? catalogue.discard(upload: upload.record.id)
                end(upload, outcome)
            case .container:
                try? catalogue.reject(upload: upload.record.id, reason: "container", now: now)
                end(upload, outcome)
            default:
                // Everything is still there, and a later request may have more luck.
                end(upload, outcome, reopens: true)
            }
            return outcome
        }
    }

    private func verifyAndSeal(
        _ upload: ActiveUpload, _ draft: VideoDraft, client: String
    ) throws(Failure) -> Video {
        guard let size = upload.size else { throw .notStored(cause: "the size is not known") }
        switch upload.currentTarget {
        case nil:
            throw .notStored(cause: "the upload is not open")
        case .original:
            guard upload.matchesOriginal else { throw refusedMD5(upload, size: size, computed: nil) }
            return try seal(upload, draft, Verified(size: size, duration: nil, file: nil))
        case .file(let file, let digest):
            // No other process writes to it or completes it from here on until it is a video.
            try storing(file.lock(within: Self.lockPatience))
            defer { file.unlock() }
            if let video = try videoOfAnotherProcess(upload, file) { return video }
            let video = try seal(upload, draft, try verify(upload, file, digest, size: size, client: client))
            store.removeUpload(upload.record.id)
            return video
        }
    }

    /// The video, if another process has completed the upload.
    ///
    /// - Throws: if what this process knows of the upload is out of date in another way; the next request begins anew.
    private func videoOfAnotherProcess(_ upload: ActiveUpload, _ file: StoredFile) throws(Failure) -> Video? {
        let id = upload.record.id
        if try storing(store.isCurrent(file, upload: id)) {
            if upload.agrees(with: try recording(catalogue.chunks(ofUpload: id))) { return nil }
        } else if let video = try recording(catalogue.video(ofUpload: id)) {
            return video
        }
        uploads.remove(upload)
        throw .notStored(cause: "another process has changed the upload")
    }

    /// A whole file whose digest is the one that was sent.
    private struct Verified {
        let size: Int
        /// Seconds; `nil` if that is found out later.
        let duration: Double?
        /// `nil` if the owner has the bytes already and these were only compared with them.
        let file: StoredFile?
    }

    private func verify(
        _ upload: ActiveUpload, _ file: StoredFile, _ digest: PrefixDigest, size: Int, client: String
    ) throws(Failure) -> Verified {
        if upload.record.key.size == nil { try storing(file.truncate(to: size)) }
        let head = try storing(Content.file(file, 0..<size).prefix(Container.signatureLength))
        let settings = settings
        let container = Container.of(head, allowed: settings.extensions)
        let md5 = try storing(digest.finish(size))
        guard md5 == upload.record.key.md5 else { throw refusedMD5(upload, size: size, computed: md5) }
        guard let container else { throw .container(settings) }
        // Only the reply to a whole file tells the duration.
        let isWhole = upload.record.key.chunks == 0
        let duration =
            isWhole ? durationNow(container, store.path(ofUpload: upload.record.id), client: client) : nil
        return Verified(size: size, duration: duration, file: file)
    }

    /// - Parameter computed: `nil` if the chunks were compared with a video that has the md5, and differ from it.
    private func refusedMD5(_ upload: ActiveUpload, size: Int, computed: String?) -> Failure {
        let record = upload.record
        logger.warning(
            "the content does not have the md5 that was sent",
            metadata: [
                "guid": "\(record.draft.guid)", "size": "\(size)", "announced": "\(record.key.md5)",
                "computed": "\(computed ?? "none: it differs from the video that has this md5")",
            ])
        return .md5
    }

    private func seal(_ upload: ActiveUpload, _ draft: VideoDraft, _ verified: Verified) throws(Failure) -> Video {
        let key = upload.record.key
        let known: Video?
        do throws(CatalogueError) {
            known = try catalogue.video(owner: key.owner, md5: key.md5, size: verified.size)
        } catch {
            throw .recordNotSaved(cause: error.description)
        }
        var draft = known.map { draft.at($0.path) } ?? draft
        // A record whose file is lost gets its file back.
        if let file = verified.file, known == nil || !isThere(draft.path, size: verified.size) {
            draft = try publish(upload, file, draft)
        } else if verified.file == nil, !isThere(draft.path, size: verified.size) {
            // The original was deleted while the chunks were compared with it, and nobody kept them: all must come again.
            logger.notice(
                "the video was deleted with which an upload was compared",
                metadata: ["guid": "\(upload.record.draft.guid)", "file": "\(draft.path)"])
            throw .expired
        }
        let video: Video?
        do throws(CatalogueError) {
            // If this fails the file keeps its name, because a commit that failed may still be found after a crash.
            video = try catalogue.seal(
                upload: upload.record.id, as: draft, size: verified.size, duration: verified.duration, now: now)
        } catch {
            if error.isSyncFailure { noteSyncFailure() }
            throw .recordNotSaved(cause: error.description)
        }
        guard let video else {
            withdraw(draft.path)
            throw .notStored(cause: "the upload ended in another process")
        }
        videos.noteRecorded(video)
        if video.path != draft.path { withdraw(draft.path) }
        return video
    }

    /// Gives the file its final name, the draft's or one like it, which the catalogue knows beforehand.
    private func publish(
        _ upload: ActiveUpload, _ file: StoredFile, _ draft: VideoDraft
    ) throws(Failure) -> VideoDraft {
        for path in [draft.path, Self.alternative(to: draft.path, videoID: upload.record.videoID)] {
            let draft = draft.at(path)
            if draft != upload.record.draft { try recording(catalogue.setDraft(draft, upload: upload.record.id)) }
            do throws(SystemError) {
                if try store.publish(upload.record.id, file, as: path) { return draft }
            } catch {
                if error.isSyncFailure { doubt(upload) }
                throw failure(error)
            }
        }
        throw .notStored(cause: "the names that the video could have are taken")
    }

    func isThere(_ path: String, size: Int) -> Bool {
        store.publishedLength(path) == size
    }

    /// Takes a publication back, if it is certain that no record points to it.
    func withdraw(_ path: String) {
        if (try? catalogue.hasVideo(atPath: path)) == false { store.withdraw(path) }
    }
}

// MARK: - Names

extension IntakeService {
    /// What the video of a request's upload will be called. The path consists of parts made or checked here.
    func draft(_ request: UploadRequest, _ settings: IntakeSettings) -> VideoDraft {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = settings.timeZone
        let date = calendar.dateComponents([.year, .month], from: Date(timeIntervalSince1970: TimeInterval(now)))
        let month = date.month! < 10 ? "0\(date.month!)" : "\(date.month!)"
        let name = request.keepsFileName && request.chunks == 0 ? request.sanitisedFileName : request.guid
        return VideoDraft(
            name: request.title, guid: request.guid,
            path: "upload/mp4/\(date.year!)/\(month)/original/\(name).\(request.fileExtension)",
            classID: request.classID)
    }

    /// The path that a video gets whose own is taken by other content: `-<video_id>` before the dot.
    private static func alternative(to path: String, videoID: Int64) -> String {
        let dot = path.lastIndex(of: ".")!
        return "\(path[..<dot])-\(videoID)\(path[dot...])"
    }
}

extension UploadRequest {
    /// The sent file's name without its extension as `[A-Za-z0-9_-]{1,64}`; the guid if nothing is left of it.
    var sanitisedFileName: String {
        let stem = file.name.dropLast(fileExtension.count + 1)
        let kept = stem.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-")) }
        let name = String(kept.joined(separator: "_").prefix(64))
        return name.isEmpty ? guid : name
    }
}
