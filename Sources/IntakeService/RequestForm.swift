import CPlatform
import ChunkStore
import FormData
import Glibc

/// What a request says: its parameters and its file, wherever the body came from.
struct RequestForm {
    /// Query and body together; the body wins.
    let parameters: Form
    /// The file part, or the whole body where it is not a form. (WebUploader's `sendAsBinary`)
    let file: SentFile?
}

/// A file that a client sends.
struct SentFile {
    /// The form field it came in, `nil` if it is the whole body.
    let field: String?
    /// As the client calls it; without a path.
    let name: String
    /// The media type, as the client says.
    let type: String
    let bytes: FileRange
    /// The checksum of `bytes`.
    let crc32c: UInt32
}

/// Reads the parameters and the body of requests.
///
/// A body comes in one of two ways, with the same result: as a file that nginx wrote (`REQUEST_BODY_FILE`, "hand-off"),
/// or over FastCGI, which any web server can do. In both the file part stays in a file, and only the form's text is
/// kept in memory.
struct FormReader: Sendable {
    let store: any ChunkStore
    let settings: IntakeSettings

    func read(_ exchange: any Exchange) throws(Failure) -> RequestForm {
        do {
            let query = try URLEncoded.parse(exchange.parameter("QUERY_STRING") ?? "")
            let format = try BodyFormat(contentType: exchange.parameter("CONTENT_TYPE") ?? "")
            if let path = exchange.parameter("REQUEST_BODY_FILE"), !path.isEmpty {
                return try readHandedOff(path, format, query, exchange)
            }
            return try readStream(format, query, exchange)
        } catch let error as Failure {
            throw error
        } catch let error as FormError {
            throw Failure(error)
        } catch let error as StoreError {
            throw Failure(error)
        } catch {
            throw .notStored(cause: "body: \(error)")
        }
    }
}

// MARK: - Hand-off

extension FormReader {
    private func readHandedOff(
        _ path: String, _ format: BodyFormat, _ query: Form, _ exchange: any Exchange
    ) throws -> RequestForm {
        let file = try openBody(path)
        let status = try file.descriptor.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure.notStored(cause: "body file \(path) is not a regular file")
        }
        let length = Int(status.st_size)
        guard length <= settings.bodyLimit else { throw Failure.bodyTooLarge(limit: settings.bodyLimit) }
        guard length >= exchange.contentLength ?? 0 else { throw FormError.truncated }

        var position = 0
        let source = Source(stated: length) { buffer in
            let count = try file.read(into: buffer, at: position)
            position += count
            return count
        }
        var checksum = CRC32C()
        switch format {
        case .multipart(let boundary):
            let form = try parse(source, boundary) { checksum.update($0) }
            return Self.merge(query, form) {
                (FileRange(file, offset: $0.lowerBound, length: $0.count), checksum.value)
            }
        case .urlEncoded:
            return try readURLEncoded(source, query)
        case .other:
            try forEachWindow(of: source) { window, _ in
                checksum.update(window)
                return window.count
            }
            return Self.raw(query, FileRange(file, offset: 0, length: length), checksum.value, exchange)
        }
    }

    /// Opens a body file, which must lie below the configured directory.
    private func openBody(_ path: String) throws(Failure) -> StoredFile {
        guard let directory = settings.bodyDirectory, path.hasPrefix(directory + "/") else {
            throw .notStored(
                cause: "body file \(path) is not below the body directory (\(settings.bodyDirectory ?? "not set"))")
        }
        do throws(StoreError) {
            let parent = try Descriptor(directory: directory)
            let name = String(path.dropFirst(directory.count + 1))
            return StoredFile(try Descriptor(beneath: parent, name, O_RDONLY | O_NONBLOCK))
        } catch {
            throw .notStored(cause: "body file \(path): \(error)")
        }
    }
}

// MARK: - FastCGI stream

extension FormReader {
    private func readStream(
        _ format: BodyFormat, _ query: Form, _ exchange: any Exchange
    ) throws -> RequestForm {
        guard exchange.contentLength ?? 0 <= settings.bodyLimit else {
            throw Failure.bodyTooLarge(limit: settings.bodyLimit)
        }
        let source = Source(stated: exchange.contentLength, read: exchange.read)
        if format == .urlEncoded { return try readURLEncoded(source, query) }
        let spool = Spool(store)
        if case .multipart(let boundary) = format {
            let form = try parse(source, boundary, file: spool.append)
            let content = try spool.content()
            return Self.merge(query, form) { _ in (content, spool.checksum.value) }
        }
        try forEachWindow(of: source) { window, _ in
            try spool.append(window)
            return window.count
        }
        return Self.raw(query, try spool.content(), spool.checksum.value, exchange)
    }

    /// What a stream brings of a file, in an anonymous file of the store.
    private final class Spool {
        private let store: any ChunkStore
        private var file: StoredFile?
        private var length = 0
        private(set) var checksum = CRC32C()

        init(_ store: any ChunkStore) {
            self.store = store
        }

        func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
            let file = try opened()
            try file.write(bytes, at: length)
            checksum.update(bytes)
            length += bytes.count
        }

        func content() throws(StoreError) -> FileRange {
            FileRange(try opened(), offset: 0, length: length)
        }

        private func opened() throws(StoreError) -> StoredFile {
            if let file { return file }
            let new = try store.makeSpool()
            file = new
            return new
        }
    }
}

// MARK: - Parsing

extension FormReader {
    /// A body that is read piece by piece.
    private struct Source {
        /// How many bytes there must be at least.
        let stated: Int?
        /// Reads some of the next bytes; 0 at the end.
        let read: (UnsafeMutableRawBufferPointer) throws -> Int
    }

    private static let windowSize = 64 * 1024

    private func parse(
        _ source: Source, _ boundary: [UInt8], file: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Form {
        var parser = try MultipartParser(boundary: boundary)
        try forEachWindow(of: source) { window, isLast in
            try parser.parse(window, isLast: isLast, file: file)
        }
        return try parser.finish()
    }

    private func readURLEncoded(_ source: Source, _ query: Form) throws -> RequestForm {
        var body: [UInt8] = []
        try forEachWindow(of: source) { window, _ in
            body.append(contentsOf: window)
            return window.count
        }
        let form = try body.withUnsafeBytes { bytes throws(FormError) in try URLEncoded.parse(bytes) }
        return RequestForm(parameters: Self.merged(query, form), file: nil)
    }

    /// Passes the body as windows on what is not consumed yet.
    private func forEachWindow(
        of source: Source, _ consume: (UnsafeRawBufferPointer, Bool) throws -> Int
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.windowSize, alignment: 64)
        defer { buffer.deallocate() }
        var filled = 0
        var total = 0
        while true {
            let count = try source.read(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            total += count
            guard total <= settings.bodyLimit else { throw Failure.bodyTooLarge(limit: settings.bodyLimit) }
            if count == 0, let stated = source.stated, total < stated { throw FormError.truncated }
            filled += count
            let consumed = try consume(UnsafeRawBufferPointer(rebasing: buffer[..<filled]), count == 0)
            if count == 0 { return }
            filled -= consumed
            memmove(buffer.baseAddress!, buffer.baseAddress! + consumed, filled)
        }
    }
}

// MARK: - Result

extension FormReader {
    private static func merged(_ query: Form, _ body: Form) -> Form {
        var parameters = query
        parameters.merge(body: body)
        return parameters
    }

    private static func merge(
        _ query: Form, _ body: Form, _ content: (Range<Int>) -> (bytes: FileRange, crc32c: UInt32)
    ) -> RequestForm {
        let file = body.file.map {
            let content = content($0.content)
            return SentFile(
                field: $0.fieldName, name: $0.fileName, type: $0.contentType, bytes: content.bytes,
                crc32c: content.crc32c)
        }
        return RequestForm(parameters: merged(query, body), file: file)
    }

    private static func raw(
        _ query: Form, _ body: FileRange, _ crc32c: UInt32, _ exchange: any Exchange
    ) -> RequestForm {
        let file: SentFile? =
            body.length == 0
            ? nil
            : SentFile(
                field: nil, name: query["name"] ?? "",
                type: query["type"] ?? exchange.parameter("CONTENT_TYPE") ?? "", bytes: body, crc32c: crc32c)
        return RequestForm(parameters: query, file: file)
    }
}
