/// Where the bytes of each chunk belong in the file.
///
/// The chunk size is never sent. A chunk that is not the last has it as its length and lies at `chunk × length`; the
/// last lies at `size − length`. Every chunk of a file of known size therefore tells the whole layout.
///
///     |<- chunkSize ->|<- chunkSize ->|<- lastLength ->|
///     0               chunkSize       2 × chunkSize    size
package struct ChunkLayout: Equatable, Sendable {
    /// Where one chunk's bytes go.
    package enum Placement: Equatable, Sendable {
        /// At this offset in bytes.
        case offset(Int)
        /// The last chunk of a file of unknown size came before any other: its offset is known once another comes.
        case parked
    }

    /// A chunk that does not fit what is known of its file. The raw value is the parameter that is wrong.
    package enum Contradiction: String, Error, Equatable {
        case chunk
        case size
        case length
    }

    /// The number of chunks, at least 1.
    package let chunks: Int
    /// The largest size in bytes that a file may have.
    package let sizeLimit: Int
    /// The length in bytes of every chunk but the last, once known.
    package private(set) var chunkSize: Int?
    /// The whole file's size in bytes, once known.
    package private(set) var size: Int?
    /// The length in bytes of the last chunk, once known.
    package private(set) var lastLength: Int?

    /// - Parameters:
    ///   - chunks: at least 1.
    ///   - size: the whole file's bytes, `nil` where the page does not send them.
    ///   - chunkSize: what an earlier request of the same upload told.
    ///   - lastLength: the length of the last chunk where it was parked by an earlier request.
    package init(chunks: Int, size: Int?, chunkSize: Int? = nil, lastLength: Int? = nil, sizeLimit: Int) {
        precondition(chunks >= 1)
        self.chunks = chunks
        self.sizeLimit = sizeLimit
        self.chunkSize = chunkSize
        self.lastLength = lastLength
        self.size = size
        settle()
    }

    /// Takes in what a chunk of `length` bytes tells about the file and returns where the chunk belongs.
    ///
    /// - Throws: `Contradiction` if the chunk does not fit; the layout is then as it was.
    package mutating func place(chunk: Int, length: Int) throws(Contradiction) -> Placement {
        guard chunk >= 0, chunk < chunks else { throw .chunk }
        guard length > 0 else { throw .length }
        var next = self
        if chunk == chunks - 1 {
            try next.learnLast(length)
        } else {
            try next.learn(chunkSize: length)
        }
        next.settle()
        if let size = next.size {
            guard size <= sizeLimit else { throw .size }
        }
        self = next
        if chunk < chunks - 1 { return .offset(chunk * length) }
        return size.map { .offset($0 - length) } ?? .parked
    }

    /// The bytes of `chunk`, once they are known.
    package func range(of chunk: Int) -> Range<Int>? {
        guard let chunkSize, chunk >= 0, chunk < chunks else { return nil }
        if chunk < chunks - 1 { return chunk * chunkSize..<(chunk + 1) * chunkSize }
        return size.map { chunk * chunkSize..<$0 }
    }

    private mutating func learn(chunkSize length: Int) throws(Contradiction) {
        if let chunkSize, chunkSize != length { throw .length }
        if let lastLength, lastLength > length { throw .length }
        let (before, overflow) = length.multipliedReportingOverflow(by: chunks - 1)
        guard !overflow, before < sizeLimit else { throw .length }
        if let size {
            // chunks == ceil(size / length), without a product that could overflow.
            guard before < size, size - before <= length else { throw .length }
        }
        chunkSize = length
    }

    private mutating func learnLast(_ length: Int) throws(Contradiction) {
        if let lastLength, lastLength != length { throw .length }
        if let chunkSize, length > chunkSize { throw .length }
        guard length <= sizeLimit else { throw .length }
        if let size {
            if chunks == 1 {
                guard size == length else { throw .length }
            } else {
                let (rest, overflow) = size.subtractingReportingOverflow(length)
                guard !overflow, rest > 0, rest % (chunks - 1) == 0, rest / (chunks - 1) >= length else {
                    throw .length
                }
                guard chunkSize == nil || chunkSize == rest / (chunks - 1) else { throw .length }
            }
        }
        lastLength = length
    }

    /// Derives what follows from what is known.
    private mutating func settle() {
        if chunks == 1 {
            if let known = size ?? lastLength ?? chunkSize {
                (size, lastLength, chunkSize) = (known, known, known)
            }
        } else if let chunkSize {
            if let size {
                lastLength = size - (chunks - 1) * chunkSize
            } else if let lastLength {
                size = (chunks - 1) * chunkSize + lastLength
            }
        } else if let size, let lastLength {
            chunkSize = (size - lastLength) / (chunks - 1)
        }
    }
}
