import LoadingCache
import Model
import System

/// The unfinished uploads that this process works on, by key. Thread-safe.
///
/// One that is idle for 5 minutes closes its file; the catalogue still has it, and knows whether it has
/// expired. So do some where there are too many: of the client that has the most, those that were touched longest ago, none of
/// which is in use. Their number follows from the descriptors that the process may have, and their chunks from the memory.
final class ActiveUploads: Sendable {
    private struct Use {
        /// Chunks of the largest of them, or more.
        var largest = 0
        /// Counts the requests that have touched one.
        var uses = 0
    }

    /// Its lock also makes one step of a look at the uploads and what follows from it.
    private let use = Locked(Use(), order: .uploads)
    private let uploads: Cache<UploadKey, ActiveUpload>

    private static let idleTime = Duration.seconds(300)
    /// How many there are at most, but for those that are in use.
    private let limit: Int

    init(limit: Int, ticker: Ticker) {
        self.limit = limit
        do {
            uploads = Cache(
                try CacheConfiguration(
                    expireAfterAccess: Self.idleTime, recordsStatistics: true, ticker: ticker,
                    removalListener: { $0.value.close() }))
        } catch {
            preconditionFailure("a constant configuration: \(error)")
        }
    }

    /// A request of the upload with this key, if the guid is known to be its alias.
    func begin(_ key: UploadKey, guid: String) -> ActiveUpload.Use? {
        use.withLock { use in
            guard let upload = uploads.getIfPresent(key) else { return nil }
            use.uses += 1
            return upload.begin(guid: guid, number: use.uses)
        }
    }

    /// A request of the upload whose record the catalogue gave for it.
    func begin(_ record: Upload, guid: String) -> ActiveUpload.Use {
        use.withLock { use in
            let upload: ActiveUpload
            if let known = uploads.getIfPresent(record.key), known.record.id == record.id {
                upload = known
            } else {
                upload = ActiveUpload(record)
                uploads.put(record.key, upload)
                use.largest = max(use.largest, record.key.chunks)
            }
            use.uses += 1
            let begun = upload.begin(alias: guid, number: use.uses)
            trim(&use.largest)
            return begun
        }
    }

    /// Gives an upload's file back if it is not in use; the next request opens it again.
    func close(_ upload: ActiveUpload) { remove(upload, if: \.isIdle) }

    /// Those of these uploads that this process works on.
    func with(ids: Set<Int64>) -> [ActiveUpload] {
        ids.isEmpty ? [] : uploads.snapshot().values.filter { ids.contains($0.record.id) }
    }

    /// Gives the file back of an upload that is not in use. Returns `false` if there is none.
    func closeIdle() -> Bool { use.withLock { _ in evict(1) > 0 } }

    /// Brings the number of uploads, and of their chunks, below their limits.
    private func trim(_ largest: inout Int) {
        let tooMany = uploads.count - limit
        // Several at once, so that not each new one has to look through all.
        if tooMany > 0 { _ = evict(tooMany + limit / 16) }
        while uploads.count > 1, uploads.count * largest > ResourceLimits.knownChunks {
            let chunks = uploads.snapshot().values.map(\.record.key.chunks)
            largest = chunks.max() ?? 0
            guard chunks.reduce(0, +) > ResourceLimits.knownChunks, evict(max(1, uploads.count / 8)) > 0 else { return }
        }
    }

    /// Forgets up to `count` idle uploads, first those of the client that has the most. Returns how many were forgotten.
    private func evict(_ count: Int) -> Int {
        let all = uploads.snapshot().values.map { (upload: $0, use: $0.lastUse) }.sorted { $0.use > $1.use }
        // The place of each among those of its client, the one touched last being the first.
        var places: [String: Int] = [:]
        let ranked = all.map { upload, use in
            places[upload.record.client, default: 0] += 1
            return (upload: upload, place: places[upload.record.client]!, use: use)
        }
        let idle = ranked.filter(\.upload.isIdle).sorted { ($1.place, $0.use) < ($0.place, $1.use) }.prefix(count)
        for entry in idle { uploads.invalidate(entry.upload.record.key) }
        return idle.count
    }

    /// Those of this content that this process works on, in chunks of any length.
    func with(_ guid: GuidKey) -> [ActiveUpload] {
        uploads.snapshot().values.filter { guid.isOf(owner: $0.record.key.owner, md5: $0.record.key.md5) }
    }

    /// Forgets uploads that the catalogue no longer has.
    func remove(_ ids: Set<Int64>) { for upload in with(ids: ids) { remove(upload) } }

    /// A guid is no alias of these uploads any more.
    func forget(guid: String, of ids: Set<Int64>) {
        for upload in with(ids: ids) { upload.removeGuid(guid) }
    }

    /// Gives back the files that another process has removed, of uploads and of videos that they are compared with: they take
    /// room of the disk as long as they are open.
    func closeRemoved() {
        for upload in uploads.snapshot().values where upload.openBytes?.closeRemoved() == true { close(upload) }
    }

    /// Closes the files of idle uploads.
    func cleanUp() { uploads.cleanUp() }

    var statistics: CacheStatistics { uploads.statistics }

    /// Forgets an upload. Returns whether it was there, and was to go.
    @discardableResult
    func remove(_ upload: ActiveUpload, if isToGo: (ActiveUpload) -> Bool = { _ in true }) -> Bool {
        use.withLock { _ in
            guard uploads.getIfPresent(upload.record.key) === upload, isToGo(upload) else { return false }
            uploads.invalidate(upload.record.key)
            return true
        }
    }
}
