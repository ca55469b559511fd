import System

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

extension StoreError {
    /// What a call of the system failed with: of a file of the store, or of a body on its way there.
    package init(_ error: SystemError) {
        let reason: Reason =
            if error.isDiskFull {
                .diskFull
            } else if error.isLackOfDescriptors {
                .tooManyOpen
            } else if error.isForeign {
                .foreign
            } else {
                .failed
            }
        self.init(reason, error.description, isSyncFailure: error.isSyncFailure)
    }
}
