import System

/// Why a form is refused: a limit that it exceeds, with the limit's value, or a body that ends too early.
package enum FormError: Error, Equatable {
    /// More parts in a multipart body than `limit`.
    case tooManyParts(limit: Int)

    /// More parameters in a query string or in an urlencoded body than `limit`.
    case tooManyParameters(limit: Int)

    /// A part's headers with more bytes than `limit`.
    case partHeaderTooLong(limit: Int)

    /// An urlencoded parameter's name with more bytes than `limit`.
    case nameTooLong(limit: Int)

    /// The value of `field` with more bytes than `limit`.
    case textTooLong(field: String, limit: Int)

    /// A boundary with more bytes than `limit`.
    case boundaryTooLong(limit: Int)

    /// More files with a name than `limit`.
    case tooManyFiles(limit: Int)

    /// The name or the type of the file in `field` is not UTF-8 or has a NUL in it.
    case notText(field: String)

    /// The body began a part and ended without the closing delimiter: the client or the connection broke off.
    case truncated
}

extension FormError: CustomStringConvertible {
    /// One line for replies and the log. It holds the client's own text only as the cleaned start of a field's name.
    package var description: String {
        switch self {
        case .tooManyParts(let limit):
            "more than \(limit) form parts"
        case .tooManyParameters(let limit):
            "more than \(limit) parameters"
        case .partHeaderTooLong(let limit):
            "part headers over \(limit) bytes"
        case .nameTooLong(let limit):
            "parameter name over \(limit) bytes"
        case .textTooLong(let field, let limit):
            "field \(Self.printable(field)) over \(limit) bytes"
        case .boundaryTooLong(let limit):
            "boundary over \(limit) bytes"
        case .tooManyFiles(let limit):
            "more than \(limit) file"
        case .notText(let field):
            "the name or type of \(Self.printable(field)) is not UTF-8, or has a NUL"
        case .truncated:
            "the body ended before its closing boundary"
        }
    }

    /// A name as a log line can take it: printable, at most 64 scalars.
    package static func printable(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.prefix(64))).printable(as: "?")
    }
}
