import Catalogue
import Foundation
import Uploads

/// The unfinished uploads that this process works on, by key. Thread-safe.
final class ActiveUploads: @unchecked Sendable {
    // SAFETY: `lock` guards `uploads`.
    private let lock = NSLock()
    private var uploads: [UploadKey: ActiveUpload] = [:]

    /// Seconds. An upload that nobody has touched for so long gives its file back; the catalogue still has it, and knows
    /// whether it has expired.
    private static let idleTime: Int64 = 300

    /// The upload with this key, begun for a request, if the guid is known to be its alias.
    func begin(_ key: UploadKey, guid: String, now: Int64) -> ActiveUpload? {
        lock.withLock {
            guard let upload = uploads[key] else { return nil }
            if upload.isIdle(since: now - Self.idleTime) {
                uploads[key] = nil
                return nil
            }
            if upload.begin(guid: guid, now: now) { return upload }
            upload.end()
            return nil
        }
    }

    /// The upload of a record that the catalogue gave for a request, begun for it.
    func begin(_ record: Upload, guid: String, sizeLimit: Int, now: Int64) -> ActiveUpload {
        lock.withLock {
            let upload: ActiveUpload
            if let known = uploads[record.key], known.record.id == record.id {
                upload = known
            } else {
                uploads = uploads.filter { !$0.value.isIdle(since: now - Self.idleTime) }
                upload = ActiveUpload(record, sizeLimit: sizeLimit)
                uploads[record.key] = upload
            }
            upload.addGuid(guid)
            _ = upload.begin(guid: guid, now: now)
            return upload
        }
    }

    /// Forgets an upload that is over.
    func remove(_ upload: ActiveUpload) {
        lock.withLock {
            if uploads[upload.record.key] === upload { uploads[upload.record.key] = nil }
        }
    }

    /// Forgets an upload that has no chunk and no request. Returns whether it was so.
    func removeUnused(_ upload: ActiveUpload) -> Bool {
        lock.withLock {
            guard uploads[upload.record.key] === upload, upload.isUnused else { return false }
            uploads[upload.record.key] = nil
            return true
        }
    }

    /// Gives an upload's file back if no request is under way; the next one opens it again.
    func close(_ upload: ActiveUpload) {
        lock.withLock {
            guard uploads[upload.record.key] === upload, upload.isIdle(since: .max) else { return }
            uploads[upload.record.key] = nil
        }
    }

    /// Forgets uploads that the catalogue no longer has.
    func remove(_ ids: Set<Int64>) {
        lock.withLock { uploads = uploads.filter { !ids.contains($0.value.record.id) } }
    }
}
