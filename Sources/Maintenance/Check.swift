import Catalogue
import ChunkStore
import Logging
import System
import Model

/// What `check` looks at and found.
package struct CheckReport: Sendable {
    /// Something that is not as it should be.
    package struct Finding: Equatable, Sendable {
        package enum Kind: String, Sendable {
            /// The database is damaged.
            case database
            /// A video number that will be given out, or is promised to an upload, is taken.
            case number
            /// A video's file is not there.
            case missing
            /// A video's file has another size than its record says.
            case size
            /// A video's file has another md5 than its record says.
            case md5
            /// Something that transcoding made of a video is not there.
            case media
            /// A file that no record points to, or what was made of one.
            case orphan
            /// An unfinished upload without its file.
            case file
            /// Chunks of an unfinished upload whose bytes are not there.
            case chunks
            /// A file among the unfinished uploads that is none, or none any more.
            case leftover
        }

        package let kind: Kind
        /// What is wrong with what.
        package let text: String
        /// What `--repair` does about it, `nil` if nothing can be done safely.
        package let repair: String?
    }

    package var videos = 0
    /// Bytes of the videos' files.
    package var bytes = 0
    package var uploads = 0
    package var findings: [Finding] = []
    /// How many of the findings are as they were.
    package var left = 0
}

/// Verifies the catalogue against the files. Safe while requests are served: what looks wrong is looked at once more
/// before it is reported, and what is in the way of being completed is left alone.
package struct Check {
    private let maintainer: Maintainer
    private let isDeep: Bool
    private let isRepairing: Bool
    private let progress: (_ read: Int, _ all: Int) -> Void
    private var report = CheckReport()
    /// Bytes that are to be read.
    private var all = 0
    /// Bytes that have been read.
    private var read = 0

    /// Seconds. What is younger may be half done.
    private static let settlingTime: Int64 = 60

    /// - Parameters:
    ///   - isDeep: reads every byte: md5 of the videos, checksums of the chunks.
    ///   - isRepairing: does what each finding's `repair` says.
    ///   - progress: is told how many bytes have been read, of how many.
    package init(
        _ maintainer: Maintainer, isDeep: Bool, isRepairing: Bool,
        progress: @escaping (_ read: Int, _ all: Int) -> Void = { _, _ in }
    ) {
        (self.maintainer, self.isDeep, self.isRepairing, self.progress) = (maintainer, isDeep, isRepairing, progress)
    }

    package consuming func run() throws -> CheckReport {
        for line in try maintainer.catalogue.damage() {
            add(.database, line)
        }
        checkNumbers()
        // Before the records: a file that comes later has its record later.
        var published: [PublishedFile] = []
        try maintainer.store.forEachPublished { published.append($0) }
        try checkVideos()
        try checkUploads()
        try checkOrphans(published)
        try checkTranscoded()
        try checkLeftovers()
        report.left = report.findings.count { !isRepairing || $0.repair == nil }
        do throws(CatalogueError) {
            try maintainer.catalogue.noteCheck(findings: report.left, now: maintainer.now)
        } catch {
            // What was found matters more.
            maintainer.logger.error("cannot record that a check was made", metadata: ["cause": "\(error)"])
        }
        return report
    }

    private mutating func add(_ kind: CheckReport.Finding.Kind, _ text: String, repair: String? = nil) {
        report.findings.append(CheckReport.Finding(kind: kind, text: text, repair: repair))
    }

    private mutating func checkNumbers() {
        do throws(CatalogueError) {
            for line in try maintainer.catalogue.wrongNumbers(isRepairing: isRepairing) {
                add(.number, line, repair: "give out other numbers")
            }
        } catch {
            add(.database, "the numbers of videos cannot be compared: \(error)")
        }
    }
}

// MARK: - Videos

extension Check {
    private mutating func checkVideos() throws {
        // Several records may point to one file.
        var results: [String: (size: Int, md5: String?)] = [:]
        var videos: [Video] = []
        var sizes: [String: Int] = [:]
        try maintainer.catalogue.forEachVideo {
            videos.append($0)
            sizes[$0.path] = $0.size
        }
        all = sizes.values.reduce(0, +)
        for video in videos {
            report.videos += 1
            let name = "video \(video.id), \(video.path)"
            let result: (size: Int, md5: String?)
            if let known = results[video.path] {
                result = known
            } else {
                do throws(StoreError) {
                    result = try read(video)
                    report.bytes += result.size
                } catch {
                    // It may just have been deleted.
                    guard try maintainer.catalogue.video(id: video.id) != nil else { continue }
                    add(.missing, "\(name): \(error); the same video, uploaded again, brings the file back")
                    continue
                }
                results[video.path] = result
                try checkMedia(of: video)
            }
            if result.size != video.size {
                add(.size, "\(name): the file has \(result.size) bytes, the record says \(video.size)")
            } else if let md5 = result.md5, md5 != video.md5 {
                add(.md5, "\(name): the file's md5 is \(md5), the record says \(video.md5)")
            }
        }
    }

    /// Looks whether all is there that was made of a video's file.
    private mutating func checkMedia(of video: Video) throws {
        guard video.state == .ready, let media = video.media else { return }
        let missing = media.paths.filter { maintainer.store.publishedLength($0) == nil }
        // It may just be done anew.
        guard !missing.isEmpty, let now = try maintainer.catalogue.video(id: video.id), now.state == .ready,
            now.media == media, let job = try maintainer.catalogue.job(ofFile: video.path)
        else { return }
        add(.media, "video \(video.id): \(missing.joined(separator: ", ")) is not there", repair: "queue its job again")
        if isRepairing { _ = try maintainer.catalogue.retryJob(id: job.id, now: maintainer.now) }
    }

    /// The size of a video's file, and where all of it is read its md5; `nil` if the size is wrong anyway.
    private mutating func read(_ video: Video) throws(StoreError) -> (size: Int, md5: String?) {
        let isRead = isDeep && maintainer.store.publishedLength(video.path) == video.size
        var digest = MD5Digest()
        let size = try maintainer.store.readPublished(video.path, limit: isRead ? video.size : 0) {
            digest.update($0)
            advance(by: $0.count)
        }
        return (size, isRead && size == video.size ? digest.finish() : nil)
    }

    private mutating func advance(by bytes: Int) {
        read += bytes
        progress(read, max(read, all))
    }

    private mutating func checkOrphans(_ published: [PublishedFile]) throws {
        for file in published where file.changeTime < maintainer.now - Self.settlingTime {
            // Published, and about to be recorded: its upload completes it, or takes it along when it expires.
            if file.isUnfinished { continue }
            // In this order: a deletion turns the record into garbage, and then takes the file away.
            guard try !maintainer.catalogue.hasVideo(atPath: file.path),
                try !maintainer.catalogue.isGarbage(file.path)
            else { continue }
            guard maintainer.store.hasPublished(file.path) else { continue }
            add(.orphan, "\(file.path): \(file.length) bytes that no record points to; add a record or delete the file")
        }
    }

    /// Looks for what was made of videos that are no longer there, and what no record names.
    private mutating func checkTranscoded() throws {
        var found: [String] = []
        let limit = maintainer.now - Self.settlingTime
        try maintainer.store.forEachTranscoded { path, changeTime in
            if changeTime < limit { found.append(path) }
        }
        for path in found {
            // In this order, as with files.
            guard case let original = StorageLayout.original(ofResults: path), try !isNamed(path, madeOf: original),
                try !maintainer.catalogue.isGarbage(path), maintainer.store.hasPublished(path)
            else { continue }
            let what = original == nil ? "no record names it" : "made of a video that is not there"
            add(.orphan, "\(path): \(what)", repair: "remove it")
            if isRepairing { try remove(path, madeOf: original) }
        }
    }

    /// - Parameter original: the file that all in the directory was made of; `nil` of one in such a directory.
    private func isNamed(_ path: String, madeOf original: String?) throws -> Bool {
        if let original { return try maintainer.catalogue.hasVideo(atPath: original) }
        guard let (above, claim) = StorageLayout.claim(ofResults: path) else { return true }
        // In this order: a claim that goes on may have its record, and then does not go on.
        if let job = try maintainer.catalogue.job(id: claim.job), job.isHeld(by: claim.number) { return true }
        // Of a video that is not there all goes.
        guard let original = StorageLayout.original(ofResults: above),
            try maintainer.catalogue.hasVideo(atPath: original)
        else { return true }
        return try maintainer.catalogue.media(ofFile: original)?.directory == path
    }

    /// Removes what was made of a video that is not there, and cannot come while it is taken out of its place; or by a claim
    /// that is over.
    private func remove(_ path: String, madeOf original: String?) throws {
        var moved: Result<String?, StoreError> = .success(nil)
        let move = { moved = Result { () throws(StoreError) in try maintainer.store.moveToTrash(path, as: "orphan") } }
        if let original { _ = try maintainer.catalogue.whileUnrecorded(original, move) } else { move() }
        if let name = try moved.get() { _ = try maintainer.store.removeTrash(name, movedFrom: path) }
    }
}

// MARK: - Unfinished uploads

extension Check {
    private mutating func checkUploads() throws {
        for upload in try maintainer.catalogue.openUploads() where upload.received > 0 {
            report.uploads += 1
            let chunks = try maintainer.catalogue.chunks(ofUpload: upload.id)
            let compared = isDeep ? chunks : []
            all += compared.reduce(0) { $0 + $1.length }
            let found: [StoredChunk]?
            do throws(StoreError) {
                found = try maintainer.store.lost(compared, of: upload, progress: { advance(by: $0) })
            } catch {
                add(.file, "upload \(upload.id): \(error)")
                continue
            }
            guard let lost = found else {
                try lose(chunks, of: upload, .file, "its file is not there")
                continue
            }
            if !lost.isEmpty { try lose(lost, of: upload, .chunks, "their bytes are not those that came") }
        }
    }

    /// Reports chunks that are lost, unless they are recorded otherwise by now.
    private mutating func lose(
        _ chunks: [StoredChunk], of upload: Upload, _ kind: CheckReport.Finding.Kind, _ what: String
    ) throws {
        let now = try maintainer.catalogue.chunks(ofUpload: upload.id)
        let lost = chunks.filter(now.contains)
        if lost.isEmpty { return }
        var numbers = ChunkSet(chunks: max(upload.key.chunks, 1))
        for chunk in lost { numbers.insert(chunk.number) }
        add(
            kind, "upload \(upload.id), chunks \(numbers.ranges): \(what)",
            repair: "forget these chunks, so that they come again")
        if isRepairing { _ = try maintainer.catalogue.trust(upload, bootID: upload.bootID, lost: lost) }
    }

    private mutating func checkLeftovers() throws {
        // What became due lately only waits for the next sweep.
        let due = try [maintainer.now, maintainer.now - Garbage.retention].map {
            try maintainer.catalogue.garbage(limit: .max, dueAt: $0).count
        }
        let waiting = due[0] - due[1]
        let swept = try maintainer.sweep(isDryRun: !isRepairing)
        if swept.finished.files > 0 {
            add(
                .leftover, "incoming: \(swept.finished.files) names of files that are finished videos",
                repair: "remove these names")
        }
        if swept.garbage.files > waiting {
            add(
                .leftover,
                "\(swept.garbage.files - waiting) files or directories of deleted videos are not removed yet",
                repair: "remove them")
        }
        if swept.setAside.files > 0 {
            add(
                .leftover,
                "incoming: \(swept.setAside.files) files (\(sizeText(swept.setAside.bytes))) of no upload",
                repair: "move them to set-aside")
        }
    }
}
