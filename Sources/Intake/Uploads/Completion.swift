import Catalogue
import ChunkStore
import Foundation
import Logging
import System
import Model

/// Verify, publish, record.
///
/// The bytes get their final name before the record is committed and lose the first one after it, so that a crash at any
/// point leaves either an upload that can be completed again or a finished video.
extension IntakeService {
    /// Completes a whole upload, which the caller was chosen for, and answers who waits for it.
    ///
    /// - Parameter draft: what the video will be called.
    func complete(_ upload: ActiveUpload, _ draft: VideoDraft) -> ActiveUpload.Outcome {
        do throws(Failure) {
            let (video, bytes) = try verifyAndSeal(upload, draft)
            end(upload, .complete(video))
            try? catalogue.noteRemoved(bytes: bytes)
            if video.duration == nil { probes.add(video.path, client: upload.record.client, self) }
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
    private func verifyAndSeal(
        _ upload: ActiveUpload, _ draft: VideoDraft
    ) throws(Failure) -> (Video, removed: Int) {
        guard let size = upload.size else { throw .notStored(cause: "the size is not known") }
        guard let target = upload.currentTarget else { throw .notStored(cause: "the upload is not open") }
        // No other process writes to it or completes it from here on until it is a video.
        try storing(target.file.lock(within: Self.lockPatience))
        defer { target.file.unlock() }
        if let video = try videoOfAnotherProcess(upload, target.file) { return (video, 0) }
        let verified = try verify(upload, target, size: size)
        atStep(.verified)
        let video = try seal(upload, draft, verified, compared: comparedFiles(target, size: size))
        atStep(.sealed)
        // A name from an earlier attempt that the record did not get.
        if let own = try? store.openPublished(upload.record.draft.path), video.path != upload.record.draft.path,
            (try? store.isCurrent(own, upload: upload.record.id)) == true
        {
            withdraw(upload.record.draft.path)
        }
        store.removeUpload(upload.record.id)
        return (video, target.file.hasNoName ? size : 0)
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
        let file: StoredFile
    }

    private func verify(
        _ upload: ActiveUpload, _ target: ActiveUpload.Target, size: Int
    ) throws(Failure) -> Verified {
        let file = target.file
        // A last chunk that told the size may have been longer before it came again.
        if upload.record.key.size == nil { try storing(file.truncate(to: size)) }
        let head = FileHead(try storing(Content.file(file, 0..<size).prefix(FileHead.length)))
        let md5 = try storing(target.digest.finish(size))
        guard md5 == upload.record.key.md5 else { throw refusedMD5(upload, size: size, computed: md5) }
        guard let container = head.container else { throw .container(OtherContent(head)) }
        // Only the reply to a whole file tells the duration.
        let isWhole = upload.record.key.chunks == 0
        let path = store.path(ofUpload: upload.record.id)
        let duration = isWhole ? durationNow(container, path, client: upload.record.client) : nil
        return Verified(size: size, duration: duration, file: file)
    }

    private func refusedMD5(_ upload: ActiveUpload, size: Int, computed: String) -> Failure {
        let record = upload.record
        var line: Logger.Metadata = [
            "guid": "\(record.draft.guid)", "size": "\(size)", "announced": "\(record.key.md5)",
            "computed": "\(computed)",
        ]
        let pages = upload.pages
        if !pages.isEmpty { line["from"] = "\(pages.map(\.description).joined(separator: ", "))" }
        logger.warning("the content does not have the md5 that was sent", metadata: line)
        return .md5
    }

    /// A file of a video with the same content, as it was when the upload's bytes were compared with it.
    private struct Compared {
        let path: String
        let file: StoredFile
        let isSame: Bool
    }

    /// The files that the upload's bytes were compared with as they came.
    private func comparedFiles(_ target: ActiveUpload.Target, size: Int) -> [Compared] {
        guard let comparison = target.comparison else { return [] }
        let same = Set(comparison.prefix.finish(size))
        return comparison.files.enumerated().map { Compared(path: $1.path, file: $1.file, isSame: same.contains($0)) }
    }

    /// Another file of the same content, or the path's loss, may come between two attempts; each is somebody else's doing.
    private static let sealingAttempts = 8

    /// Records the video: with the file of one that has the same bytes, or its own under a name of its own.
    ///
    /// What is committed names the very file that was verified: the upload's own, or one whose bytes were compared with it.
    /// A record whose file is lost gets the upload's in the transaction that commits, while no deletion can take the record.
    private func seal(
        _ upload: ActiveUpload, _ draft: VideoDraft, _ verified: Verified, compared: [Compared]
    ) throws(Failure) -> Video {
        let key = upload.record.key
        var compared = compared
        // Lost files that are not this owner's alone.
        var strange: Set<String> = []
        for _ in 0..<Self.sealingAttempts {
            let known: [String]
            do throws(CatalogueError) {
                known = try catalogue.knownFiles(owner: key.owner, md5: key.md5, size: verified.size)
            } catch {
                throw .recordNotSaved(cause: error.description)
            }
            let paths = Set(compared.map(\.path))
            compared += compare(verified, with: known.filter { !paths.contains($0) }, client: upload.record.client)
            atStep(.compared)
            let name: Name
            if let same = compared.first(where: { $0.isSame && known.contains($0.path) }) {
                name = Name(draft: draft.at(same.path), file: .known(same.file))
            } else if let path = known.first(where: { !strange.contains($0) && store.publishedLength($0) == nil }) {
                name = Name(draft: draft.at(path), file: .lost)
            } else {
                name = Name(draft: try publish(upload, verified.file, draft), file: .own)
            }
            atStep(.published)
            if let video = try seal(upload, name, verified, knowing: known, &strange) { return video }
            compared.removeAll { $0.path == name.draft.path }
        }
        throw .notStored(cause: "the names that the video could have are taken")
    }

    /// What a video will be called.
    private struct Name {
        enum File {
            /// The upload's, published under this name.
            case own
            /// Another video's, with the same bytes.
            case known(StoredFile)
            /// Another video's, which is not there: it becomes the upload's.
            case lost
        }

        let draft: VideoDraft
        let file: File

        var isOwn: Bool { if case .own = file { true } else { false } }
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
        if case .lost = name.file { try sync(upload, verified.file) }
        var restored: Result<Bool, SystemError> = .success(true)
        let sealing: Sealing
        do throws(CatalogueError) {
            // If this fails the file keeps its name, because a commit that failed may still be found after a crash.
            sealing = try catalogue.seal(
                upload: id, as: draft, size: verified.size, duration: verified.duration, knowing: Set(known), now: now,
                uploadTime: uploadTime
            ) { path, isOwners in
                switch name.file {
                case .own: return store.isPublished(verified.file, as: path)
                case .known(let file): return store.isPublished(file, as: path)
                case .lost:
                    guard isOwners else {
                        strange.insert(path)
                        return false
                    }
                    restored = Result { () throws(SystemError) in try store.publish(id, verified.file, as: path) }
                    return (try? restored.get()) == true
                }
            }
        } catch {
            if error.isSyncFailure { noteSyncFailure() }
            throw .recordNotSaved(cause: error.description)
        }
        _ = try published(upload, restored)
        switch sealing {
        case .sealed(let video, let others):
            videos.noteRecorded(video)
            if name.isOwn, video.path != draft.path { withdraw(draft.path) }
            for other in uploads.with(ids: Set(others.map(\.id))) { settle(other) }
            remove(others)
            try? catalogue.noteRemoved(bytes: others.reduce(0) { $0 + $1.bytes })
            return video
        case .gone:
            if name.isOwn { withdraw(draft.path) }
            throw .notStored(cause: "the upload ended in another process")
        case .unknownFiles, .pathLost:
            if name.isOwn { withdraw(draft.path) }
            return nil
        }
    }

    /// Compares the upload's bytes with files of the same content, as far as they are there.
    private func compare(_ verified: Verified, with paths: [String], client: String) -> [Compared] {
        let files = openedKnown(paths, size: verified.size)
        guard !files.isEmpty else { return [] }
        let comparison = PrefixComparison(verified.file, with: files.map(\.file), client: client)
        let same = Set(comparison.finish(verified.size))
        return files.enumerated().map { Compared(path: $1.path, file: $1.file, isSame: same.contains($0)) }
    }

    /// Gives the file its final name, the draft's or one like it, which the catalogue knows beforehand.
    private func publish(
        _ upload: ActiveUpload, _ file: StoredFile, _ draft: VideoDraft
    ) throws(Failure) -> VideoDraft {
        // The next numbers can be guessed and taken beforehand, a random part cannot.
        let id = "\(upload.record.videoID)"
        let suffixes = ["", "-\(id)", "-\(id)-\(RandomPart.make())"]
        for path in suffixes.map({ Self.path(draft.path, with: $0) }) {
            let draft = draft.at(path)
            guard try recording(catalogue.setDraft(draft, upload: upload.record.id)) else { continue }
            atStep(.named)
            if try publish(upload, file, as: path) { return draft }
        }
        throw .notStored(cause: "the names that the video could have are taken")
    }

    /// - Returns: `false` if other content has that name.
    private func publish(_ upload: ActiveUpload, _ file: StoredFile, as path: String) throws(Failure) -> Bool {
        try published(
            upload,
            Result { () throws(SystemError) in try store.publish(upload.record.id, file, as: path) })
    }

    private func published(_ upload: ActiveUpload, _ result: Result<Bool, SystemError>) throws(Failure) -> Bool {
        do throws(SystemError) {
            return try result.get()
        } catch {
            if error.isSyncFailure { doubt(upload) }
            throw failure(error)
        }
    }

    func isThere(_ path: String, size: Int) -> Bool {
        store.publishedLength(path) == size
    }

    /// Takes a publication back, if it is certain that no record points to it.
    func withdraw(_ path: String) {
        _ = try? catalogue.whileUnrecorded(path) { store.withdraw(path) }
    }
}

// MARK: - Names

extension IntakeService {
    /// What the video of a request's upload will be called. The path consists of parts made or checked here.
    ///
    /// - Parameter upload: keeps its random part, whoever completes it: another attempt publishes under the same name.
    func draft(_ request: UploadRequest, _ settings: IntakeSettings, of upload: ActiveUpload? = nil) -> VideoDraft {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = settings.timeZone
        let date = calendar.dateComponents([.year, .month], from: Date(timeIntervalSince1970: TimeInterval(now)))
        let month = date.month! < 10 ? "0\(date.month!)" : "\(date.month!)"
        var name = request.keepsFileName && request.chunks == 0 ? request.sanitisedFileName : request.guid
        if settings.hasRandomPaths {
            name += "-" + (upload.flatMap { RandomPart.of(path: $0.record.draft.path) } ?? RandomPart.make())
        }
        return VideoDraft(
            name: request.title, guid: request.guid,
            path: "upload/mp4/\(date.year!)/\(month)/original/\(name).\(request.fileExtension)",
            classID: request.classID)
    }

    /// The path with this before the dot.
    private static func path(_ path: String, with suffix: String) -> String {
        let dot = path.lastIndex(of: ".")!
        return "\(path[..<dot])\(suffix)\(path[dot...])"
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
