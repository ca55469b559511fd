/// The last bytes that a tool wrote, as text that is safe to show.
package struct OutputTail {
    /// Bytes that are kept.
    package static let limit = 4096

    private var bytes: [UInt8] = []
    private var isCut = false

    package init() {}

    /// Adds bytes; forgets the oldest if they are too many.
    package mutating func append(_ more: UnsafeRawBufferPointer) {
        bytes += more.suffix(Self.limit)
        if bytes.count > Self.limit {
            bytes.removeFirst(bytes.count - Self.limit)
            isCut = true
        }
    }

    /// What is kept, without a first line that is not whole, in lines separated by `\n`, each of them printable.
    package var text: String {
        let whole = isCut ? bytes.drop { $0 != UInt8(ascii: "\n") } : bytes[...]
        let text = String(decoding: whole, as: UTF8.self).printable(as: "?", keeping: "\n")
        // A replaced byte has become longer.
        let lines = text.split(separator: "\n")
        var kept: [Substring] = []
        var length = 0
        for line in lines.reversed() {
            length += line.utf8.count + 1
            if length > Self.limit + 1 { break }
            kept.append(line)
        }
        return kept.reversed().joined(separator: "\n")
    }
}
