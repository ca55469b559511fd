import Testing
@testable import Model

private let mebibyte = 1024 * 1024
private let chunkSize = 2 * mebibyte
private let limit = 2048 * mebibyte

@Suite struct ChunkLayoutTests {
    @Test(
        "every chunk of a file of known size tells the chunk size and its own place, whichever comes first",
        arguments: [1, 2, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 64 * mebibyte + 123, limit])
    func everyChunkTells(size: Int) throws {
        let chunks = (size + chunkSize - 1) / chunkSize
        let expected = chunks > 1 ? chunkSize : size
        let layout = ChunkLayout(chunks: chunks, chunkSize: expected, size: size)
        for chunk in Set([0, 1, chunks / 2, chunks - 2, chunks - 1]) where (0..<chunks).contains(chunk) {
            let length = chunk == chunks - 1 ? size - chunk * chunkSize : chunkSize
            let told = try ChunkLayout.chunkSize(
                ofChunk: chunk, length: length, chunks: chunks, size: size, sizeLimit: limit)
            #expect(told == expected)
            #expect(
                try layout.range(ofChunk: chunk, length: length) == chunk * chunkSize..<chunk * chunkSize + length)
        }
        #expect(layout.end(ofFirst: chunks, lastLength: nil) == size)
        #expect(layout.end(ofFirst: chunks - 1, lastLength: nil) == (chunks - 1) * expected)
    }

    struct Wrong: Sendable {
        let size: Int?
        let chunks: Int
        let chunk: Int
        let length: Int
    }

    @Test(
        "a chunk whose length cannot be right tells no layout",
        arguments: [
            // Outside the file.
            Wrong(size: 100, chunks: 2, chunk: 2, length: 50),
            Wrong(size: 100, chunks: 2, chunk: -1, length: 50),
            // Empty, wherever it is.
            Wrong(size: 100, chunks: 2, chunk: 0, length: 0),
            Wrong(size: 100, chunks: 3, chunk: 1, length: 0),
            Wrong(size: nil, chunks: 3, chunk: 2, length: 0),
            // The only chunk is the file.
            Wrong(size: 100, chunks: 1, chunk: 0, length: 99),
            Wrong(size: 100, chunks: 1, chunk: 0, length: 101),
            // ceil(100 / length) must be 3: 34 … 49.
            Wrong(size: 100, chunks: 3, chunk: 0, length: 33),
            Wrong(size: 100, chunks: 3, chunk: 1, length: 50),
            // The rest must be whole chunks that are not shorter than the last.
            Wrong(size: 100, chunks: 3, chunk: 2, length: 21),
            Wrong(size: 100, chunks: 3, chunk: 2, length: 34),
            Wrong(size: 100, chunks: 3, chunk: 2, length: 100),
            // Over the limit of 1000 bytes, whatever the arithmetic.
            Wrong(size: nil, chunks: 3, chunk: 0, length: 500),
            Wrong(size: nil, chunks: 3, chunk: 0, length: .max),
            Wrong(size: nil, chunks: 3, chunk: 2, length: 1001),
            Wrong(size: nil, chunks: 1, chunk: 0, length: 1001),
            Wrong(size: 1001, chunks: 2, chunk: 0, length: 600),
        ])
    func contradiction(_ wrong: Wrong) {
        #expect(throws: ChunkLayout.Contradiction()) {
            try ChunkLayout.chunkSize(
                ofChunk: wrong.chunk, length: wrong.length, chunks: wrong.chunks, size: wrong.size, sizeLimit: 1000)
        }
    }

    @Test("the last chunk of a file of unknown size does not tell the chunk size, any other one does")
    func unknownSize() throws {
        func told(_ chunk: Int, _ length: Int, of chunks: Int) throws -> Int? {
            try ChunkLayout.chunkSize(ofChunk: chunk, length: length, chunks: chunks, size: nil, sizeLimit: 1000)
        }
        #expect(try told(2, 20, of: 3) == nil)
        #expect(try told(1, 40, of: 3) == 40)
        #expect(try told(0, 7, of: 1) == 7)
        let layout = ChunkLayout(chunks: 3, chunkSize: 40, size: nil)
        #expect(try layout.range(ofChunk: 2, length: 20) == 80..<100)
        #expect(layout.end(ofFirst: 3, lastLength: 20) == 100)
        #expect(layout.end(ofFirst: 2, lastLength: 20) == 80)
        // Longer than the others, and over the limit.
        #expect(throws: ChunkLayout.Contradiction()) { try layout.range(ofChunk: 2, length: 41) }
        #expect(throws: ChunkLayout.Contradiction()) { try layout.range(ofChunk: 2, length: 20, sizeLimit: 99) }
    }

    @Test("a chunk of another layout of the file has no place in this one", arguments: [(0, 41), (1, 34), (2, 18)])
    func otherLayout(chunk: Int, length: Int) {
        #expect(throws: ChunkLayout.Contradiction()) {
            try ChunkLayout(chunks: 3, chunkSize: 40, size: 100).range(ofChunk: chunk, length: length)
        }
    }
}
