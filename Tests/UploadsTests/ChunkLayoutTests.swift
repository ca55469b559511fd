import Testing
import Uploads

private let mebibyte = 1024 * 1024
private let chunkSize = 2 * mebibyte
private let limit = 2048 * mebibyte

@Suite struct ChunkLayoutTests {
    @Test(
        "every chunk of a file of known size tells its own place, whichever comes first",
        arguments: [1, 2, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 64 * mebibyte + 123, limit])
    func placesOfAnyFirstChunk(size: Int) throws {
        let chunks = (size + chunkSize - 1) / chunkSize
        for chunk in [0, 1, chunks / 2, chunks - 2, chunks - 1] where (0..<chunks).contains(chunk) {
            var layout = ChunkLayout(chunks: chunks, size: size, sizeLimit: limit)
            let length = chunk == chunks - 1 ? size - chunk * chunkSize : chunkSize
            #expect(try layout.place(chunk: chunk, length: length) == .offset(chunk * chunkSize))
            #expect(layout.range(of: chunk) == chunk * chunkSize..<chunk * chunkSize + length)
            if chunks > 1 { #expect(layout.chunkSize == chunkSize) }
        }
    }

    struct Wrong: Sendable {
        let size: Int?
        let chunks: Int
        let earlier: [(Int, Int)]
        let chunk: Int
        let length: Int
        let field: ChunkLayout.Contradiction
    }

    @Test(
        "a chunk that contradicts what is known is refused and changes nothing",
        arguments: [
            // Outside the file.
            Wrong(size: 100, chunks: 2, earlier: [], chunk: 2, length: 50, field: .chunk),
            Wrong(size: 100, chunks: 2, earlier: [], chunk: -1, length: 50, field: .chunk),
            Wrong(size: 100, chunks: 2, earlier: [], chunk: 0, length: 0, field: .length),
            // The only chunk is the file.
            Wrong(size: 100, chunks: 1, earlier: [], chunk: 0, length: 99, field: .length),
            Wrong(size: 100, chunks: 1, earlier: [], chunk: 0, length: 101, field: .length),
            // ceil(100 / length) must be 3: 34 … 49.
            Wrong(size: 100, chunks: 3, earlier: [], chunk: 0, length: 33, field: .length),
            Wrong(size: 100, chunks: 3, earlier: [], chunk: 0, length: 50, field: .length),
            // The rest must be whole chunks that are not shorter than the last.
            Wrong(size: 100, chunks: 3, earlier: [], chunk: 2, length: 21, field: .length),
            Wrong(size: 100, chunks: 3, earlier: [], chunk: 2, length: 34, field: .length),
            Wrong(size: 100, chunks: 3, earlier: [], chunk: 2, length: 100, field: .length),
            // Against an earlier chunk.
            Wrong(size: 100, chunks: 3, earlier: [(0, 40)], chunk: 1, length: 41, field: .length),
            Wrong(size: 100, chunks: 3, earlier: [(0, 40)], chunk: 2, length: 22, field: .length),
            Wrong(size: 100, chunks: 3, earlier: [(2, 20)], chunk: 0, length: 41, field: .length),
            Wrong(size: nil, chunks: 3, earlier: [(0, 40)], chunk: 2, length: 41, field: .length),
            Wrong(size: nil, chunks: 3, earlier: [(2, 20)], chunk: 2, length: 21, field: .length),
            Wrong(size: nil, chunks: 3, earlier: [(2, 20)], chunk: 0, length: 19, field: .length),
            // Over the limit of 1000 bytes, whatever the arithmetic.
            Wrong(size: nil, chunks: 3, earlier: [], chunk: 0, length: 500, field: .length),
            Wrong(size: nil, chunks: 3, earlier: [], chunk: 0, length: .max, field: .length),
            Wrong(size: nil, chunks: 3, earlier: [(0, 450)], chunk: 2, length: 200, field: .size),
            Wrong(size: nil, chunks: 1, earlier: [], chunk: 0, length: 1001, field: .length),
        ])
    func contradiction(_ wrong: Wrong) throws {
        var layout = ChunkLayout(chunks: wrong.chunks, size: wrong.size, sizeLimit: 1000)
        for (chunk, length) in wrong.earlier { _ = try layout.place(chunk: chunk, length: length) }
        let before = layout
        #expect(throws: wrong.field) { try layout.place(chunk: wrong.chunk, length: wrong.length) }
        #expect(layout == before)
    }

    @Test("the last chunk of a file of unknown size is parked until another chunk tells the chunk size")
    func unknownSize() throws {
        var layout = ChunkLayout(chunks: 3, size: nil, sizeLimit: 1000)
        #expect(try layout.place(chunk: 2, length: 20) == .parked)
        #expect(layout.size == nil && layout.range(of: 2) == nil)
        #expect(try layout.place(chunk: 1, length: 40) == .offset(40))
        #expect(layout.size == 100)
        #expect(layout.range(of: 2) == 80..<100)
        #expect(try layout.place(chunk: 2, length: 20) == .offset(80))

        var single = ChunkLayout(chunks: 1, size: nil, sizeLimit: 1000)
        #expect(try single.place(chunk: 0, length: 7) == .offset(0))
        #expect(single.size == 7)
    }

    @Test("a layout that is built anew from its record goes on as before")
    func resumed() throws {
        var layout = ChunkLayout(chunks: 3, size: nil, chunkSize: nil, lastLength: 20, sizeLimit: 1000)
        #expect(layout.size == nil)
        _ = try layout.place(chunk: 0, length: 40)
        #expect(layout.size == 100)
        #expect(ChunkLayout(chunks: 3, size: nil, chunkSize: 40, lastLength: 20, sizeLimit: 1000) == layout)
    }
}
