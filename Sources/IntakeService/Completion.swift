import Catalogue
import ChunkStore
import Foundation

/// Verify, publish, record. (protocol.md, section 3 "Completion")
///
/// The bytes get their final name before the record is committed and lose the first one after it, so that a crash at any
/// point leaves either an upload that can be completed again or a finished video.
extension IntakeService {
    /// Completes a whole upload, for which `decide` chose this request, and answers who waits for it.
    func complete(_ upload: ActiveUpload, _ request: UploadRequest) -> ActiveUpload.Outcome {
        do throws(Failure) {
            let video = try seal(upload, request, try verify(upload))
            end(upload, .complete(video))
            return .complete(video)
        } catch {
            let outcome = ActiveUpload.Outcome.failed(error)
            switch error {
            case .refused(.md5):
                try? catalogue.discard(upload: upload.record.id)
                end(upload, outcome)
            case .refused(.container):
                try? catalogue.reject(upload: upload.record.id, reason: "container", now: now)
                end(upload, outcome)
            default:
                // Everything is still there, and a later request may have more luck.
                end(upload, outcome, reopens: true)
            }
            return outcome
        }
    }

    /// A whole file whose digest is the one that was sent.
    private struct Verified {
        let size: Int
        let duration: Double
        /// `nil` if the owner has the bytes already and these were only compared with them.
        let file: StoredFile?
    }

    private func verify(_ upload: ActiveUpload) throws(Failure) -> Verified {
        guard let size = upload.size else { throw .notStored(cause: "the size is not known") }
        switch upload.currentTarget {
        case nil:
            throw .notStored(cause: "the upload is not open")
        case .original:
            guard upload.matchesOriginal else { throw .refused(.md5) }
            return Verified(size: size, duration: 0, file: nil)
        case .file(let file, let digest):
            if upload.record.key.size == nil { try storing(file.truncate(to: size)) }
            let head = try storing(FileRange(file, offset: 0, length: size).signature())
            let container = Container.of(head, allowed: settings.extensions)
            let path = store.path(ofUpload: upload.record.id)
            let probe = try? container.map { try MediaProbe(path: path, container: $0) }
            let md5 = try storing(digest.finish(size))
            guard md5 == upload.record.key.md5 else { throw .refused(.md5) }
            guard container != nil else { throw refusedContainer }
            let duration = probe?.wait()
            if duration == nil { logger.warning("ffprobe tells no duration", metadata: ["file": "\(path)"]) }
            return Verified(size: size, duration: duration ?? 0, file: file)
        }
    }

    private func seal(
        _ upload: ActiveUpload, _ request: UploadRequest, _ verified: Verified
    ) throws(Failure) -> Video {
        let key = upload.record.key
        let known: Video?
        do throws(CatalogueError) {
            known = try catalogue.video(owner: key.owner, md5: key.md5, size: verified.size)
        } catch {
            throw .recordNotSaved(cause: error.description)
        }
        var path = known?.path ?? ""
        // A record whose file is lost gets its file back.
        if let file = verified.file, known == nil || !isThere(path, size: verified.size) {
            let names = (known.map { [$0.path] } ?? []) + paths(for: request, upload)
            path = try storing(
                store.publish(upload.record.id, file, as: names))
        }
        let draft = VideoDraft(
            name: request.title, guid: request.guid, path: path, size: verified.size,
            duration: verified.duration, classID: request.classID)
        let video: Video?
        do throws(CatalogueError) {
            video = try catalogue.seal(upload: upload.record.id, as: draft, now: now)
        } catch {
            withdraw(path)
            throw .recordNotSaved(cause: error.description)
        }
        guard let video else {
            withdraw(path)
            throw .notStored(cause: "the upload ended in another process")
        }
        if video.path != path { withdraw(path) }
        return video
    }

    func isThere(_ path: String, size: Int) -> Bool {
        (try? store.openPublished(path).length()) == size
    }

    /// Takes a publication back, if it is certain that no record points to it.
    private func withdraw(_ path: String) {
        if (try? catalogue.hasVideo(atPath: path)) == false { store.withdraw(path) }
    }

    /// The paths that the video may have, the preferred one first. Each consists of parts made or checked here.
    private func paths(for request: UploadRequest, _ upload: ActiveUpload) -> [String] {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = settings.timeZone
        let date = calendar.dateComponents([.year, .month], from: Date(timeIntervalSince1970: TimeInterval(now)))
        let month = date.month! < 10 ? "0\(date.month!)" : "\(date.month!)"
        let directory = "upload/mp4/\(date.year!)/\(month)/original/"
        let name = request.keepsFileName && request.chunks == 0 ? request.sanitisedFileName : request.guid
        return [name, "\(name)-\(upload.record.videoID)"].map { "\(directory)\($0).\(request.fileExtension)" }
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
