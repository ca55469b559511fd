import GRDB

/// The catalogue as somebody at a shell has it: SQL, each time in a connection of its own.
package struct CatalogueFile: Sendable {
    private let path: String

    package init(_ path: String) {
        self.path = path
    }

    /// Runs statements in one transaction.
    package func run(_ statements: (sql: String, arguments: [any DatabaseValueConvertible])...) throws {
        try run(statements)
    }

    package func run(_ statements: [(sql: String, arguments: [any DatabaseValueConvertible])]) throws {
        try connection().write { db in
            for (sql, arguments) in statements { try db.execute(sql: sql, arguments: StatementArguments(arguments)) }
        }
    }

    package func run(_ sql: String) throws { try run([(sql, [])]) }

    /// The numbers, or texts, that a query gives.
    package func all<Value: DatabaseValueConvertible>(
        _ sql: String, _ arguments: [any DatabaseValueConvertible] = [], as type: Value.Type = Value.self
    ) throws -> [Value] {
        try connection(isReadOnly: true).read {
            try Value.fetchAll($0, sql: sql, arguments: StatementArguments(arguments))
        }
    }

    /// How many rows a table has, or a table with a condition.
    package func count(_ table: String, _ arguments: [any DatabaseValueConvertible] = []) throws -> Int {
        try all("SELECT count(*) FROM \(table)", arguments)[0]
    }

    /// Runs `body` while nobody else can write, unless it ends that earlier.
    package func whileLocked(_ body: (_ unlock: () throws -> Void) throws -> Void) throws {
        try connection().inDatabase { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            defer { if db.isInsideTransaction { try? db.execute(sql: "ROLLBACK") } }
            try body { try db.execute(sql: "ROLLBACK") }
        }
    }

    /// Empties the log of changes.
    package func checkpoint() throws {
        try connection().writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
    }

    /// What is tested may be writing: waits for it.
    private func connection(isReadOnly: Bool = false) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = isReadOnly
        configuration.busyMode = .timeout(30)
        return try DatabaseQueue(path: path, configuration: configuration)
    }
}
