import CSystem

/// The line between two parts of a multipart body: `[CR] LF "--" boundary`, then `"--"` or `[padding] [CR] LF`.
///
/// As in PHP's `multipart_buffer_read` (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c) the LF before it is
/// what counts, and a CR before that belongs to it too. The padding is `transport-padding` of
/// https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1. A line that only begins like a delimiter is content.
struct Delimiter: Sendable {
    /// Spaces and tabs after the boundary, at most. A longer line is content. Without a bound on it, no buffer would be
    /// certain to hold a whole delimiter.
    static let maximumPadding = 128

    /// What `search` found. All offsets count from the start of the bytes that were searched.
    enum Match: Equatable {
        /// A delimiter. The content before it ends at `contentEnd`, what follows it starts at `end`.
        case found(contentEnd: Int, end: Int, isClosing: Bool)

        /// None yet. The bytes before `certain` are content, whatever follows; the others may begin a delimiter.
        case none(certain: Int)
    }

    /// What `readAtStart` found.
    enum Ending: Equatable {
        case delimiter(end: Int, isClosing: Bool)
        case incomplete
        case other
    }

    private let needle: [UInt8]

    init(boundary: [UInt8]) {
        needle = [.lineFeed, .dash, .dash] + boundary
    }

    /// The first delimiter in `bytes`, which are the content of a part or what remains of it.
    func search(_ bytes: UnsafeRawBufferPointer) -> Match {
        var from = 0
        while let lineFeed = occurrence(in: bytes, from: from) {
            switch ending(of: bytes, at: lineFeed + needle.count) {
            case .delimiter(let end, let isClosing):
                return .found(contentEnd: contentEnd(in: bytes, at: lineFeed), end: end, isClosing: isClosing)
            case .incomplete:
                return .none(certain: contentEnd(in: bytes, at: lineFeed))
            case .other:
                from = lineFeed + 1
            }
        }
        return .none(certain: contentEnd(in: bytes, at: possibleStart(in: bytes)))
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
