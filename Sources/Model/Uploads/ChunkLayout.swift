/// Where the bytes of each chunk belong in the file.
///
/// The chunk size is never sent. A chunk that is not the last has it as its length; the last tells it where the size is
/// known. It is part of what an upload is: chunks of another length belong to another upload of the same file.
///
///     |<- chunkSize ->|<- chunkSize ->|<- last ->|
///     0               chunkSize       2 × chunkSize
package struct ChunkLayout: Hashable, Sendable {
    /// A chunk that is none of its file: its length cannot be right for its number, the size and the number of chunks.
    package struct Contradiction: Error, Equatable {
        package init() {}
    }

    /// The number of chunks, at least 1.
    package let chunks: Int
    /// The length in bytes of every chunk but the last.
    package let chunkSize: Int
    /// The whole file's size in bytes; `nil` where the page does not send it and only the last chunk will tell.
    package let size: Int?

    /// The chunk size that a chunk tells.
    ///
    /// - Parameters:
    ///   - chunk: its number, from 0.
    ///   - length: its bytes.
    ///   - chunks: at least 1.
    ///   - size: the whole file's bytes, `nil` where the page does not send them.
    ///   - sizeLimit: the most bytes that a file may have.
    /// - Returns: bytes; `nil` for the last of several chunks of a file of unknown size, which does not tell it.
    /// - Throws: `Contradiction` if there is no layout with this chunk.
    package static func chunkSize(
        ofChunk chunk: Int, length: Int, chunks: Int, size: Int?, sizeLimit: Int
    ) throws(Contradiction) -> Int? {
        guard chunk >= 0, chunk < chunks, length > 0, length <= sizeLimit, size.map({ $0 <= sizeLimit }) ?? true else {
            throw Contradiction()
        }
        if chunks == 1 {
            guard size == nil || size == length else { throw Contradiction() }
            return length
        }
        if chunk < chunks - 1 {
            let (before, overflow) = length.multipliedReportingOverflow(by: chunks - 1)
            guard !overflow, before < size ?? sizeLimit else { throw Contradiction() }
            // chunks == ceil(size / length), without a product that could overflow.
            if let size, size - before > length { throw Contradiction() }
            return length
        }
        guard let size else { return nil }
        let rest = size - length
        guard rest > 0, rest % (chunks - 1) == 0, rest / (chunks - 1) >= length else { throw Contradiction() }
        return rest / (chunks - 1)
    }

    /// The bytes of a chunk with this length.
    ///
    /// - Throws: `Contradiction` if it does not fit.
    package func range(ofChunk chunk: Int, length: Int, sizeLimit: Int = .max) throws(Contradiction) -> Range<Int> {
        let told = try Self.chunkSize(ofChunk: chunk, length: length, chunks: chunks, size: size, sizeLimit: sizeLimit)
        let offset = chunk * chunkSize
        guard told ?? chunkSize == chunkSize, length <= chunkSize, sizeLimit - offset >= length else {
            throw Contradiction()
        }
        return offset..<offset + length
    }

    /// Where the first `count` chunks end, all of which are there.
    ///
    /// - Parameter lastLength: the last chunk's bytes, which tell it where the size is not known.
    package func end(ofFirst count: Int, lastLength: Int?) -> Int {
        guard count == chunks else { return count * chunkSize }
        return size ?? (chunks - 1) * chunkSize + (lastLength ?? 0)
    }
}
