import CSystem

/// Reads a `multipart/form-data` body as it comes in, window by window, and finds the same form however it is cut.
///
/// The file's content is never kept: it is passed on piece by piece, and its place in the body is noted, for a caller
/// that has the body as a file. Text is kept up to `FormLimits.textBytes` a field.
///
///     body    preamble | delimiter | headers | content | delimiter | headers | content | closing delimiter | ignored
///     state   start, preamble      | headers | content             | headers | content                     | finished
///
/// Not for use from two threads at once. After an error the parser is of no more use.
///
/// The format is https://www.rfc-editor.org/rfc/rfc7578, the reading of it PHP's `rfc1867_post_handler`
/// (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c).
package struct MultipartParser: Sendable {
    private enum State {
        /// Nothing is consumed yet; a delimiter may begin the body.
        case start
        /// Before the first delimiter. A body without any is an empty form, as in PHP.
        case preamble
        case headers
        case content(Content)
        case finished
    }

    /// What becomes of a part's content.
    private enum Content {
        case ignored
        case text(ParameterName)
        case file(name: ParameterName, fileName: String, contentType: String, start: Int)
    }

    /// How far one step came in the bytes before it.
    private enum Step {
        /// It consumed this many and the next one can go on.
        case done(Int)
        /// It consumed this many and needs bytes that are not there yet.
        case starved(Int)
    }

    private let limits: FormLimits
    private let delimiter: Delimiter
    private var state = State.start
    private var form = Form()
    private var text: [UInt8] = []
    private var parts = 0
    private var files = 0
    /// Bytes of the body that are consumed.
    private var position = 0

    /// A parser for a body with this boundary, as `BodyFormat` finds it. Throws `boundaryTooLong`.
    package init(boundary: [UInt8], limits: FormLimits = .standard) throws(FormError) {
        if boundary.count > limits.boundaryBytes { throw .boundaryTooLong(limit: limits.boundaryBytes) }
        self.limits = limits
        delimiter = Delimiter(boundary: boundary)
    }

    /// Reads on in the body and returns how many bytes of `window` are consumed.
    ///
    /// `window` begins at the first byte that is not consumed yet; the caller presents the rest again with more behind
    /// it. A window of `FormLimits.partHeaderBytes` (8 KiB; never less than 256 bytes) is always enough to go on.
    /// `isLast` says that nothing follows `window`, which may be empty then and is consumed as a whole. So is what
    /// follows the closing delimiter.
    ///
    /// `file` is called with each piece of the file's content, in order; the pieces point into `window`.
    ///
    /// Throws a `FormError`, at the first limit that the body exceeds or when it is truncated, and what `file` throws.
    package mutating func parse(
        _ window: UnsafeRawBufferPointer, isLast: Bool, file: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        let start = position
        while true {
            switch try step(UnsafeRawBufferPointer(rebasing: window[(position - start)...]), file: file) {
            case .done(let count):
                position += count
            case .starved(let count):
                position += count
                if isLast {
                    try endBody()
                    position = start + window.count
                }
                return position - start
            }
        }
    }

    /// The form, once the whole body is parsed. Throws `truncated` if the closing delimiter has not been seen.
    package consuming func finish() throws(FormError) -> Form {
        try endBody()
        return form
    }

    private mutating func endBody() throws(FormError) {
        switch state {
        case .start, .preamble, .finished: state = .finished
        case .headers, .content: throw .truncated
        }
    }

    private mutating func step(
        _ bytes: UnsafeRawBufferPointer, file: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Step {
        switch state {
        case .start: try readStart(bytes)
        case .preamble: try readPreamble(bytes)
        case .headers: try readHeaders(bytes)
        case .content(let content): try readContent(bytes, of: content, file: file)
        case .finished: .starved(bytes.count)
        }
    }

    private mutating func readStart(_ bytes: UnsafeRawBufferPointer) throws(FormError) -> Step {
        switch delimiter.readAtStart(bytes) {
        case .delimiter(let end, let isClosing):
            return try passDelimiter(end: end, isClosing: isClosing)
        case .incomplete:
            return .starved(0)
        case .other:
            state = .preamble
            return .done(0)
        }
    }

    private mutating func readPreamble(_ bytes: UnsafeRawBufferPointer) throws(FormError) -> Step {
        let (length, found) = delimiter.search(bytes)
        guard let found else { return .starved(length) }
        return try passDelimiter(end: found.end, isClosing: found.isClosing)
    }

    private mutating func readHeaders(_ bytes: UnsafeRawBufferPointer) throws(FormError) -> Step {
        let headers = bytes.prefix(limits.partHeaderBytes)
        guard let end = PartHeaders.end(in: headers) else {
            if headers.count == limits.partHeaderBytes { throw .partHeaderTooLong(limit: limits.partHeaderBytes) }
            return .starved(0)
        }
        let content = try content(
            under: PartHeaders(UnsafeRawBufferPointer(rebasing: headers[..<end])), start: position + end)
        state = .content(content)
        return .done(end)
    }

    private mutating func readContent(
        _ bytes: UnsafeRawBufferPointer, of content: Content, file: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Step {
        let (length, found) = delimiter.search(bytes)
        let piece = UnsafeRawBufferPointer(rebasing: bytes[..<length])
        switch content {
        case .ignored: break
        case .text(let name):
            guard piece.count <= limits.textBytes - text.count else {
                throw FormError.textTooLong(field: name.text, limit: limits.textBytes)
            }
            text.append(contentsOf: piece)
        case .file: if !piece.isEmpty { try file(piece) }
        }
        guard let found else { return .starved(length) }
        endPart(content, at: position + length)
        return try passDelimiter(end: found.end, isClosing: found.isClosing)
    }

    private mutating func passDelimiter(end: Int, isClosing: Bool) throws(FormError) -> Step {
        state = isClosing ? .finished : .headers
        if !isClosing { parts += 1 }
        if parts > limits.parts { throw .tooManyParts(limit: limits.parts) }
        return .done(end)
    }

    /// Decides from a part's headers what becomes of its content, which begins at `start` in the body.
    private mutating func content(under headers: PartHeaders, start: Int) throws(FormError) -> Content {
        guard let disposition = headers.disposition.map(ContentDisposition.init) else { return .ignored }
        let name = disposition.name.flatMap { ParameterName($0) }
        guard let fileName = disposition.fileName else { return name.map(Content.text) ?? .ignored }

        if !fileName.isEmpty {
            files += 1
            if files > limits.files { throw .tooManyFiles(limit: limits.files) }
        }
        // PHP drops a file whose field's brackets do not match, and where they do it makes an array that nothing reads.
        guard let name, disposition.name?.contains(where: "[]".utf8.contains) == false else { return .ignored }
        if fileName.isEmpty {
            let none = FilePart(fieldName: name.text, fileName: "", contentType: "", content: start..<start)
            form.file = form.file ?? none
            return .ignored
        }
        guard let fileName = FormText.read(fileName),
            let contentType = FormText.read((headers.contentType ?? []).prefix { $0 != UInt8(ascii: ";") })
        else { throw .notText(field: name.text) }
        return .file(name: name, fileName: fileName, contentType: contentType, start: start)
    }

    private mutating func endPart(_ content: Content, at end: Int) {
        switch content {
        case .ignored: break
        case .text(let name):
            form.set(name, to: text)
            text.removeAll()
        case .file(let name, let fileName, let contentType, let start):
            form.file = FilePart(
                fieldName: name.text, fileName: fileName, contentType: contentType, content: start..<end)
        }
    }
}

// MARK: - Delimiters

/// The line between two parts of a multipart body: `[CR] LF "--" boundary`, then `"--"` or `[padding] [CR] LF`.
///
/// As in PHP's `multipart_buffer_read` (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c) the LF before it is
/// what counts, and a CR before that belongs to it too. The padding is `transport-padding` of
/// https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1. A line that only begins like a delimiter is content.
struct Delimiter: Sendable {
    /// Spaces and tabs after the boundary, at most. A longer line is content. Without a bound on it, no buffer would be
    /// certain to hold a whole delimiter.
    static let maximumPadding = 128

    /// What `readAtStart` found. All offsets count from the start of the bytes.
    enum Ending {
        case delimiter(end: Int, isClosing: Bool)
        case incomplete, other
    }

    private let needle: [UInt8]

    init(boundary: [UInt8]) { needle = [.lineFeed, .dash, .dash] + boundary }

    /// Looks for the first delimiter in `bytes`, which are the content of a part or what remains of it.
    ///
    /// - Returns: how many of them are content, whatever follows, and the delimiter, which ends before `end`. Where there is
    ///   none yet, the bytes after that content may begin one.
    func search(_ bytes: UnsafeRawBufferPointer) -> (length: Int, delimiter: (end: Int, isClosing: Bool)?) {
        var from = 0
        while let lineFeed = occurrence(in: bytes, from: from) {
            switch ending(of: bytes, at: lineFeed + needle.count) {
            case .delimiter(let end, let isClosing):
                return (contentEnd(in: bytes, at: lineFeed), (end, isClosing))
            case .incomplete:
                return (contentEnd(in: bytes, at: lineFeed), nil)
            case .other:
                from = lineFeed + 1
            }
        }
        return (contentEnd(in: bytes, at: possibleStart(in: bytes)), nil)
    }

    /// Whether `bytes`, the start of a body, start with a delimiter: the one place where no LF comes before it.
    func readAtStart(_ bytes: UnsafeRawBufferPointer) -> Ending {
        let line = needle.dropFirst()
        guard line.starts(with: bytes.prefix(line.count)) else { return .other }
        return bytes.count < line.count ? .incomplete : ending(of: bytes, at: line.count)
    }

    private func occurrence(in bytes: UnsafeRawBufferPointer, from: Int) -> Int? {
        guard let base = bytes.baseAddress, from < bytes.count else { return nil }
        return needle.withUnsafeBytes { needle in
            let found = vi_memmem(base + from, bytes.count - from, needle.baseAddress, needle.count)
            return found.map { $0 - base }
        }
    }

    /// Reads on behind the boundary.
    private func ending(of bytes: UnsafeRawBufferPointer, at start: Int) -> Ending {
        let rest = bytes[start...]
        if rest.first == .dash {
            guard rest.count > 1 else { return .incomplete }
            return rest[start + 1] == .dash ? .delimiter(end: start + 2, isClosing: true) : .other
        }
        let padding = rest.prefix(Self.maximumPadding).prefix { $0 == 0x20 || $0 == 0x09 }
        let line = rest[padding.endIndex...]
        switch line.first {
        case nil:
            return .incomplete
        case .lineFeed:
            return .delimiter(end: line.startIndex + 1, isClosing: false)
        case .carriageReturn:
            guard line.count > 1 else { return .incomplete }
            return line[line.startIndex + 1] == .lineFeed
                ? .delimiter(end: line.startIndex + 2, isClosing: false) : .other
        default:
            return .other
        }
    }

    /// Where a delimiter may begin whose boundary is not all there yet; `bytes.count` if nowhere.
    private func possibleStart(in bytes: UnsafeRawBufferPointer) -> Int {
        let tail = bytes.suffix(needle.count - 1)
        return tail.indices.first { needle.starts(with: tail[$0...]) } ?? bytes.count
    }

    /// `position`, or the place of the CR before it. A CR at the end of `bytes` may be a delimiter's, so it waits too.
    private func contentEnd(in bytes: UnsafeRawBufferPointer, at position: Int) -> Int {
        position > 0 && bytes[position - 1] == .carriageReturn ? position - 1 : position
    }
}

// MARK: - Headers

/// The two headers of a part that matter, read like PHP's `multipart_buffer_headers`
/// (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c).
///
/// Lines end with LF or CRLF, and one that begins with a NUL is empty. One that begins with white space or has no colon
/// continues the one before. Names are in any case; of two headers with one name the first counts.
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
