import Model
import Catalogue
import GRDB
import Glibc
import System

/// A copy of a catalogue in one file that no other process has open: a backup, or what is to become a catalogue again.
package struct CatalogueCopy: Sendable {
    package let path: String

    /// A file that a video points to.
    package struct Original: Equatable, Sendable {
        /// Relative to the store.
        package let path: String
        /// Bytes.
        package let size: Int
        package let md5: String
    }

    /// A copy that is there already.
    package init(path: String) { self.path = path }

    init(of pool: DatabasePool, at path: String) throws(CatalogueError) {
        self.init(path: path)
        // Its own name it gets when it is whole.
        let new = path + ".new"
        func clear() { for ending in ["", "-journal", "-wal", "-shm"] { unlink(new + ending) } }
        do {
            clear()
            try Self.create(new, like: pool.path)
            try Self.open(new) { queue in
                try pool.backup(to: queue)
                // One file, which can be read where nothing can be written.
                try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
                let damage = try queue.read { try String.fetchAll($0, sql: "PRAGMA quick_check") }
                guard damage == ["ok"] else { throw CatalogueError(.failed, "damaged: \(damage[0])") }
            }
            try Self.sync(new)
            try SystemError.check("rename") { rename(new, path) }
            try Self.sync(directory(of: path))
        } catch {
            clear()
            let error = CatalogueError(sqlite: error)
            throw CatalogueError(error.reason, "cannot copy \(pool.path) to \(path): \(error)")
        }
    }

    /// An empty file with the mode and the owner of another one.
    private static func create(_ path: String, like other: String) throws(SystemError) {
        var status = stat()
        try SystemError.check("stat") { stat(other, &status) }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let file = Descriptor(owning: try SystemError.check("open") { Glibc.open(path, flags, 0o600) })
        // Only root may give files away; another user keeps the copy.
        guard fchown(file.number, status.st_uid, status.st_gid) == 0 || errno == EPERM else {
            throw SystemError("fchown", code: errno)
        }
        try SystemError.check("fchmod") { fchmod(file.number, status.st_mode & 0o777) }
    }

    static func sync(_ path: String) throws(SystemError) { try Descriptor(path: path, O_RDONLY).sync() }

    private static func open<Result>(
        _ path: String, isReadOnly: Bool = false, _ body: (DatabaseQueue) throws -> Result
    ) throws -> Result {
        var configuration = Configuration()
        configuration.readonly = isReadOnly
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let result = try body(queue)
        try queue.close()
        return result
    }

    private func read<Result>(_ body: (Database) throws -> Result) throws(CatalogueError) -> Result {
        do {
            return try Self.open(path, isReadOnly: true) { try $0.read(body) }
        } catch {
            let error = CatalogueError(sqlite: error)
            throw CatalogueError(error.reason, "\(path): \(error)")
        }
    }

    /// The files that videos point to, each once, by path.
    package func originals() throws(CatalogueError) -> [Original] {
        try read { db in
            try db.rows("SELECT path, max(size), max(md5) FROM video_info GROUP BY path ORDER BY path").map {
                Original(path: $0[0], size: $0[1], md5: $0[2])
            }
        }
    }

    /// The directories of what was made of files, by file. Only a copy of this version has them.
    package func results() throws(CatalogueError) -> [String: String] {
        try read { db in
            Dictionary(
                uniqueKeysWithValues: try db.rows("SELECT path, directory FROM media").map { row in
                    (row[0], row[1] ?? StorageLayout.results(ofOriginal: row[0]))
                })
        }
    }

    /// How a catalogue goes on after a restore.
    package struct Continuation: Equatable, Sendable {
        /// Numbers of videos and ids of events are above these.
        package let videoNumber: Int64
        package let eventID: Int64
        package let epoch: String
        /// Unfinished uploads that were dropped.
        package let droppedUploads: Int
        /// Events that are still to be delivered.
        package let eventsPending: Int
    }

    /// Numbers that may have been given out after the copy was made.
    private static let gap: Int64 = 100_000
    /// Leaves room for new numbers below what a program in JavaScript can hold, 2^53.
    fileprivate static let numberLimit: Int64 = 9_000_000_000_000_000

    /// Prepares the copy to take the catalogue's place, which has given out numbers since: it gets the schema of this program
    /// and another epoch, its sequences go on higher, uploads that are not sealed are dropped, and jobs that were running
    /// are queued again.
    /// - Parameter number: above which numbers of videos go on; `nil` for 100,000 above the last one.
    /// - Throws: `CatalogueError` if the copy was written by a later program, or the number is not above the last one.
    package func goOn(aboveVideo number: Int64?, now: Int64) throws(CatalogueError) -> Continuation {
        do {
            return try Self.open(path) { queue in
                guard try queue.read({ try !Schema.migrator.hasBeenSuperseded($0) }) else {
                    throw CatalogueError(
                        .incompatible, "the catalogue was written by a later version of video-intake; run that version")
                }
                try Schema.migrator.migrate(queue)
                return try queue.write { try $0.goOn(aboveVideo: number, gap: Self.gap, now: now) }
            }
        } catch {
            throw CatalogueError(sqlite: error)
        }
    }
}

extension Database {
    fileprivate func goOn(aboveVideo number: Int64?, gap: Int64, now: Int64) throws -> CatalogueCopy.Continuation {
        let last: Int64 = try row(
            """
            SELECT max(last, (SELECT ifnull(max(video_id), 0) FROM video_info)) FROM id_sequence WHERE name = 'video'
            """)![0]
        let start = number ?? (last > Int64.max - gap ? Int64.max : last + gap)
        guard start <= CatalogueCopy.numberLimit else {
            throw CatalogueError(.failed, "no video may have a number above \(CatalogueCopy.numberLimit)")
        }
        guard start >= last else {
            throw CatalogueError(
                .failed, "the last video number in the backup is \(last): --above must be at least that")
        }
        try run("UPDATE id_sequence SET last = ? WHERE name = 'video'", [start])
        // Their bytes are not in a backup.
        try run("DELETE FROM upload WHERE state <> 'sealed'")
        let dropped = changesCount
        // Directories of later claims may be there already.
        try run("UPDATE job SET claims = claims + ?", [gap])
        // No worker has died, and the attempt does not count.
        try run(
            """
            UPDATE job SET state = 'queued', attempts = attempts - 1, worker = NULL, lease_until = NULL, not_before = ?,
                progress = 0, update_time = ?
            WHERE state = 'running'
            """, [now, now])
        // What was being deleted is not in the backup.
        try run("DELETE FROM garbage")
        try run("DELETE FROM worker")
        try run("DELETE FROM fact WHERE name IN ('check_time', 'check_findings')")
        try run("UPDATE fact SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'")
        // The lease of an event may be that of a deliverer that died with the machine.
        try run("UPDATE event SET not_before = min(not_before, ?) WHERE delivered_time IS NULL", [now])
        // Directories of results and unfinished files have these numbers in their names.
        for table in ["upload", "job"] { try raiseNumber(of: table, by: gap) }
        // More than one event a millisecond there never was.
        try raiseNumber(of: "event", to: now * 1000)
        return CatalogueCopy.Continuation(
            videoNumber: start, eventID: try lastNumber(of: "event"), epoch: try text(.epoch) ?? "",
            droppedUploads: dropped,
            eventsPending: try row("SELECT count(*) FROM event WHERE delivered_time IS NULL")![0])
    }

    /// The last number that a table has given out: https://sqlite.org/autoinc.html
    private func lastNumber(of table: String) throws -> Int64 {
        try row("SELECT seq FROM sqlite_sequence WHERE name = ?", [table])?[0] ?? 0
    }

    private func raiseNumber(of table: String, by gap: Int64 = 0, to least: Int64 = 0) throws {
        let last = try lastNumber(of: table)
        let number = max(last > Int64.max - gap ? last : last + gap, least)
        try run("DELETE FROM sqlite_sequence WHERE name = ?", [table])
        try run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, number])
    }
}
