/// An id of 32 bytes as a value without a heap object: what a program may make of its ids when it reads them.
struct InlineKey: Hashable, Sendable {
    private let first, second, third, fourth: UInt64

    /// - Parameter id: 32 bytes.
    init(_ id: String) {
        let words = Array(id.utf8).withUnsafeBytes { bytes in
            stride(from: 0, to: 32, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
        }
        (first, second, third, fourth) = (words[0], words[1], words[2], words[3])
    }
}
