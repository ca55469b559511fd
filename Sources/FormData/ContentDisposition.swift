/// The parameters of a part's `Content-Disposition` as PHP understands them.
///
/// `php_ap_getword`, `php_ap_getword_conf` and `php_ap_basename` in
/// https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c. The type (`form-data`) is not looked at, `filename*` is
/// unknown, a parameter that comes twice counts the second time, and percent escapes stay.
struct ContentDisposition {
    /// `name`, nil if there is none.
    private(set) var name: [UInt8]?

    /// `filename` behind its last `/` or `\`, nil if there is none.
    private(set) var fileName: [UInt8]?

    init(_ value: [UInt8]) {
        var rest = value.drop(while: \.isSpace)
        while !rest.isEmpty {
            var parameter = Self.word(from: &rest, upTo: UInt8(ascii: ";"))
            rest = rest.drop(while: \.isSpace)
            guard parameter.contains(UInt8(ascii: "=")) else { continue }
            let key = Self.word(from: &parameter, upTo: UInt8(ascii: "="))
            if key.equalsIgnoringCase("name") {
                name = Self.unquoted(parameter)
            } else if key.equalsIgnoringCase("filename") {
                let path = Self.unquoted(parameter)
                fileName = Array(path.split(omittingEmptySubsequences: false) { "/\\".utf8.contains($0) }.last ?? [])
            }
        }
    }

    /// Takes what is before the next `stop` that is not in quotes, and the stops that follow it.
    private static func word(from rest: inout ArraySlice<UInt8>, upTo stop: UInt8) -> ArraySlice<UInt8> {
        var index = rest.startIndex
        while index < rest.endIndex, rest[index] != stop {
            let quote = rest[index]
            index += 1
            guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { continue }
            while index < rest.endIndex, rest[index] != quote {
                let escapesQuote = rest[index] == UInt8(ascii: "\\") && rest[index...].dropFirst().first == quote
                index += escapesQuote ? 2 : 1
            }
            if index < rest.endIndex { index += 1 }
        }
        let word = rest[..<index]
        rest = rest[index...].drop { $0 == stop }
        return word
    }

    /// A parameter's value: in quotes of either kind up to the closing one, else up to white space.
    private static func unquoted(_ value: ArraySlice<UInt8>) -> [UInt8] {
        var rest = value.drop(while: \.isSpace)
        var quote: UInt8?
        if let first = rest.first, first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
            quote = first
            rest = rest.dropFirst()
        } else {
            rest = rest.prefix { !$0.isSpace }
        }

        var result: [UInt8] = []
        while let byte = rest.popFirst(), byte != quote {
            if byte == UInt8(ascii: "\\"), let next = rest.first, next == byte || next == quote {
                rest = rest.dropFirst()
                result.append(next)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
