import Catalogue
import ChunkStore
import Foundation
import Logging
import Model

/// Verify, publish, record.
///
/// The bytes get their final name before the record is committed and lose the first one after it, so that a crash at any
/// point leaves either an upload that can be completed again or a finished video.
extension IntakeService {
    /// Completes a whole upload and answers its held calls. Call it only after `takeCompletion` or `decide` said so.
    ///
    /// - Parameter draft: what the video will be called.
    func complete(_ upload: ActiveUpload, _ draft: VideoDraft) -> ActiveUpload.Outcome {
        do throws(Failure) {
            let (video, bytes) = try verifyAndSeal(upload, draft)
            end(upload, .complete(video))
            try? catalogue.noteRemoved(bytes: bytes)
            if video.duration == nil { durations.add(video.path, client: upload.record.client) }
            return .complete(video)
        } catch {
            let error = error.whereChunksAre
            let outcome = ActiveUpload.Outcome.failed(error)
            switch error.reason {
            case .md5, .expired, .container:
                let bytes = try? catalogue.discard(upload: upload.record.id, reason: error.recorded, now: uploadTime)
                end(upload, outcome)
                try? catalogue.noteRemoved(bytes: bytes ?? 0)
            default:
                // Everything is still there, and a later request may have more luck.
                end(upload, outcome, reopens: true)
            }
            return outcome
        }
    }

    /// - Returns: also the bytes of its own that are no video's, because those of another one are the same.
    private func verifyAndSeal(_ upload: ActiveUpload, _ draft: VideoDraft) throws(Failure) -> (Video, removed: Int) {
        guard let size = upload.size else { throw .notStored(cause: "the size is not known") }
        guard let bytes = upload.openBytes else { throw .notStored(cause: "the upload is not open") }
        // No other process writes to it or completes it from here on until it is a video.
        let turn = try storing(bytes.turn(at: nil))
        if let video = try videoOfAnotherProcess(upload, isOver: turn == nil) { return (video, 0) }
        let verified = try verify(upload, bytes, size: size)
        atStep(.verified)
        let video = try seal(upload, draft, verified)
        atStep(.sealed)
        // A name from an earlier attempt that the record did not get.
        let earlier = upload.record.draft.path
        if video.path != earlier, store.isUpload(upload.record.id, publishedAs: earlier) {
            maintainer.withdraw(earlier)
        }
        store.removeUpload(upload.record.id)
        return (video, bytes.closeRemoved() ? size : 0)
    }

    /// The video, if another process has completed the upload.
    ///
    /// - Parameter isOver: whether its bytes are its own no more.
    /// - Throws: if what this process knows of the upload is out of date in another way; the next request begins anew.
    private func videoOfAnotherProcess(_ upload: ActiveUpload, isOver: Bool) throws(Failure) -> Video? {
        let id = upload.record.id
        if !isOver {
            if upload.agrees(with: try recording(catalogue.chunks(ofUpload: id))) { return nil }
        } else if let video = try recording(catalogue.video(ofUpload: id)) {
            return video
        }
        uploads.remove(upload)
        throw .notStored(cause: "another process has changed the upload")
    }

    /// A whole upload whose digest is the one that was sent.
    private struct Verified {
        let bytes: any UploadBytes
        let size: Int
        /// Seconds; `nil` if that is found out later.
        let duration: Double?
    }

    private func verify(_ upload: ActiveUpload, _ bytes: any UploadBytes, size: Int) throws(Failure) -> Verified {
        let key = upload.record.key
        let found = try storing(bytes.verify(size: size, isSizeAnnounced: key.size != nil))
        guard found.md5 == key.md5 else { throw refusedMD5(upload, size: size, computed: found.md5) }
        guard let format = found.head.format else { throw .container(OtherContent(found.head)) }
        // Only the reply to a whole file tells the duration.
        let duration = key.chunks == 0 ? durations.now(format, found.file, client: upload.record.client) : nil
        return Verified(bytes: bytes, size: size, duration: duration)
    }

    private func refusedMD5(_ upload: ActiveUpload, size: Int, computed: String) -> Failure {
        let record = upload.record
        var line: Logger.Metadata = [
            "guid": "\(record.draft.guid)", "size": "\(size)", "announced": "\(record.key.md5)",
            "computed": "\(computed)",
        ]
        let pages = upload.pages
        if !pages.isEmpty { line["from"] = "\(pages.map(\.description).joined(separator: ", "))" }
        log.logger.warning("the content does not have the md5 that was sent", metadata: line)
        return .md5
    }

    /// Another file of the same content, or the path's loss, may come between two attempts.
    private static let sealingAttempts = 8

    /// Records the video: with the file of one that has the same bytes, or its own under a name of its own.
    ///
    /// What is committed names the very file that was verified: the upload's own, or one whose bytes were compared with it.
    /// A record whose file is lost gets the upload's in the transaction that commits, while no deletion can take the record.
    private func seal(_ upload: ActiveUpload, _ draft: VideoDraft, _ verified: Verified) throws(Failure) -> Video {
        let key = upload.record.key
        // Lost files that are not this owner's alone.
        var strange: Set<String> = []
        for _ in 0..<Self.sealingAttempts {
            let known: [String]
            do throws(CatalogueError) {
                known = try catalogue.knownFiles(owner: key.owner, md5: key.md5, size: verified.size)
            } catch {
                throw .recordNotSaved(cause: error.description)
            }
            let same = verified.bytes.same(among: known, size: verified.size)
            atStep(.compared)
            let name: Name
            if let path = known.first(where: same.contains) {
                name = Name(draft: draft.at(path), file: .known)
            } else if let path = known.first(where: { !strange.contains($0) && store.publishedLength($0) == nil }) {
                name = Name(draft: draft.at(path), file: .lost)
            } else {
                name = Name(draft: try publish(upload, verified.bytes, draft), file: .own)
            }
            atStep(.published)
            if let video = try seal(upload, name, verified, knowing: known, &strange) { return video }
        }
        throw .notStored(cause: "the names that the video could have are taken")
    }

    /// What a video will be called.
    private struct Name {
        enum File {
            /// The upload's, published under this name.
            case own
            /// Another video's, with the same bytes.
            case known
            /// Another video's, which is not there: it becomes the upload's.
            case lost
        }

        let draft: VideoDraft
        let file: File
    }

    /// Commits the record.
    ///
    /// - Returns: `nil` if the video cannot have the name any more, or is to be compared with more files.
    private func seal(
        _ upload: ActiveUpload, _ name: Name, _ verified: Verified, knowing known: [String],
        _ strange: inout Set<String>
    ) throws(Failure) -> Video? {
        let (draft, id) = (name.draft, upload.record.id)
        // Before the transaction, which keeps all others from writing.
        if name.file == .lost { try changing(upload) { () throws(StoreError) in try verified.bytes.sync() } }
        var restored: Result<Bool, StoreError> = .success(true)
        let sealing: Sealing
        do throws(CatalogueError) {
            // If this fails the file keeps its name, because a commit that failed may still be found after a crash.
            sealing = try catalogue.seal(
                upload: id, as: draft, size: verified.size, duration: verified.duration, knowing: Set(known), now: now,
                uploadTime: uploadTime
            ) { path, isOwners in
                switch name.file {
                case .own, .known: return verified.bytes.isPublished(as: path)
                case .lost:
                    guard isOwners else {
                        strange.insert(path)
                        return false
                    }
                    restored = Result { () throws(StoreError) in try verified.bytes.publish(as: path) }
                    return (try? restored.get()) == true
                }
            }
        } catch {
            if error.isSyncFailure { log.noteSyncFailure() }
            throw .recordNotSaved(cause: error.description)
        }
        _ = try changing(upload) { () throws(StoreError) in try restored.get() }
        switch sealing {
        case .sealed(let video, let others):
            videos.noteRecorded(video)
            if name.file == .own, video.path != draft.path { maintainer.withdraw(draft.path) }
            for other in uploads.with(ids: Set(others.map(\.id))) { settle(other) }
            uploads.remove(Set(others.map(\.id)))
            maintainer.remove(others)
            try? catalogue.noteRemoved(bytes: others.reduce(0) { $0 + $1.bytes })
            return video
        case .gone:
            if name.file == .own { maintainer.withdraw(draft.path) }
            throw .notStored(cause: "the upload ended in another process")
        case .unknownFiles, .pathLost:
            if name.file == .own { maintainer.withdraw(draft.path) }
            return nil
        }
    }

    /// Gives the file its final name, the draft's or one like it, which the catalogue knows beforehand.
    private func publish(
        _ upload: ActiveUpload, _ bytes: any UploadBytes, _ draft: VideoDraft
    ) throws(Failure) -> VideoDraft {
        // The next numbers can be guessed and taken beforehand, a random part cannot.
        let id = "\(upload.record.videoID)"
        let suffixes = ["", "-\(id)", "-\(id)-\(RandomPart.make())"]
        for path in suffixes.map({ Self.path(draft.path, with: $0) }) {
            let draft = draft.at(path)
            guard try recording(catalogue.setDraft(draft, upload: upload.record.id)) else { continue }
            atStep(.named)
            if try changing(upload, { () throws(StoreError) in try bytes.publish(as: path) }) { return draft }
        }
        throw .notStored(cause: "the names that the video could have are taken")
    }

    /// The path with this before the dot.
    private static func path(_ path: String, with suffix: String) -> String {
        let dot = path.lastIndex(of: ".")!
        return "\(path[..<dot])\(suffix)\(path[dot...])"
    }
}

// MARK: - Names

/// What videos are called.
extension IntakeService {
    /// What the video of a request's upload will be called. The path consists of parts made or checked here.
    ///
    /// - Parameter upload: keeps its random part: another attempt publishes under the same name.
    func draft(_ request: UploadRequest, _ settings: IntakeSettings, of upload: ActiveUpload? = nil) -> VideoDraft {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = settings.timeZone
        let date = calendar.dateComponents([.year, .month], from: Date(timeIntervalSince1970: TimeInterval(now)))
        var name = request.keepsFileName && request.chunks == 0 ? request.sanitisedFileName : request.guid
        if settings.hasRandomPaths {
            name += "-" + (upload.flatMap { RandomPart.of(path: $0.record.draft.path) } ?? RandomPart.make())
        }
        return VideoDraft(
            name: request.title, guid: request.guid,
            path: StorageLayout.original(
                year: date.year!, month: date.month!, name: "\(name).\(request.fileExtension)"),
            classID: request.classID)
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

/// What makes the address of a video impossible to guess: 22 letters and digits of the system's randomness, 130 bits, behind
/// the name and a hyphen. A guid tells when its page was loaded, and is no secret.
enum RandomPart {
    static let length = 22
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
    }

    /// The random part of a path that was made with one.
    static func of(path: String) -> String? {
        let stem = path.prefix(upTo: path.lastIndex(of: ".") ?? path.endIndex)
        let part = stem.suffix(length)
        guard stem.dropLast(length).last == "-", part.allSatisfy(alphabet.contains) else { return nil }
        return String(part)
    }
}
