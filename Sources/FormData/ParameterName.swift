/// The name under which PHP would register a parameter.
///
/// The rules are those of `php_register_variable_ex`:
/// https://github.com/php/php-src/blob/PHP-8.2/main/php_variables.c
struct ParameterName: Equatable, Sendable {
    /// The variable's name, without an index.
    let text: String

    /// Whether there was an index: `n[]`, `n[k]`, `n[k][l]`.
    let isArray: Bool

    /// The name for these bytes, nil if PHP would ignore the parameter.
    init?(_ bytes: some Collection<UInt8>) {
        // PHP's name is a C string here, so a NUL ends it.
        let raw = bytes.prefix { $0 != 0 }.drop { $0 == UInt8(ascii: " ") }
        let bracket = raw.firstIndex(of: UInt8(ascii: "[")) ?? raw.endIndex
        // Nothing is left of a name that begins with a bracket, closed or not.
        if bracket == raw.startIndex { return nil }

        // An index that is never closed is no index, and a name cannot hold its bracket.
        isArray = raw[bracket...].contains(UInt8(ascii: "]"))
        let name = (isArray ? raw[..<bracket] : raw).map { byte in
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "."), UInt8(ascii: "["): UInt8(ascii: "_")
            default: byte
            }
        }
        // No name that anything looks for needs repair, and none becomes one by it.
        text = String(decoding: name, as: UTF8.self)
    }
}
