import Foundation
import Testing
import TestSupport

/// A video of 3.5 MiB, in chunks of this many bytes.
private func page(_ content: [UInt8], chunkSize: Int, sendsSize: Bool = true) -> PageUpload {
    var page = PageUpload(content: content)
    page.chunkSize = chunkSize
    if !sendsSize { page.overrides["size"] = .some(nil) }
    return page
}

private let mebibyte = 1 << 20

/// The length of the chunks is part of what an upload is: nothing that one request sends locks a file out.
@Suite struct ChunkLengthTests {
    @Test("a chunk of another length, or one that came short, keeps no other page from its file")
    func lockedOut() throws {
        let site = try InProcessSite()
        let content = videoBytes(7 * mebibyte / 2)
        // Two chunks can be of 3 MiB as well as of 2 MiB, and of some bytes less.
        #expect(try site.send(page(content, chunkSize: 3 * mebibyte).request(0)).code == 2)
        #expect(try site.send(page(content, chunkSize: 2 * mebibyte - 5).request(0)).code == 2)
        let right = page(content, chunkSize: 2 * mebibyte)
        #expect(try site.send(right.request(0)).code == 2)
        let last = try site.send(right.request(1))
        #expect(last.code == 1)
        let isIdentical = try site.storedBytes(last.path ?? "") == content
        #expect(isIdentical)
    }

    @Test("two pages with chunks of different lengths send one file at once: both end right")
    func atOnce() throws {
        let site = try InProcessSite()
        let content = videoBytes(11 * mebibyte)
        let pages = [page(content, chunkSize: 2 * mebibyte), page(content, chunkSize: 5 * mebibyte / 2)]
        var last: [ReceivedReply?] = [nil, nil]
        for chunk in 0..<6 {
            for (index, page) in pages.enumerated() where chunk < page.chunks {
                last[index] = try site.send(page.request(chunk))
            }
        }
        for reply in last {
            let isIdentical = try site.storedBytes(reply?.path ?? "") == content
            #expect(reply?.code == 1 && isIdentical, "\(String(describing: reply))")
        }
    }

    @Test("a page whose first chunk came short is told with the next one, and goes on when the first comes again")
    func shortFirstChunk() throws {
        let site = try InProcessSite()
        let page = page(videoBytes(299_999), chunkSize: 120_000)
        #expect(try site.send(page.chunkRequest(0, bytes: Array(page.content.prefix(119_000)))).code == 2)
        for chunk in [1, 2] {
            let refused = try site.send(page.request(chunk))
            #expect(refused.status == 409 && refused.headers["x-intake-reason"] == "length", "\(refused)")
        }
        #expect(try site.send(page.request(0)).code == 2)
        // And the other way round: a short one again, after the right one.
        let short = try site.send(page.chunkRequest(1, bytes: Array(page.content.prefix(119_000))))
        #expect(short.status == 409)
        #expect(try site.send(page.request(1)).code == 2)
        let last = try site.send(page.request(2))
        #expect(last.code == 1)
        let isIdentical = try site.storedBytes(last.path ?? "") == page.content
        #expect(isIdentical)
    }

    @Test("a page without a size ends in every order, at two services, with no reply but 409 tried again")
    func withoutSize() throws {
        let site = try InProcessSite()
        let other = try site.another()
        var orders = 0
        func permutations(_ chunks: [Int]) -> [[Int]] {
            guard chunks.count > 1 else { return [chunks] }
            return chunks.flatMap { chunk in permutations(chunks.filter { $0 != chunk }).map { [chunk] + $0 } }
        }
        for order in permutations([0, 1, 2]) {
            for services in 0..<8 {
                let page = page(videoBytes(29_999), chunkSize: 10_000, sendsSize: false)
                var waiting = order.enumerated().map { ($1, (services >> $0) & 1 == 0 ? site : other) }
                var path: String?
                for _ in 0..<6 where path == nil {
                    var again: [(Int, InProcessSite)] = []
                    for (chunk, service) in waiting {
                        let reply = try service.send(page.request(chunk))
                        if reply.status == 409 { again.append((chunk, service)) }
                        if reply.code == 1 { path = reply.path }
                    }
                    waiting = again
                }
                let isIdentical = try path.map { try site.storedBytes($0) == page.content }
                #expect(isIdentical == true && waiting.isEmpty, "order \(order), services \(services): \(waiting)")
                orders += 1
            }
        }
        #expect(orders == 48)
        #expect(site.incomingFiles() == [])
        #expect(!(site.log.lines + other.log.lines).contains { $0.message.contains("lost") })
    }

    @Test("the last chunk of a file of unknown size may come again with another length")
    func otherLastChunk() throws {
        let site = try InProcessSite()
        let page = page(videoBytes(29_999), chunkSize: 10_000, sendsSize: false)
        #expect(try site.send(page.request(0)).code == 2)
        for length in [10_000, 5_000] {
            #expect(try site.send(page.chunkRequest(2, bytes: videoBytes(length))).code == 2)
        }
        #expect(try site.send(page.request(2)).code == 2)
        let last = try site.send(page.request(1))
        #expect(last.code == 1)
        let isIdentical = try site.storedBytes(last.path ?? "") == page.content
        #expect(isIdentical)
    }

    @Test("what is there of a file is told of the page's own upload, or of what all that it could be have")
    func determineChunks() throws {
        let site = try InProcessSite()
        let content = videoBytes(299_999)
        func received(_ page: PageUpload, _ fields: [(String, String)] = []) throws -> String? {
            let all = [("md5", page.md5), ("size", "\(content.count)"), ("chunks", "3")] + fields
            return try site.send(.form("/service/upload/determine_chunk_exist", all)).data?["received"] as? String
        }
        let (small, big) = (page(content, chunkSize: 100_000), page(content, chunkSize: 110_000))
        for chunk in [0, 2] { #expect(try site.send(small.request(chunk)).code == 2) }
        #expect(try received(small) == "0,2", "there is only one")
        for chunk in [0, 1] { #expect(try site.send(big.request(chunk)).code == 2) }
        #expect(try received(small) == "0")
        #expect(try received(small, [("chunk_size", "100000")]) == "0,2")
        #expect(try received(small, [("chunk_size", "110000")]) == "0-1")
        #expect(try received(small, [("chunk_size", "120000")]) == nil)
        for wrong in ["0", "-1", "x", "99999999999999999999"] {
            let fields = [("md5", small.md5), ("size", "299999"), ("chunks", "3"), ("chunk_size", wrong)]
            let reply = try site.send(.form("/service/upload/determine_chunk_exist", fields))
            #expect(reply.code == -1 && reply.headers["x-intake-reason"] == "malformed", "\(reply)")
        }
    }

    @Test("of several uploads of a file the usual chunk size is the page's that does not say its own")
    func determineUsual() throws {
        let site = try InProcessSite()
        let content = videoBytes(5 * mebibyte)
        let (usual, other) = (page(content, chunkSize: 2 * mebibyte), page(content, chunkSize: 9 * mebibyte / 4))
        #expect(try site.send(usual.request(1)).code == 2)
        #expect(try site.send(other.request(0)).code == 2)
        #expect(try site.send(usual.chunksRequest()).data?["received"] as? String == "1")
    }

    @Test("another owner who knows everything about an upload cannot touch it")
    func anotherOwner() throws {
        let site = try InProcessSite()
        var page = page(videoBytes(299_999), chunkSize: 100_000)
        page.owner = "alice"
        #expect(try site.send(page.request(0)).code == 2)
        var evil = page
        for owner in ["bob", nil, "Alice", "alice "] {
            evil.owner = owner
            for chunk in 0..<2 {
                var wrong = page.bytes(of: chunk)
                wrong[wrong.count - 1] ^= 1
                #expect(try site.send(evil.chunkRequest(chunk, bytes: wrong)).code == 2)
            }
        }
        #expect(try site.send(page.request(1)).code == 2)
        let last = try site.send(page.request(2))
        #expect(last.code == 1)
        let isIdentical = try site.storedBytes(last.path ?? "") == page.content
        #expect(isIdentical)
    }
}
