import GRDB
import Glibc

/// The catalogue in one SQLite file, in WAL mode.
///
/// A commit survives the death of any process; `write(durably: true)` makes it survive power loss as well.
/// https://sqlite.org/pragma.html#pragma_synchronous
package final class SQLiteCatalogue: Catalogue {
    let pool: DatabasePool
    let queuesJobs: Bool
    let writesEvents: Bool

    /// The version of the tables.
    package static let schemaVersion = Schema.version

    /// Opens the file at `path`, creates it if it is missing, and brings an older schema up to date.
    ///
    /// - Parameters:
    ///   - queuesJobs: whether a new record makes sure that its file has a job. Without a worker the queue would only grow.
    ///   - writesEvents: whether events are kept for delivery. If nobody delivers them they would only grow in number.
    ///   - trace: is told of each statement that runs.
    package init(
        path: String, queuesJobs: Bool = false, writesEvents: Bool = false,
        trace: (@Sendable (String) -> Void)? = nil
    ) throws(CatalogueError) {
        self.queuesJobs = queuesJobs
        self.writesEvents = writesEvents
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
            pool = try DatabasePool(path: path, configuration: configuration)
            guard try pool.read({ try !Schema.migrator.hasBeenSuperseded($0) }) else {
                throw CatalogueError(
                    .incompatible, "\(path) was written by a later version of video-intake; run that version")
            }
            try Schema.migrator.migrate(pool)
            // SQLite falls back to reading where it cannot open a file for writing, and stays with it.
            try pool.write { db in try db.execute(sql: "UPDATE id_sequence SET last = last WHERE name = 'video'") }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_READONLY {
            throw CatalogueError(.failed, "\(path) cannot be written")
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw CatalogueError(.incompatible, "\(path) is not an SQLite database")
        } catch {
            throw Self.failure(error)
        }
    }

    /// Waits until no other process opens a catalogue in this directory, and keeps others from it until the result is closed.
    ///
    /// A responder and a worker that start at the same time with a new file would both set it up: SQLite does not wait
    /// for its turn to change the journal mode, and a migration looks at the schema before it has the turn to write.
    private static func lockDirectory(of path: String) -> Int32 {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // Without a directory SQLite has the error to tell.
        while descriptor >= 0, flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
        return descriptor
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

    private static func failure(_ error: any Error) -> CatalogueError {
        if let error = error as? CatalogueError { return error }
        let full = (error as? DatabaseError)?.resultCode == .SQLITE_FULL
        return CatalogueError(full ? .diskFull : .failed, String(describing: error))
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

    /// The next video number: above all that were given out, and all that somebody took by SQL.
    func nextVideoID() throws -> Int64 {
        try row(
            """
            UPDATE id_sequence SET last = max(last, (SELECT ifnull(max(video_id), 0) FROM video_info)) + 1
            WHERE name = 'video' RETURNING last
            """)![0]
    }
}
