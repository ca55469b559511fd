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
