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

    /// A parser for a body with this boundary, the value that `boundary(inContentType:)` returns.
    ///
    /// Throws `boundaryTooLong`.
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
            try passDelimiter(isClosing: isClosing)
            return .done(end)
        case .incomplete:
            return .starved(0)
        case .other:
            state = .preamble
            return .done(0)
        }
    }

    private mutating func readPreamble(_ bytes: UnsafeRawBufferPointer) throws(FormError) -> Step {
        switch delimiter.search(bytes) {
        case .found(_, let end, let isClosing):
            try passDelimiter(isClosing: isClosing)
            return .done(end)
        case .none(let certain):
            return .starved(certain)
        }
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
        let match = delimiter.search(bytes)
        let length =
            switch match {
            case .found(let contentEnd, _, _): contentEnd
            case .none(let certain): certain
            }
        let piece = UnsafeRawBufferPointer(rebasing: bytes[..<length])
        switch content {
        case .ignored: break
        case .text(let name): try append(piece, to: name)
        case .file: if !piece.isEmpty { try file(piece) }
        }
        guard case .found(_, let end, let isClosing) = match else { return .starved(length) }
        endPart(content, at: position + length)
        try passDelimiter(isClosing: isClosing)
        return .done(end)
    }

    private mutating func passDelimiter(isClosing: Bool) throws(FormError) {
        if isClosing {
            state = .finished
            return
        }
        parts += 1
        if parts > limits.parts { throw .tooManyParts(limit: limits.parts) }
        state = .headers
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

    private mutating func append(_ piece: UnsafeRawBufferPointer, to name: ParameterName) throws(FormError) {
        if piece.count > limits.textBytes - text.count { throw .textTooLong(field: name.text, limit: limits.textBytes) }
        text.append(contentsOf: piece)
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
