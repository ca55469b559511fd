import Model
import ChunkStore
import Glibc
import Logging
import System

/// What `sweep` found, and removed unless it was a dry run.
package struct SweepReport: Equatable, Sendable {
    /// Files of one kind.
    package struct Count: Equatable, Sendable {
        package var files = 0
        /// Bytes of the disk.
        package var bytes = 0

        mutating func add(_ bytes: Int) {
            files += 1
            self.bytes += bytes
        }
    }

    /// Unfinished uploads that have expired.
    package var expiredUploads = 0
    /// Their files.
    package var expired = Count()
    /// Finished uploads whose guids are no longer aliases of their videos.
    package var forgottenAliases = 0
    /// Files of uploads that have become videos under another name.
    package var finished = Count()
    /// Files that belong to no upload, put out of the way.
    package var setAside = Count()
    /// Files and directories that no record points to any more and that were to be removed.
    package var garbage = Count()
    /// Request bodies that a web server left behind.
    package var bodies = Count()
    /// Events that are kept no longer.
    package var events = ExpiredEvents(delivered: 0, undelivered: 0)

    package init() {}

    /// What there is to say, with its amount.
    package var lines: [(what: String, amount: String)] {
        func text(_ count: Count) -> String? { count.files == 0 ? nil : "\(count.files) (\(sizeText(count.bytes)))" }
        let all: [(String, String?)] = [
            ("expired uploads", expiredUploads == 0 ? nil : "\(expiredUploads)"),
            ("their files", text(expired)),
            ("forgotten aliases of finished uploads", forgottenAliases == 0 ? nil : "\(forgottenAliases)"),
            ("files of finished uploads", text(finished)),
            ("files that belong to nobody, set aside", text(setAside)),
            ("files of deleted videos and replaced results", text(garbage)),
            ("left-over request bodies", text(bodies)),
            ("forgotten events that were delivered", events.delivered == 0 ? nil : "\(events.delivered)"),
            ("forgotten events that nobody took", events.undelivered == 0 ? nil : "\(events.undelivered)"),
        ]
        return all.compactMap { what, amount in amount.map { (what, $0) } }
    }
}

/// The sweep: removes what has expired and sets aside what belongs to no upload.
extension Maintainer {
    /// Seconds. A file without an upload may be one that is just being removed.
    private static let orphanAge: Int64 = 60
    /// Seconds. No request lasts as long.
    private static let bodyAge: Int64 = 24 * 3600

    /// Safe at any time, also from several processes at once.
    /// - Parameters:
    ///   - isDryRun: only looks.
    ///   - end: ends uploads that have expired; their files go with it. By default nothing else has them.
    package func sweep(isDryRun: Bool = false, end: (([ExpiredUpload]) -> Void)? = nil) throws -> SweepReport {
        var report = SweepReport()
        // A time of day that was set wrong ends nothing.
        let time = min(now, try catalogue.keepClock(isDryRun: isDryRun))
        // The files first: one that has come later is no orphan because its upload is not in the older list.
        let files = try store.incomingFiles()
        var expiredIDs: Set<Int64> = []
        var isPart = true
        while isPart {
            let expired = try catalogue.expireUploads(expiry, isDryRun: isDryRun)
            report.expiredUploads += expired.unfinished.count
            report.forgottenAliases += expired.sealed
            expiredIDs.formUnion(expired.unfinished.map(\.id))
            // Before the next ones, which may need the room, and fail.
            if !isDryRun, !expired.unfinished.isEmpty { (end ?? self.end)(expired.unfinished) }
            isPart = expired.isPart
        }

        let states = try catalogue.states(ofUploads: files.compactMap(\.upload))
        for file in files {
            if let id = file.upload, expiredIDs.contains(id) {
                report.expired.add(file.occupied)
            } else if let id = file.upload, let state = states[id] {
                guard state == .sealed, let video = try catalogue.video(ofUpload: id) else { continue }
                guard store.publishedLength(video.path) == video.size else { continue }
                report.finished.add(file.occupied)
                if !isDryRun { store.removeUpload(id) }
            } else if file.changeTime < time - Self.orphanAge {
                if !isDryRun {
                    guard let place = try store.setAside(file) else { continue }
                    logger.warning(
                        "a file that belongs to no upload was set aside",
                        metadata: ["file": "incoming/\(file.name)", "to": "\(place)", "bytes": "\(file.length)"])
                }
                report.setAside.add(file.occupied)
            }
        }
        report.garbage = try removeGarbage(dueAt: time, isDryRun: isDryRun)
        report.bodies = removeBodies(before: time - Self.bodyAge, isDryRun: isDryRun)
        report.events = try catalogue.expireEvents(now: time, isDryRun: isDryRun)
        if !isDryRun { store.restoreBallast() }
        return report
    }

    private func end(_ expired: [ExpiredUpload]) {
        remove(expired)
        try? catalogue.noteRemoved(bytes: expired.reduce(0) { $0 + $1.bytes })
    }

    /// Removes the files of uploads that the catalogue has forgotten, and the names that they got for videos which were
    /// never recorded.
    package func remove(_ expired: [ExpiredUpload]) {
        for upload in expired {
            if !upload.path.isEmpty, store.isUpload(upload.id, publishedAs: upload.path) { withdraw(upload.path) }
            store.removeUpload(upload.id)
        }
    }

    /// So much garbage is removed at most; more waits for the next sweep.
    private static let garbageLimit = 10_000

    /// Removes what has stayed long enough where it was, and what a deletion left because its process died or something failed.
    private func removeGarbage(dueAt time: Int64, isDryRun: Bool) throws -> SweepReport.Count {
        var count = SweepReport.Count()
        let garbage = try catalogue.garbage(limit: Self.garbageLimit, dueAt: time)
        for item in garbage {
            if isDryRun {
                count.add(0)
                continue
            }
            do throws(StoreError) {
                count.add(try remove(item))
            } catch {
                logger.error("cannot remove garbage", metadata: ["file": "\(item.path)", "cause": "\(error)"])
            }
        }
        let moved = Set(garbage.map { "\($0.id)" })
        for name in try store.trash() where !moved.contains(name) {
            count.add(isDryRun ? 0 : try store.removeTrash(name, movedFrom: nil))
        }
        return count
    }

    /// Removes request bodies that an nginx which was killed has left behind.
    private func removeBodies(before time: Int64, isDryRun: Bool) -> SweepReport.Count {
        var count = SweepReport.Count()
        guard let path = bodyDirectory, let directory = try? Descriptor(directory: path),
            let found = try? directory.entries()
        else { return count }
        for (name, status) in found where status.isFile && Int64(status.st_mtim.tv_sec) < time {
            count.add(status.occupied)
            if !isDryRun { unlinkat(directory.number, name, 0) }
        }
        return count
    }
}
