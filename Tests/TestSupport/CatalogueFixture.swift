import Catalogue
import SQLiteCatalogue
import Foundation
import Model

/// The content of what `CatalogueFixture` begins.
package let md5 = String(repeating: "a", count: 32)
/// Seconds.
package let day: Int64 = 24 * 3600

/// A catalogue in a directory of its own.
///
/// The suite of all drivers makes its catalogues here alone, and looks at rows only with what is at the end.
package final class CatalogueFixture {
    package let directory: URL
    package let catalogue: Catalogue

    package var path: String { directory.appendingPathComponent("video-intake.db").path }

    /// - Parameters:
    ///   - queuesJobs, writesEvents: as the catalogue has them.
    package init(queuesJobs: Bool = false, writesEvents: Bool = false) throws {
        directory = try makeTemporaryDirectory()
        catalogue = try Catalogue(
            sqlite: directory.appendingPathComponent("video-intake.db").path, creates: true, queuesJobs: queuesJobs,
            writesEvents: writesEvents)
    }

    /// The same catalogue, as another process has it.
    package func another(queuesJobs: Bool = false) throws -> Catalogue {
        try Catalogue(sqlite: path, queuesJobs: queuesJobs)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// Begins an upload of 100 bytes in 2 chunks at time 1000.
    package func begin(owner: String = "", guid: String = "g", now: Int64 = 1000) throws -> Upload {
        let key = UploadKey(owner: owner, md5: md5, extent: .size(100), chunks: 2, chunkSize: 60)
        guard case .unfinished(let upload, _, _) = try start(key, guid: guid, now: now, expiry: now - day)
        else { throw CatalogueError(.failed, "sealed") }
        return upload
    }

    package func start(
        _ key: UploadKey, guid: String, isFirst: Bool = false, now: Int64, expiry: Int64,
        limits: UploadLimits = UploadLimits(total: 1000, perClient: 1000), room: Int = 1 << 50, unrecorded: Int = 0,
        client: Client? = nil, beginsAnew: Bool = true, refusal: String? = nil, permit: RecordPermit = .unlimited,
        in other: Catalogue? = nil
    ) throws -> UploadStart {
        try (other ?? catalogue).beginUpload(
            key, isFirst: isFirst, draft: VideoDraft(name: "v", guid: guid, path: "upload/\(guid).mp4", classID: nil),
            bootID: "boot",
            terms: UploadTerms(
                client: client ?? Client(owner: key.owner, address: ""), limits: limits,
                room: { DiskRoom(free: room, unrecorded: unrecorded) }, beginsAnew: beginsAnew, refusal: refusal,
                permit: permit),
            expiry: UploadExpiry(now: now, lifetime: now - expiry))
    }

    package func record(_ chunk: StoredChunk, _ upload: Upload, now: Int64 = 1000) throws -> Int? {
        let record = ChunkRecord(upload: upload.id, guid: upload.draft.guid, chunk: chunk, time: now)
        return try catalogue.record([record], durably: false)[0]
    }

    package func seal(
        _ id: Int64, _ name: String = "v", path: String = "upload/v.mp4", classID: Int64? = nil,
        duration: Double? = 1.5, now: Int64 = 2000
    ) throws -> Video? {
        let sealing = try sealing(id, name, path: path, classID: classID, duration: duration, now: now)
        if case .sealed(let video, _) = sealing { return video }
        return nil
    }

    /// - Parameters:
    ///   - known: the files with which it was compared; `nil` for all that there are of the content of `begin`.
    package func sealing(
        _ id: Int64, _ name: String = "v", path: String = "upload/v.mp4", classID: Int64? = nil,
        duration: Double? = 1.5, knowing known: Set<String>? = nil, isPublished: Bool = true, now: Int64 = 2000
    ) throws -> Sealing {
        let draft = VideoDraft(name: name, guid: "g", path: path, classID: classID)
        _ = try catalogue.setDraft(draft, upload: id)
        let files = try catalogue.knownFiles(owner: "", md5: md5, size: 100)
        return try catalogue.seal(
            upload: id, as: draft, size: 100, duration: duration, knowing: known ?? Set(files), now: now,
            uploadTime: now
        ) { _, _ in isPublished }
    }

    /// The path of a video that `record` makes.
    package static func path(_ name: String) -> String { "upload/mp4/2026/11/original/\(name).mp4" }

    /// Records a video of 100 bytes; one with the same content has the same owner and number.
    @discardableResult
    package func record(
        _ name: String, content: Int, owner: String = "", duration: Double? = 1.5, now: Int64 = 2000
    ) throws -> Video {
        let digits = String(content, radix: 16)
        let key = UploadKey(
            owner: owner, md5: String(repeating: "0", count: 32 - digits.count) + digits, extent: .size(100), chunks: 2,
            chunkSize: 60)
        guard case .unfinished(let upload, _, _) = try start(key, guid: name, now: now, expiry: now - day) else {
            throw CatalogueError(.failed, "sealed")
        }
        let known = try catalogue.knownFiles(owner: owner, md5: key.md5, size: 100)
        let draft = VideoDraft(name: name, guid: name, path: known.first ?? Self.path(name), classID: nil)
        _ = try catalogue.setDraft(draft, upload: upload.id)
        let sealing = try catalogue.seal(
            upload: upload.id, as: draft, size: 100, duration: duration, knowing: Set(known), now: now,
            uploadTime: now
        ) { _, _ in true }
        guard case .sealed(let video, _) = sealing else { throw CatalogueError(.failed, "\(sealing)") }
        return video
    }

    /// Claims the oldest job for 100 s.
    package func claim(_ worker: String = "worker", now: Int64 = 2000) throws -> Job? {
        try catalogue.claimJob(worker: worker, lease: 100, now: now)
    }

    package func execute(_ sql: String) throws {
        try CatalogueFile(path).run(sql)
    }

    /// The one value that a query gives, as text.
    package func text(_ sql: String) throws -> String {
        try CatalogueFile(path).all("SELECT ifnull('' || (\(sql)), '')", as: String.self)[0]
    }

    /// In how many of the last seconds bytes were freed that may still be on the disk.
    package func freed(now: Int64) throws -> Int {
        try count("freed WHERE bytes > 0 AND time BETWEEN \(now - 5) AND \(now)")
    }

    /// How many rows a table has.
    package func count(_ table: String) throws -> Int {
        try CatalogueFile(path).count(table)
    }
}

extension Catalogue {
    package func copy(_ video: Video, name: String, classID: Int64?, guid: String?, now: Int64) throws -> Video? {
        try copy(video, name: name, classID: classID, guid: guid, now: now, permit: .unlimited)
    }
}
