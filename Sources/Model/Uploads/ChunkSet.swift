/// The numbers of the chunks that are here: a set of small integers with its contiguous prefix at hand.
package struct ChunkSet: Equatable, Sendable {
    /// The number of chunks of the file.
    package let chunks: Int
    /// How many of them are in the set.
    package private(set) var count = 0
    /// How many chunks from the first on are in the set without a gap.
    package private(set) var prefix = 0
    private var words: [UInt64]

    package init(chunks: Int) {
        self.chunks = chunks
        words = Array(repeating: 0, count: (chunks + 63) / 64)
    }

    /// How many chunks are not in the set.
    package var missing: Int { chunks - count }

    package func contains(_ chunk: Int) -> Bool {
        chunk >= 0 && chunk < chunks && words[chunk / 64] & (1 << UInt64(chunk % 64)) != 0
    }

    /// Adds a chunk. Returns whether it was new. A number that is no chunk of the file is ignored.
    @discardableResult
    package mutating func insert(_ chunk: Int) -> Bool {
        guard chunk >= 0, chunk < chunks, !contains(chunk) else { return false }
        words[chunk / 64] |= 1 << UInt64(chunk % 64)
        count += 1
        while contains(prefix) { prefix += 1 }
        return true
    }

    package mutating func remove(_ chunk: Int) {
        guard contains(chunk) else { return }
        words[chunk / 64] &= ~(1 << UInt64(chunk % 64))
        count -= 1
        prefix = min(prefix, chunk)
    }

    /// The numbers as ranges, like `0-11,14`; `""` for the empty set.
    package var ranges: String {
        var parts: [String] = []
        var next = 0
        while next < chunks {
            guard contains(next) else {
                next += 1
                continue
            }
            let first = next
            while contains(next) { next += 1 }
            parts.append(first == next - 1 ? "\(first)" : "\(first)-\(next - 1)")
        }
        return parts.joined(separator: ",")
    }
}
