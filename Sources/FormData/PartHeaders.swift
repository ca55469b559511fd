/// The two headers of a part that matter, read like PHP's `multipart_buffer_headers`
/// (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c).
///
/// Lines end with LF or CRLF, and one that begins with a NUL is empty. One that begins with white space or has no colon continues the one before.
/// Names are in any case; of two headers with one name the first counts.
struct PartHeaders {
    /// The value of `Content-Disposition`, nil if there is none.
    private(set) var disposition: [UInt8]?

    /// The value of `Content-Type`, nil if there is none.
    private(set) var contentType: [UInt8]?

    /// How many of `bytes`, which begin behind a delimiter, are headers: up to the first empty line and with it.
    /// Nil if there is no empty line.
    static func end(in bytes: some RandomAccessCollection<UInt8>) -> Int? {
        var rest = bytes[...]
        while let lineFeed = rest.firstIndex(of: .lineFeed) {
            let line = Self.text(of: rest[..<lineFeed])
            rest = rest[lineFeed...].dropFirst()
            if line.isEmpty { return bytes.count - rest.count }
        }
        return nil
    }

    /// Reads a part's header lines; the empty line may be among them.
    init(_ bytes: UnsafeRawBufferPointer) {
        var headers: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] = []
        for line in Array(bytes).split(separator: .lineFeed) {
            let line = Self.text(of: line)
            if let colon = line.firstIndex(of: UInt8(ascii: ":")), line.first?.isSpace == false {
                headers.append((line[..<colon], line[colon...].dropFirst().drop(while: \.isSpace)))
            } else if let last = headers.indices.last {
                headers[last].value += line
            }
        }
        disposition = headers.first { $0.name.equalsIgnoringCase("content-disposition") }.map { Array($0.value) }
        contentType = headers.first { $0.name.equalsIgnoringCase("content-type") }.map { Array($0.value) }
    }

    /// A line without the CR before its LF. A NUL at its beginning ends it, as it ends a C string; any other one stays, so
    /// that a file name with it is refused and not cut.
    private static func text<Line: BidirectionalCollection<UInt8>>(of line: Line) -> Line.SubSequence
    where Line.SubSequence == Line {
        let text = line.last == .carriageReturn ? line.dropLast() : line
        return text.first == 0 ? text.prefix(0) : text
    }
}

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
