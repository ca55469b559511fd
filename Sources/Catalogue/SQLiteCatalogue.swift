import GRDB
import Glibc
import Synchronization

/// The catalogue in one SQLite file, in WAL mode.
///
/// A commit survives the death of any process; `write(durably: true)` makes it survive power loss as well.
/// https://sqlite.org/pragma.html#pragma_synchronous
package final class SQLiteCatalogue: Catalogue {
    let pool: DatabasePool
    let queuesJobs: Bool
    private let writesEventsNow: Atomic<Bool>

    /// The version of the tables.
    package static let schemaVersion = Schema.version

    /// Opens the file at `path` and brings an older schema up to date, of which a copy is kept.
    ///
    /// - Parameters:
    ///   - creates: whether a file that is missing is made. Where a disk is not mounted, a new one would begin with numbers
    ///     that were given out before.
    ///   - queuesJobs: whether a new record makes sure that its file has a job. Without a worker the queue would only grow.
    ///   - writesEvents: as `setWritesEvents` has it.
    ///   - trace: is told of each statement that runs.
    package init(
        path: String, creates: Bool = false, queuesJobs: Bool = false, writesEvents: Bool = false,
        trace: (@Sendable (String) -> Void)? = nil
    ) throws(CatalogueError) {
        self.queuesJobs = queuesJobs
        writesEventsNow = Atomic(writesEvents)
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2000")
            if let trace { db.trace { trace($0.description) } }
        }
        let lock = Self.lockDirectory(of: path)
        defer { close(lock) }
        do {
            if creates { try Self.create(path) }
            guard access(path, F_OK) == 0 else {
                throw CatalogueError(.failed, "\(path): \(String(cString: strerror(errno)))")
            }
            pool = try DatabasePool(path: path, configuration: configuration)
            guard try pool.read({ try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") }) != 0 else {
                throw CatalogueError(.incompatible, "\(path) is empty; restore it from a backup")
            }
            guard try pool.read({ try !Schema.migrator.hasBeenSuperseded($0) }) else {
                throw CatalogueError(
                    .incompatible, "\(path) was written by a later version of video-intake; run that version")
            }
            try Self.keepOlderSchema(pool)
            try Schema.migrator.migrate(pool)
            // SQLite falls back to reading where it cannot open a file for writing, and stays with it.
            try pool.write(Self.touch)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_READONLY {
            throw CatalogueError(.failed, "\(path) cannot be written")
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw CatalogueError(.incompatible, "\(path) is not an SQLite database")
        } catch {
            throw Self.failure(error)
        }
    }

    /// Makes a copy of a catalogue that is about to get a later schema: an older program refuses what comes then.
    ///
    /// It replaces an earlier copy: after a way back to that the catalogue has changed.
    private static func keepOlderSchema(_ pool: DatabasePool) throws {
        let applied = try pool.read { try Schema.migrator.appliedMigrations($0) }.compactMap { Int($0) }
        guard let old = applied.max(), old < Schema.version else { return }
        let copy = "\(pool.path).schema-\(old).backup"
        do {
            _ = try CatalogueCopy(of: pool, at: copy)
        } catch {
            throw CatalogueError(
                error.reason, "\(error); without a copy it stays at schema \(old), which this program cannot use")
        }
    }

    /// Makes an empty catalogue, whole or not at all, if there is no file.
    private static func create(_ path: String) throws {
        guard access(path, F_OK) != 0, errno == ENOENT else { return }
        let new = path + ".new"
        for leftover in [new, new + "-journal"] { unlink(leftover) }
        let queue = try DatabaseQueue(path: new)
        try Schema.migrator.migrate(queue)
        try queue.close()
        defer { unlink(new) }
        // Not a rename, which would replace one that a restore has made meanwhile.
        guard link(new, path) == 0 || errno == EEXIST else {
            throw CatalogueError(.failed, "cannot create \(path): \(String(cString: strerror(errno)))")
        }
        try CatalogueCopy.sync(directory(of: path))
    }

    static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    }

    /// Waits until no other process opens a catalogue in this directory, and keeps others from it until the result is closed.
    ///
    /// A responder and a worker that start at the same time with a new file would both set it up: SQLite does not wait
    /// for its turn to change the journal mode, and a migration looks at the schema before it has the turn to write.
    private static func lockDirectory(of path: String) -> Int32 {
        let descriptor = open(directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // Without a directory SQLite has the error to tell.
        while descriptor >= 0, flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
        return descriptor
    }

    package func setWritesEvents(_ writesEvents: Bool) { writesEventsNow.store(writesEvents, ordering: .relaxed) }

    var writesEvents: Bool { writesEventsNow.load(ordering: .relaxed) }

    package func checkWritable() throws(CatalogueError) { try write(Self.touch) }

    /// Writes and changes nothing.
    private static func touch(_ db: Database) throws {
        try db.run("UPDATE id_sequence SET last = last WHERE name = 'video'")
    }

    /// Runs a read in its own snapshot.
    func read<Result>(_ body: (Database) throws -> Result) throws(CatalogueError) -> Result {
        do { return try pool.read(body) } catch { throw Self.failure(error) }
    }

    /// Runs a transaction whose commit survives the death of this process, and power loss too if `durably` says so.
    func write<Result>(durably: Bool = false, _ body: (Database) throws -> Result) throws(CatalogueError) -> Result {
        do {
            guard durably else { return try pool.write(body) }
            return try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? db.execute(sql: "PRAGMA synchronous = NORMAL") }
                var result: Result?
                try db.inTransaction(.immediate) {
                    result = try body(db)
                    return .commit
                }
                return result!
            }
        } catch {
            throw Self.failure(error)
        }
    }

    static func failure(_ error: any Error) -> CatalogueError {
        if let error = error as? CatalogueError { return error }
        let code = (error as? DatabaseError)?.extendedResultCode
        return CatalogueError(
            code?.primaryResultCode == .SQLITE_FULL ? .diskFull : .failed, String(describing: error),
            isSyncFailure: code == .SQLITE_IOERR_FSYNC || code == .SQLITE_IOERR_DIR_FSYNC)
    }
}

extension Database {
    /// Runs a statement that is prepared once a connection.
    func run(_ sql: String, _ arguments: StatementArguments = []) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// The first row that a statement, prepared once a connection, gives.
    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows that a statement, prepared once a connection, gives.
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(cachedStatement(sql: sql), arguments: arguments)
    }

    /// The next video number: above all that were given out or inserted by SQL.
    func nextVideoID() throws -> Int64 {
        try row(
            """
            UPDATE id_sequence SET last = max(last, (SELECT ifnull(max(video_id), 0) FROM video_info)) + 1
            WHERE name = 'video' RETURNING last
            """)![0]
    }
}
