import Catalogue
import GRDB
import Glibc
import System

extension Database: CatalogueRows {
    /// Runs a statement that is prepared once a connection. Returns how many rows it has changed.
    @discardableResult
    func run(_ sql: String, _ arguments: StatementArguments = []) throws -> Int {
        try cachedStatement(sql: sql).execute(arguments: arguments)
        return changesCount
    }

    /// The first row that a statement, prepared once a connection, gives.
    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows that a statement, prepared once a connection, gives.
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(cachedStatement(sql: sql), arguments: arguments)
    }
}

extension CatalogueError {
    /// What SQLite failed with, or a call beside it.
    /// - Parameter path: of the database that it was with, if that is known.
    init(sqlite error: any Error, in path: String? = nil) {
        if let error = error as? CatalogueError {
            self = error
            return
        }
        if let error = error as? SystemError {
            self.init(error.isDiskFull ? .diskFull : .failed, error.description)
            return
        }
        let code = (error as? DatabaseError)?.extendedResultCode
        let isFull =
            switch code?.primaryResultCode {
            case .SQLITE_FULL?: true
            // Of the files beside the database it says so in other ways.
            case .SQLITE_IOERR?, .SQLITE_CANTOPEN?: path.map { !Self.hasBlocks(directory(of: $0)) } ?? false
            default: false
            }
        self.init(
            isFull ? .diskFull : .failed, String(describing: error),
            isSyncFailure: code == .SQLITE_IOERR_FSYNC || code == .SQLITE_IOERR_DIR_FSYNC)
    }

    /// Whether a file system has room for what SQLite writes at once.
    private static func hasBlocks(_ directory: String) -> Bool {
        var space = statvfs()
        guard statvfs(directory, &space) == 0 else { return true }
        return UInt64(space.f_bavail) * UInt64(space.f_frsize) >= 256 << 10
    }
}

/// The directory of a file.
func directory(of path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "." }
