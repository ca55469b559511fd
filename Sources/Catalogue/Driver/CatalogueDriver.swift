/// What keeps the catalogue's rows: one database. It has no rule; those stand in `Catalogue`, once for all drivers.
///
/// Thread-safe, and several processes may use the same database. What a transaction read before it changed it, no other one
/// changes meanwhile: SQLite has one writer, PostgreSQL locks the rows. Times are whole seconds, sizes bytes.
package protocol CatalogueDriver: Sendable {
    /// Runs reads that all see the same moment.
    func read<Result>(_ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result

    /// Runs a transaction, which survives the death of this process; power loss too if `durably` says so.
    func write<Result>(durably: Bool, _ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result

    /// The same for what makes the catalogue grow by what a client asked for: only if there is room for more.
    /// - Throws: `CatalogueError` with `.diskFull` where the reserve is reached.
    func adding<Result>(durably: Bool, _ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result

    /// The same for what removes something, or what an operator needs in order to make room: also on a full disk.
    func deleting<Result>(durably: Bool, _ body: (any CatalogueRows) throws -> Result) throws(CatalogueError) -> Result

    /// Throws where the database may not grow, though there is room: a reader has kept it open for long, for example.
    func checkGrowth() throws(CatalogueError)

    /// Checks that changes can be written.
    func checkWritable() throws(CatalogueError)

    /// Looks for damage in the database itself. Returns one line for each finding.
    func damage() throws(CatalogueError) -> [String]

    /// The version of its tables.
    var schema: Int { get }

    /// A sentence about what opening it has changed; `nil` if nothing.
    var upgrade: String? { get }
}

/// The rows of all roles, in a transaction: reads and conditional writes. Not to be used after it.
///
/// What a decision needs together comes in one call, because a call may be a round trip. Text is compared by its bytes.
package protocol CatalogueRows:
    UploadRows, AliasRows, ChunkRows, SealingRows, RefusalRows, HoldingRows, VideoRows, FileRows, NumberRows,
    CategoryRows, JobRows, UseRows, EventRows, FactRows
{}

/// A change of the catalogue that failed; nothing of it was kept.
package struct CatalogueError: Error, CustomStringConvertible {
    package enum Reason: Sendable {
        /// No room for the database.
        case diskFull
        /// As many videos were recorded for the client as may be in so short a time.
        case quota
        /// The file is of a later version of this program, or no catalogue at all.
        case incompatible
        /// Anything else; trying again may help.
        case failed
    }

    package let reason: Reason
    package let description: String
    /// Bytes that were written may not have reached the medium.
    package let isSyncFailure: Bool

    package init(_ reason: Reason, _ description: String, isSyncFailure: Bool = false) {
        (self.reason, self.description, self.isSyncFailure) = (reason, description, isSyncFailure)
    }
}
