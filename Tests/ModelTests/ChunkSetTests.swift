import Testing
import Model

@Suite struct ChunkSetTests {
    @Test("count, prefix and missing follow every change", arguments: [1, 63, 64, 65, 1024])
    func follows(chunks: Int) {
        var set = ChunkSet(chunks: chunks)
        for chunk in (0..<chunks).reversed() {
            #expect(set.prefix == 0)
            let (first, second) = (set.insert(chunk), set.insert(chunk))
            #expect(first && !second)
        }
        #expect(set.count == chunks && set.missing == 0 && set.prefix == chunks)
        set.remove(chunks / 2)
        #expect(set.prefix == chunks / 2 && set.missing == 1 && !set.contains(chunks / 2))
        set.insert(chunks / 2)
        #expect(set.prefix == chunks)
    }

    @Test("numbers that are no chunk of the file are ignored", arguments: [-1, 10, Int.max, Int.min])
    func outside(chunk: Int) {
        var set = ChunkSet(chunks: 10)
        let isNew = set.insert(chunk)
        set.remove(chunk)
        #expect(!isNew && !set.contains(chunk) && set.count == 0)
    }

    @Test(
        "ranges are written like 0-11,14",
        arguments: [
            ([], ""), ([0], "0"), ([0, 1], "0-1"), (Array(0...11) + [14], "0-11,14"), ([19], "19"),
            (Array(0...19), "0-19"), ([0, 2, 4], "0,2,4"),
        ] as [([Int], String)])
    func ranges(chunks: [Int], text: String) {
        var set = ChunkSet(chunks: 20)
        for chunk in chunks { set.insert(chunk) }
        #expect(set.ranges == text)
    }
}
