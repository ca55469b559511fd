/// Why the store could not do what it was asked to.
package struct StoreError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// There is no room, and trying again soon will not help.
        case diskFull
        /// As much is open as may be; closing an upload's bytes helps.
        case tooManyOpen
        /// The path is none of the store's, and trying again will not help.
        case foreign
        /// Anything else; trying again may help.
        case failed
    }

    package let reason: Reason
    package let description: String
    /// Bytes that were written may not have reached the medium, and another attempt could succeed falsely.
    package let isSyncFailure: Bool

    package init(_ reason: Reason, _ description: String, isSyncFailure: Bool = false) {
        self.reason = reason
        self.description = description
        self.isSyncFailure = isSyncFailure
    }
}
