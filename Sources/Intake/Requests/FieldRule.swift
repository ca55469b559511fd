/// What a field of a request must be: all rules there are. Which field has which is in the contract (`Contract.md`, fields).
enum FieldRule {
    case notEmpty
    case notEmptyFile
    /// `[A-Za-z0-9_-]{1,64}`
    case guid
    case md5
    /// UTF-8 without NUL.
    case text
    case positive
    case number(ClosedRange<Int>)
    case bytes(ClosedRange<Int>)
    case atMost(bytes: Int)
    /// The same as the length of the file that was sent.
    case length(Int)

    var text: Text {
        switch self {
        case .notEmpty: Text("不能为空", "must not be empty")
        case .notEmptyFile: Text("不能为空文件", "must not be an empty file")
        case .guid: Text("必须是 1 到 64 个字母、数字、_ 或 -", "must be 1 to 64 letters, digits, _ or -")
        case .md5: Text("必须是 32 位十六进制数字", "must be 32 hexadecimal digits")
        case .text: Text("必须是 UTF-8 文本,且不含 NUL", "must be UTF-8 text without NUL")
        case .positive: Text("必须是正整数", "must be a whole number above 0")
        case .number(let range):
            Text(
                "必须是 \(range.lowerBound) 到 \(range.upperBound) 的整数",
                "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        case .bytes(let range):
            Text(
                "必须是 \(range.lowerBound) 到 \(range.upperBound) 的整数(字节)",
                "must be a whole number from \(range.lowerBound) to \(range.upperBound), in bytes")
        case .atMost(let limit): Text("不能超过 \(limit) 字节", "must not exceed \(limit) bytes")
        case .length(let length): Text("与文件长度 \(length) 不符", "must be the file's length, \(length)")
        }
    }
}
