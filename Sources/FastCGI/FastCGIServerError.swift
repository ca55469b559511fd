import Glibc

/// Why a server could not start.
package enum FastCGIServerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// It was started or stopped before.
    case used
    /// libfcgi could not be initialised.
    case library(Int32)
    /// A system call failed with this `errno`.
    case system(call: String, code: Int32)

    /// One sentence for whoever started the program.
    package var description: String {
        switch self {
        case .used: "the server was started or stopped before"
        case .library(let code): "libfcgi cannot be initialised: \(code)"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        }
    }
}
