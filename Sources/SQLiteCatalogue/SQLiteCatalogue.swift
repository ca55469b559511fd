import Model
import Catalogue
import GRDB
import Glibc
import System

/// The catalogue in one SQLite file, in WAL mode.
///
/// A commit survives the death of any process; a durable one survives power loss as well.
/// https://sqlite.org/pragma.html#pragma_synchronous
///
/// On a full disk `adding` is refused before anything is written, and `deleting` goes on with what the ballast gives back.
package final class SQLiteCatalogue: CatalogueDriver {
    let pool: DatabasePool
    private let ballast: Ballast
    private let hasRoom: @Sendable () -> Bool
    private let logLimit: Int
    /// The schema that it had before, if that was an older one.
    package let olderSchema: Int?

    /// Bytes of the log that stay once all of it is in the database.
    private static let logKept = 16 << 20

    /// Connections that read at the same time.
    private static let readers = 4
    /// Bytes that a connection keeps of the database.
    private static let cacheSize = 2_048_000

    /// What its connections use at most, the one that writes included: each has the database and the log open, and they share
    /// an index.
    package static let footprint = Footprint(descriptors: 2 * (readers + 1) + 1, memory: (readers + 1) * cacheSize)

    /// The version of the tables.
    package static let schemaVersion = Schema.version
    package var schema: Int { Schema.version }

    /// Opens the file at `path` and brings an older schema up to date, of which a copy is kept.
    /// - Parameters:
    ///   - creates: whether a file that is missing is made. Where a disk is not mounted, a new one would begin with numbers
    ///     that were given out before.
    ///   - logLimit: bytes of the log of changes. It grows while a reader holds an old snapshot, a backup or a shell
    ///     that was left open, for example; behind this nothing is added until that ends.
    ///   - trace: is told of each statement that runs.
    ///   - hasRoom: whether anything may be added; asked often.
    package init(
        path: String, creates: Bool = false, logLimit: Int = 256 << 20, trace: (@Sendable (String) -> Void)? = nil,
        hasRoom: @escaping @Sendable () -> Bool = { true }
    ) throws(CatalogueError) {
        ballast = Ballast(directory: directory(of: path))
        self.hasRoom = hasRoom
        self.logLimit = logLimit
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = Self.readers
        configuration.prepareDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA synchronous = NORMAL; PRAGMA cache_size = \(-Self.cacheSize / 1024);
                    PRAGMA journal_size_limit = \(Self.logKept)
                    """)
            if let trace { db.trace { trace($0.description) } }
        }
        let lock = Self.lockDirectory(of: path)
        defer { _ = lock }  // locked until here
        while true {
            do {
                (pool, olderSchema) = try Self.openPool(path, creates: creates, configuration)
                return
            } catch let error as DatabaseError where error.resultCode == .SQLITE_READONLY {
                throw CatalogueError(.failed, "\(path) cannot be written")
            } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
                throw CatalogueError(.incompatible, "\(path) is not an SQLite database")
            } catch {
                // The files beside the database need room too.
                let failure = CatalogueError(sqlite: error, in: path)
                guard failure.reason == .diskFull, ballast.giveBack() else { throw failure }
            }
        }
    }

    /// A sentence about what opening it has changed; `nil` if nothing.
    package var upgrade: String? {
        olderSchema.map {
            "the catalogue had schema \($0) and has schema \(Schema.version) now; \(pool.path).schema-\($0).backup is a copy "
                + "of before"
        }
    }

    private static func openPool(
        _ path: String, creates: Bool, _ configuration: Configuration
    ) throws -> (DatabasePool, olderSchema: Int?) {
        if creates { try create(path) }
        guard access(path, F_OK) == 0 else {
            throw CatalogueError(.failed, "\(path): \(String(cString: strerror(errno)))")
        }
        let pool = try DatabasePool(path: path, configuration: configuration)
        guard try pool.read({ try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") }) != 0 else {
            throw CatalogueError(.incompatible, "\(path) is empty; restore it from a backup")
        }
        guard try pool.read({ try !Schema.migrator.hasBeenSuperseded($0) }) else {
            throw CatalogueError(
                .incompatible, "\(path) was written by a later version of video-intake; run that version")
        }
        let olderSchema = try keepOlderSchema(pool)
        try Schema.migrator.migrate(pool)
        // SQLite falls back to reading where it cannot open a file for writing, and stays with it.
        try pool.write(touch)
        return (pool, olderSchema)
    }

    /// Makes a copy of a catalogue that is about to get a later schema: an older program refuses what comes then. It replaces
    /// an earlier copy: after a way back to that the catalogue has changed.
    /// - Returns: the schema that it has; `nil` if it is this program's.
    private static func keepOlderSchema(_ pool: DatabasePool) throws -> Int? {
        let applied = try pool.read { try Schema.migrator.appliedMigrations($0) }.compactMap { Int($0) }
        guard let old = applied.max(), old < Schema.version else { return nil }
        let copy = "\(pool.path).schema-\(old).backup"
        do {
            _ = try CatalogueCopy(of: pool, at: copy)
        } catch {
            throw CatalogueError(
                error.reason, "\(error); without a copy it stays at schema \(old), which this program cannot use")
        }
        return old
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

    /// Waits until no other process opens a catalogue in this directory, and keeps others from it until the result is closed.
    ///
    /// A responder and a worker that start at the same time with a new file would both set it up: SQLite does not wait
    /// for its turn to change the journal mode, and a migration looks at the schema before it has the turn to write.
    private static func lockDirectory(of path: String) -> Descriptor? {
        // Without a directory SQLite has the error to tell.
        guard let descriptor = try? Descriptor(directory: directory(of: path)) else { return nil }
        try? descriptor.lock()
        return descriptor
    }

    package func checkWritable() throws(CatalogueError) { try writing { try Self.touch($0) } }

    /// Writes and changes nothing.
    private static func touch(_ db: Database) throws {
        try db.run("UPDATE id_sequence SET last = last WHERE name = 'video'")
    }

    package func damage() throws(CatalogueError) -> [String] {
        do {
            return try pool.read { try String.fetchAll($0, sql: "PRAGMA quick_check").filter { $0 != "ok" } }
        } catch {
            throw CatalogueError(sqlite: error, in: pool.path)
        }
    }

    package func read<Result>(_ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result {
        do { return try pool.read { try body($0) } } catch { throw CatalogueError(sqlite: error, in: pool.path) }
    }

    package func adding<Result>(
        durably: Bool, _ body: (any CatalogueRows) throws -> Result
    ) throws(CatalogueError) -> Result {
        guard hasRoom() else { throw CatalogueError(.diskFull, "the reserve is reached") }
        try checkGrowth()
        return try write(durably: durably, body)
    }

    package func deleting<Result>(
        durably: Bool, _ body: (any CatalogueRows) throws -> Result
    ) throws(CatalogueError) -> Result {
        while true {
            do throws(CatalogueError) {
                return try write(durably: durably, body)
            } catch  where error.reason == .diskFull && ballast.giveBack() {}
        }
    }

    /// Checks that the log of changes is not longer than it may be.
    package func checkGrowth() throws(CatalogueError) {
        var status = stat()
        guard stat(pool.path + "-wal", &status) == 0, status.st_size > off_t(logLimit) else { return }
        // Only a commit would try it otherwise, and none comes.
        let isEmptied = try writing(inTransaction: false) { db in
            let result = try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(PASSIVE)")!
            return result[1] as Int == result[2] as Int
        }
        if isEmptied { return }
        throw CatalogueError(
            .failed, "\(pool.path)-wal has \(status.st_size) bytes: a reader has kept the catalogue open for long")
    }

    package func write<Result>(
        durably: Bool, _ body: (any CatalogueRows) throws -> Result
    ) throws(CatalogueError) -> Result {
        try writing(durably: durably) { try body($0) }
    }

    private func writing<Result>(
        durably: Bool = false, inTransaction: Bool = true, _ body: (Database) throws -> Result
    ) throws(CatalogueError) -> Result {
        do {
            guard inTransaction else { return try pool.writeWithoutTransaction(body) }
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
            throw CatalogueError(sqlite: error, in: pool.path)
        }
    }
}

extension Catalogue {
    /// The catalogue in one SQLite file; the parameters are those of `SQLiteCatalogue` and of `Catalogue`.
    package convenience init(
        sqlite path: String, creates: Bool = false, queuesJobs: Bool = false, writesEvents: Bool = false,
        machine: MachineClock = .system, logLimit: Int = 256 << 20, trace: (@Sendable (String) -> Void)? = nil,
        hasRoom: @escaping @Sendable () -> Bool = { true }
    ) throws(CatalogueError) {
        let driver = try SQLiteCatalogue(
            path: path, creates: creates, logLimit: logLimit, trace: trace, hasRoom: hasRoom)
        try self.init(driver, queuesJobs: queuesJobs, writesEvents: writesEvents, machine: machine)
    }
}

extension SQLiteCatalogue {
    /// The figures of the catalogue in a file, which is only read: also where nothing can be written, and of whatever
    /// process it is.
    package static func figures(path: String) throws(CatalogueError) -> CatalogueFigures {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(10)
            return try DatabaseQueue(path: path, configuration: configuration).read { db in
                guard try Schema.migrator.hasCompletedMigrations(db), try !Schema.migrator.hasBeenSuperseded(db) else {
                    throw CatalogueError(
                        .incompatible,
                        "\(path) is of another version of video-intake; `serve` brings an older one up to date")
                }
                return try db.figures()
            }
        } catch {
            throw CatalogueError(sqlite: error)
        }
    }
}

extension CatalogueCopy {
    /// Copies a catalogue as it is at one moment, while others may use it.
    ///
    /// The file has the mode of the catalogue's, and its owner where this process may give files away. It is whole, was
    /// looked at for damage, and durable; or it is not there.
    package init(of catalogue: Catalogue, at path: String) throws(CatalogueError) {
        guard let driver = catalogue.driver as? SQLiteCatalogue else {
            throw CatalogueError(.failed, "only a catalogue in a file is copied")
        }
        try self.init(of: driver.pool, at: path)
    }
}
