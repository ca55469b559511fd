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

    /// The body began a part and ended without the closing delimiter: the client or the connection broke off.
    case truncated
}

extension FormError: CustomStringConvertible {
    /// One line for the reply's `msg`. It holds the client's own text only as the cleaned start of a field's name.
    package var description: String {
        switch self {
        case .tooManyParts(let limit):
            "表单部分超过 \(limit) 个 (more than \(limit) form parts)"
        case .tooManyParameters(let limit):
            "参数超过 \(limit) 个 (more than \(limit) parameters)"
        case .partHeaderTooLong(let limit):
            "表单部分的头超过 \(limit) 字节 (part headers over \(limit) bytes)"
        case .nameTooLong(let limit):
            "参数名超过 \(limit) 字节 (parameter name over \(limit) bytes)"
        case .textTooLong(let field, let limit):
            "字段 \(Self.printable(field)) 超过 \(limit) 字节 (field over \(limit) bytes)"
        case .boundaryTooLong(let limit):
            "boundary 超过 \(limit) 字节 (boundary over \(limit) bytes)"
        case .tooManyFiles(let limit):
            "文件超过 \(limit) 个 (more than \(limit) file)"
        case .truncated:
            "请求体不完整 (the body ended before its closing boundary)"
        }
    }

    /// A name as a log line can take it: no control characters, no line separators, at most 64 scalars.
    private static func printable(_ name: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in name.unicodeScalars.prefix(64) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: result.append("?")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
