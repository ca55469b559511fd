import Glibc

/// A system call that failed.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The system call.
    package let operation: String
    /// The call's `errno`.
    package let code: Int32

    package init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// There is no room, and trying again soon will not help.
    package var isDiskFull: Bool {
        code == ENOSPC || code == EDQUOT
    }

    /// There is no descriptor left, of this process or of the machine; closing one helps.
    package var isLackOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    /// There is no such thing.
    package var isMissing: Bool { code == ENOENT }

    /// It is none of ours, and trying again will not help.
    package var isForeign: Bool { code == EINVAL }

    /// Bytes that were written may not have reached the medium, and the kernel takes them for written: another attempt
    /// could succeed falsely. https://wiki.postgresql.org/wiki/Fsync_Errors
    package var isSyncFailure: Bool {
        operation == "fdatasync" || operation == "fsync"
    }

    package var description: String {
        "\(operation): \(String(cString: strerror(code)))"
    }

    /// Runs a system call, again when a signal interrupted it.
    ///
    /// - Returns: what the call returned, never negative.
    package static func check<Result: BinaryInteger>(
        _ operation: String, _ call: () -> Result
    ) throws(SystemError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemError(operation, code: errno) }
        }
    }
}
