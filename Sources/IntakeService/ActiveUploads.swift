import Catalogue
import Foundation
import LoadingCache
import Uploads

/// The unfinished uploads that this process works on, by key. Thread-safe.
///
/// One that nobody has touched for a while gives its file back; the catalogue still has it, and knows whether it has
/// expired. So do those that were touched longest ago where there are too many, of which none is in use: their number follows
/// from the descriptors that the process may have, and their chunks from the memory.
final class ActiveUploads: @unchecked Sendable {
    // SAFETY: the cache is thread-safe; `lock` makes one step of a look and what follows from it.
    private let lock = NSLock()
    private let uploads: Cache<UploadKey, ActiveUpload>

    private static let idleTime = Duration.seconds(300)
    /// How many there are at most, but for those that are in use.
    private let limit: Int
    /// Chunks of the largest of them, or more.
    private var largest = 0
    /// Counts the requests that have touched one.
    private var uses = 0

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

    /// The upload with this key, begun for a request, if the guid is known to be its alias.
    func begin(_ key: UploadKey, guid: String) -> ActiveUpload? {
        lock.withLock {
            guard let upload = uploads.getIfPresent(key) else { return nil }
            uses += 1
            upload.noteUse(uses)
            if upload.begin(guid: guid) { return upload }
            upload.end()
            return nil
        }
    }

    /// The upload of a record that the catalogue gave for a request, begun for it.
    func begin(_ record: Upload, guid: String) -> ActiveUpload {
        lock.withLock {
            let upload: ActiveUpload
            if let known = uploads.getIfPresent(record.key), known.record.id == record.id {
                upload = known
            } else {
                upload = ActiveUpload(record)
                uploads.put(record.key, upload)
                largest = max(largest, record.key.chunks)
            }
            upload.addGuid(guid)
            _ = upload.begin(guid: guid)
            uses += 1
            upload.noteUse(uses)
            trim()
            return upload
        }
    }

    /// Forgets an upload that is over.
    func remove(_ upload: ActiveUpload) {
        remove(upload) { _ in true }
    }

    /// Forgets an upload that has no chunk and no request. Returns whether it was so.
    func removeUnused(_ upload: ActiveUpload) -> Bool {
        remove(upload, if: \.isUnused)
    }

    /// Gives an upload's file back if no request is under way; the next one opens it again.
    func close(_ upload: ActiveUpload) {
        remove(upload, if: \.isIdle)
    }

    /// Those of these uploads that this process works on.
    func with(ids: Set<Int64>) -> [ActiveUpload] {
        ids.isEmpty ? [] : uploads.snapshot().values.filter { ids.contains($0.record.id) }
    }

    /// Gives the file back of the upload that was touched longest ago and that no request is using. Returns `false` if there
    /// is none.
    func closeIdle() -> Bool { lock.withLock { evict(1) > 0 } }

    /// Brings the number of uploads, and of their chunks, below their limits.
    private func trim() {
        let tooMany = uploads.count - limit
        // Several at once, so that not each new one has to look through all.
        if tooMany > 0 { _ = evict(tooMany + limit / 16) }
        while uploads.count > 1, uploads.count * largest > ResourceLimits.knownChunks {
            let chunks = uploads.snapshot().values.map(\.record.key.chunks)
            largest = chunks.max() ?? 0
            guard chunks.reduce(0, +) > ResourceLimits.knownChunks, evict(max(1, uploads.count / 8)) > 0 else { return }
        }
    }

    /// Forgets so many of those that were touched longest ago, as far as they are idle. Returns how many it were.
    private func evict(_ count: Int) -> Int {
        let idle = uploads.snapshot().values.filter(\.isIdle).sorted { $0.lastUse < $1.lastUse }.prefix(count)
        for upload in idle { uploads.invalidate(upload.record.key) }
        return idle.count
    }

    /// Those of this content that this process works on, in chunks of any length.
    func with(_ guid: GuidKey) -> [ActiveUpload] {
        uploads.snapshot().values.filter { guid.isOf(owner: $0.record.key.owner, md5: $0.record.key.md5) }
    }

    /// Forgets uploads that the catalogue no longer has.
    func remove(_ ids: Set<Int64>) {
        for upload in with(ids: ids) { remove(upload) }
    }

    /// A guid is no alias of these uploads any more.
    func forget(guid: String, of ids: Set<Int64>) {
        for upload in with(ids: ids) { upload.removeGuid(guid) }
    }

    /// Gives back the files of uploads that nobody has touched for a while.
    func cleanUp() {
        uploads.cleanUp()
    }

    var statistics: CacheStatistics { uploads.statistics }

    @discardableResult
    private func remove(_ upload: ActiveUpload, if isToGo: (ActiveUpload) -> Bool) -> Bool {
        lock.withLock {
            guard uploads.getIfPresent(upload.record.key) === upload, isToGo(upload) else { return false }
            uploads.invalidate(upload.record.key)
            return true
        }
    }
}
