import System
@testable import FileStore
import ChunkStore
import Foundation
import Testing
import TestSupport

@Suite struct PrefixComparisonTests {
    private let directory: URL
    private let store: FileChunkStore

    init() throws {
        directory = try makeTemporaryDirectory()
        store = try FileChunkStore(directory: directory.path, reserve: .bytes(0))
    }

    private func file(_ content: [UInt8]) throws -> StoredFile {
        let file = try StoredFile(unnamedIn: store.incoming)
        try file.write(content, at: 0)
        return file
    }

    @Test(
        "a file is the same as another only if every byte is, and each is told of by itself",
        arguments: [1, 262_143, 262_144, 262_145, 1 << 20, 3_000_001])
    func same(size: Int) throws {
        let content = videoBytes(max(size, 12)).prefix(size).map(\.self)
        var others: [StoredFile] = [try file(content)]
        for index in Set([0, size / 2, size - 1]) {
            var other = content
            other[index] ^= 1
            others.append(try file(other))
        }
        // One that is shorter than it was cannot be read to its end.
        others += [try file(Array(content.dropLast())), try file(content)]
        let comparison = PrefixComparison(try file(content), with: others)
        for end in stride(from: 0, to: size, by: max(1, size / 5)) { comparison.advance(to: end) }
        #expect(comparison.finish(size) == [0, others.count - 1])
    }

    @Test("bytes that have changed are compared again, with those that were others before too")
    func restart() throws {
        let content = videoBytes(2_000_000)
        let mine = try file(content)
        let comparison = PrefixComparison(mine, with: [try file(content)])
        try mine.write([content[10] ^ 1], at: 10)
        #expect(comparison.finish(1_000_000) == [])
        try mine.write([content[10]], at: 10)
        comparison.restart(to: 1_500_000)
        #expect(comparison.finish(content.count) == [0])
    }

    @Test("a comparison goes on from where a suspended one was, without what that has read")
    func suspended() throws {
        let content = videoBytes(2_000_000)
        let mine = try file(content)
        var other = content
        other[5] ^= 1
        let others = [try file(other), try file(content)]
        let first = PrefixComparison(mine, with: others)
        #expect(first.finish(1_000_000) == [1])
        let state = first.suspend()
        try mine.write([content[10] ^ 1], at: 10)
        #expect(PrefixComparison(mine, with: others, from: state).finish(content.count) == [1])
        #expect(PrefixComparison(mine, with: others).finish(content.count) == [])
    }

    @Test("what is not behind does not wait, what is behind is told when it is not any more")
    func behind() throws {
        let content = videoBytes(20_000_000)
        let comparison = PrefixComparison(try file(content), with: [try file(content)])
        #expect(!comparison.whenBehind(atMost: 0, within: 0) { Issue.record("called though it did not wait") })
        let told = DispatchSemaphore(value: 0)
        comparison.advance(to: content.count)
        if comparison.whenBehind(atMost: 1_000_000, within: 60, { told.signal() }) {
            #expect(told.wait(timeout: .now() + 30) == .success)
        }
        #expect(comparison.finish(content.count) == [0])
        #expect(!comparison.whenBehind(atMost: 0, within: 0) { Issue.record("called though it did not wait") })
    }

    @Test("what waits is told when its time is up, however far behind the work is")
    func patience() throws {
        // Long enough to be at work still; it takes no room.
        let (mine, other) = (try file([]), try file([]))
        for file in [mine, other] { try file.truncate(to: 64 << 30) }
        let told = DispatchSemaphore(value: 0)
        let digest = PrefixDigest(mine)
        digest.advance(to: 64 << 30)
        #expect(digest.whenBehind(atMost: 1 << 20, within: 0.1) { told.signal() })
        let comparison = PrefixComparison(mine, with: [other])
        comparison.advance(to: 64 << 30)
        #expect(comparison.whenBehind(atMost: 1 << 20, within: 0.1) { told.signal() })
        for _ in 0..<2 { #expect(told.wait(timeout: .now() + 5) == .success) }
        #expect(digest.whenBehind(atMost: 1 << 20, within: 0) {})
        #expect(comparison.whenBehind(atMost: 1 << 20, within: 0) {})
        _ = (digest.suspend(), comparison.suspend())
    }
}
