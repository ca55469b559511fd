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
        self.reason = reason
        self.description = description
        self.isSyncFailure = isSyncFailure
    }
}
