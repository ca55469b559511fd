import System

/// What a form may hold at most. A form over one of them is refused as a whole.
///
/// A parser holds no more than `parts × textBytes` bytes of text, and one text field as it was sent beside them.
package struct FormLimits: Sendable {
    /// Parts of a multipart body, or parameters of a query string or of an urlencoded body.
    package var parts = 64
    /// Bytes of one part's headers, the empty line after them included; also the bytes of one urlencoded name.
    package var partHeaderBytes = 8 * 1024
    /// Bytes of one text field or of one urlencoded value, decoded.
    package var textBytes = 64 * 1024
    /// Bytes of the boundary: https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
    package var boundaryBytes = 70
    /// Files whose name is not empty: 1, or 0 for none. A `Form` has room for one.
    package var files = 1

    package static let standard = FormLimits()

    /// The standard limits, to be changed.
    package init() {}
}

/// Why a form is refused: a limit that it exceeds, with the limit's value, or a body that ends too early.
package enum FormError: Error, Equatable {
    case tooManyParts(limit: Int)
    case tooManyParameters(limit: Int)
    case partHeaderTooLong(limit: Int)
    /// An urlencoded parameter's name with more bytes than `limit`.
    case nameTooLong(limit: Int)
    /// The value of `field` with more bytes than `limit`.
    case textTooLong(field: String, limit: Int)
    case boundaryTooLong(limit: Int)
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
        case .tooManyParts(let limit): "more than \(limit) form parts"
        case .tooManyParameters(let limit): "more than \(limit) parameters"
        case .partHeaderTooLong(let limit): "part headers over \(limit) bytes"
        case .nameTooLong(let limit): "parameter name over \(limit) bytes"
        case .textTooLong(let field, let limit): "field \(Self.printable(field)) over \(limit) bytes"
        case .boundaryTooLong(let limit): "boundary over \(limit) bytes"
        case .tooManyFiles(let limit): "more than \(limit) file"
        case .notText(let field): "the name or type of \(Self.printable(field)) is not UTF-8, or has a NUL"
        case .truncated: "the body ended before its closing boundary"
        }
    }

    /// A name as a log line can take it: printable, at most 64 scalars.
    package static func printable(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.prefix(64))).printable(as: "?")
    }
}
