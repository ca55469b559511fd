import ChunkStore
import FormData
import Glibc
import System

/// What a request says: its parameters and its file, wherever the body came from.
struct RequestForm {
    /// Query and body together; the body wins.
    fileprivate var parameters: Form
    /// The file part, or the whole body where it is not a form. (WebUploader's `sendAsBinary`)
    fileprivate(set) var file: SentFile?
    /// The file's bytes; apart from what is said of it, because they are let go as soon as they are stored.
    fileprivate(set) var content: Content?

    /// Bytes of a parameter's value, but for `file_name`, which is shortened.
    static let textLimit = 255

    /// The value of a parameter; `nil` if there is none, or an array.
    ///
    /// Only what is asked for has to be text. `lastModifiedDate`, which nothing reads, comes in any encoding.
    /// - Throws: `malformed` if it is no text, or has more than `limit` bytes.
    func text(_ name: String, limit: Int = textLimit) throws(Failure) -> String? {
        if parameters.isNotText(name) { throw .malformed(name, .text) }
        guard let value = parameters[name] else { return nil }
        guard value.utf8.count <= limit else { throw .malformed(name, .atMost(bytes: limit)) }
        return value
    }

    /// The same, and `nil` also for what PHP's `empty()` is true of.
    func nonEmpty(_ name: String, limit: Int = textLimit) throws(Failure) -> String? {
        try text(name, limit: limit).flatMap { $0.isEmpty || $0 == "0" ? nil : $0 }
    }

    /// `file_name` without a path and no longer than a name may be; `nil` if nothing is left of it.
    func videoName() throws(Failure) -> String? {
        let name = try nonEmpty("file_name", limit: FormLimits.standard.textBytes).map(FileName.bounded)
        return name == "" ? nil : name
    }

    /// The parameter `md5` in lower case, without which there is nothing to look for.
    func md5() throws(Failure) -> String {
        guard let text = try nonEmpty("md5") else { throw .missingMD5 }
        return try Self.checkedMD5(text)
    }

    static func checkedMD5(_ text: String) throws(Failure) -> String {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0.hexDigit != nil }) else { throw .malformed("md5", .md5) }
        return text.lowercased()
    }

    /// A parameter that must be a number in `range`, of decimal digits only; `nil` if it is absent or `""`.
    func number(
        _ name: String, in range: ClosedRange<Int>, _ rule: (ClosedRange<Int>) -> FieldRule = FieldRule.number
    ) throws(Failure) -> Int? {
        guard let text = try text(name), !text.isEmpty else { return nil }
        guard let value = decimalNumber(text), range.contains(value) else { throw .malformed(name, rule(range)) }
        return value
    }

    /// The parameter `class_id`, `nil` if it is no number.
    func classID() throws(Failure) -> Int64? { try text("class_id").flatMap { Int64($0) } }
}

/// A number of decimal digits only: no sign, no space.
func decimalNumber(_ text: String) -> Int? {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    return Int(text)
}

/// What is said of a file that a client sends.
struct SentFile {
    /// The form field it came in, `nil` if it is the whole body.
    let field: String?
    /// As the client calls it; without a path.
    let name: String
    /// The media type, as the client says.
    let type: String
    /// Bytes.
    let length: Int
    let crc32c: UInt32
}

/// Reads the parameters and the body of requests.
///
/// A body comes in one of two ways, with the same result: as a file that nginx wrote (`REQUEST_BODY_FILE`, "hand-off"),
/// where the bytes of the file part stay, because copying them from there piece by piece is faster than from a block of
/// memory that is larger than the processor's cache; or over FastCGI, which any web server can do, and then in memory,
/// or in an anonymous file if it is too large for that.
struct FormReader: Sendable {
    let settings: IntakeSettings
    let memory: MemoryPool
    let metrics: Metrics
    /// Closes an idle file, for want of descriptors. Returns `false` if there is none.
    let closeIdleFile: @Sendable () -> Bool

    /// Bytes of text that a request may have: all fields, and one of them as it was sent.
    static let textLimit = (FormLimits.standard.parts + 1) * FormLimits.standard.textBytes

    func read(_ exchange: any Exchange) throws(Failure) -> RequestForm {
        do {
            let query = try (exchange.parameterBytes("QUERY_STRING") ?? []).withUnsafeBytes { bytes throws(FormError) in
                try URLEncoded.parse(bytes)
            }
            let format = try BodyFormat(contentType: exchange.parameter("CONTENT_TYPE") ?? "")
            if let path = exchange.parameter("REQUEST_BODY_FILE"), !path.isEmpty {
                return try readHandedOff(path, format, query, exchange)
            }
            return try readStream(format, query, exchange)
        } catch let error as Failure {
            throw error
        } catch let error as FormError {
            throw Failure(error)
        } catch let error as SystemError {
            throw Failure(error)
        } catch {
            throw .notStored(cause: "body: \(error)")
        }
    }

    // MARK: - Hand-off

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
        return try read(source, format, query, exchange, file: { _ in }) { .file(file, $0) }
    }

    /// Opens a body file, which must lie below the configured directory.
    private func openBody(_ path: String) throws(Failure) -> StoredFile {
        guard let directory = settings.bodyDirectory, path.hasPrefix(directory + "/") else {
            throw .notStored(
                cause: "body file \(path) is not below the body directory (\(settings.bodyDirectory ?? "not set"))")
        }
        while true {
            do throws(SystemError) {
                let parent = try Descriptor(directory: directory)
                let name = String(path.dropFirst(directory.count + 1))
                return StoredFile(try Descriptor(beneath: parent, name, O_RDONLY | O_NONBLOCK))
            } catch  where error.isLackOfDescriptors && closeIdleFile() {
            } catch {
                throw .notStored(cause: "body file \(path): \(error)")
            }
        }
    }

    // MARK: - FastCGI stream

    private func readStream(_ format: BodyFormat, _ query: Form, _ exchange: any Exchange) throws -> RequestForm {
        guard exchange.contentLength ?? 0 <= settings.bodyLimit else {
            throw Failure.bodyTooLarge(limit: settings.bodyLimit)
        }
        let source = Source(stated: exchange.contentLength, read: exchange.read)
        if let stated = exchange.contentLength, stated <= settings.memoryBodyLimit {
            let block = memory.take()
            return try read(source, format, query, exchange, into: block.bytes, file: { _ in }) { .memory(block, $0) }
        }
        let spool = Spool(settings.spoolDirectory)
        return try read(source, format, query, exchange, file: spool.append) { _ in try spool.content() }
    }

    /// What a stream brings of a file, in a file without a name.
    private final class Spool {
        private let directory: String
        private var file: StoredFile?
        private var length = 0

        init(_ directory: String) { self.directory = directory }

        func append(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
            let file = try opened()
            try file.write(bytes, at: length)
            length += bytes.count
        }

        func content() throws(SystemError) -> Content { .file(try opened(), 0..<length) }

        private func opened() throws(SystemError) -> StoredFile {
            if let file { return file }
            let new = try StoredFile(unnamedIn: try Descriptor(directory: directory))
            file = new
            return new
        }
    }

    // MARK: - Parsing

    /// A body that is read piece by piece.
    private struct Source {
        /// How many bytes there must be at least.
        let stated: Int?
        /// Reads some of the next bytes; 0 at the end.
        let read: (UnsafeMutableRawBufferPointer) throws -> Int
    }

    /// Bytes that are looked at while they are in the processor's cache.
    private static let windowSize = 64 * 1024

    /// Reads a body to its end.
    ///
    /// - Parameters:
    ///   - block: where all of it goes; `nil` if no more than a window of it is kept.
    ///   - file: is passed the file's bytes, in order.
    ///   - content: the file's bytes, when all have been passed; its parameter is where they are in the body.
    private func read(
        _ source: Source, _ format: BodyFormat, _ query: Form, _ exchange: any Exchange,
        into block: UnsafeMutableRawBufferPointer? = nil, file: (UnsafeRawBufferPointer) throws -> Void,
        content: (Range<Int>) throws -> Content
    ) throws -> RequestForm {
        var checksum = CRC32C()
        func take(_ bytes: UnsafeRawBufferPointer) throws {
            checksum.update(bytes)
            try file(bytes)
        }
        var parameters = query
        switch format {
        case .multipart(let boundary):
            var parser = try MultipartParser(boundary: boundary)
            try forEachWindow(of: source, in: block) { window, isLast in
                try parser.parse(window, isLast: isLast, file: take)
            }
            let form = try parser.finish()
            parameters.merge(body: form)
            guard let part = form.file else { break }
            let file = SentFile(
                field: part.fieldName, name: FileName.bounded(part.fileName), type: part.contentType,
                length: part.content.count, crc32c: checksum.value)
            return RequestForm(parameters: parameters, file: file, content: try content(part.content))
        case .urlEncoded:
            var body: [UInt8] = []
            try forEachWindow(of: source, in: block) { window, _ in
                body.append(contentsOf: window)
                return window.count
            }
            parameters.merge(body: try body.withUnsafeBytes { bytes throws(FormError) in try URLEncoded.parse(bytes) })
        case .other:
            var length = 0
            try forEachWindow(of: source, in: block) { window, _ in
                try take(window)
                length += window.count
                return window.count
            }
            guard length > 0 else { break }
            let form = RequestForm(parameters: query)
            let name = try form.text("name", limit: FormLimits.standard.textBytes) ?? ""
            let file = SentFile(
                field: nil, name: FileName.bounded(name),
                type: try form.text("type") ?? exchange.parameter("CONTENT_TYPE") ?? "", length: length,
                crc32c: checksum.value)
            return RequestForm(parameters: query, file: file, content: try content(0..<length))
        }
        return RequestForm(parameters: parameters)
    }

    /// Passes the body as windows on what is not consumed yet.
    ///
    /// - Parameter block: keeps the body; `nil` to keep only what is not consumed.
    private func forEachWindow(
        of source: Source, in block: UnsafeMutableRawBufferPointer?,
        _ consume: (UnsafeRawBufferPointer, Bool) throws -> Int
    ) throws {
        let buffer = block ?? .allocate(byteCount: Self.windowSize, alignment: 64)
        defer { if block == nil { buffer.deallocate() } }
        var window = 0..<0
        var total = 0
        while true {
            let count = try source.read(.init(rebasing: buffer[window.upperBound...].prefix(Self.windowSize)))
            total += count
            metrics.receivedBodyBytes.add(count, ordering: .relaxed)
            guard total <= settings.bodyLimit else { throw Failure.bodyTooLarge(limit: settings.bodyLimit) }
            if count == 0, let stated = source.stated, total < stated { throw FormError.truncated }
            window = window.lowerBound..<window.upperBound + count
            let consumed = try consume(UnsafeRawBufferPointer(rebasing: buffer[window]), count == 0)
            if count == 0 { return }
            window = window.lowerBound + consumed..<window.upperBound
            if block != nil {
                // Longer than stated.
                guard window.upperBound < buffer.count else { throw Failure.bodyTooLarge(limit: buffer.count - 1) }
            } else {
                memmove(buffer.baseAddress!, buffer.baseAddress! + window.lowerBound, window.count)
                window = 0..<window.count
            }
        }
    }
}

/// The name of a file as a client sends it.
enum FileName {
    static let scalarLimit = 255
    static let byteLimit = 1000
    /// Of an extension with its dot; a longer one is no extension.
    private static let extensionLimit = 16

    /// The name behind the last `/` or `\`, shortened to 255 Unicode scalars and 1,000 bytes before its extension.
    ///
    /// 255 is what file systems take, in bytes most of them; a scalar has four at most.
    static func bounded(_ text: String) -> String {
        let name = text.unicodeScalars.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last!
        guard name.count > scalarLimit || String(name).utf8.count > byteLimit else { return String(name) }
        let end = name.lastIndex(of: ".").map { name[$0...] }
        let kept = end.flatMap { $0.count <= extensionLimit ? $0 : nil } ?? name[name.endIndex...]
        var (scalars, bytes) = (scalarLimit - kept.count, byteLimit - String(kept).utf8.count)
        let stem = name.prefix { scalar in
            scalars -= 1
            bytes -= UTF8.width(scalar)
            return scalars >= 0 && bytes >= 0
        }
        return String(stem) + String(kept)
    }
}
