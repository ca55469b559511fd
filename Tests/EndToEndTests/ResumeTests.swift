import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// A page that is reloaded goes on where it was.
    @Suite struct Resume {
        /// What a request has beside its chunk, at most.
        static let overhead = 4_096

        @Test(arguments: [(InProcessSite.BodyMode.handOff, false), (.handOff, true), (.stream, false), (.stream, true)])
        func onlyMissingChunksTravelAfterAReload(mode: InProcessSite.BodyMode, isKilled: Bool) throws {
            let site = try NginxSite(mode)
            var upload = PageUpload(content: SampleFile(size: 12 * 65_536 - 5).bytes)
            upload.chunkSize = 65_536
            let before = Array(0..<12).shuffled().prefix(7)
            #expect(try upload.send(to: site, order: Array(before)).allSatisfy { $0.reply.code == 2 })
            if isKilled {
                site.killResponder()
                try site.startResponder()
                try site.waitUntilReady()
            }

            upload.guid = PageUpload.newGuid()
            let answer = try site.send(upload.chunksRequest())
            let missing = (0..<12).filter { !before.contains($0) }
            #expect(answer.receivedChunks == Set(before))
            let page = upload
            let replies = try missing.map { chunk in
                var request = page.request(chunk)
                request.target += "?guid=\(page.guid)"
                return try site.send(request)
            }
            #expect(replies.map(\.code) == [2, 2, 2, 2, 1])
            let isIdentical = try site.storedBytes(#require(replies.last?.path)) == upload.content
            #expect(isIdentical)

            var bytes = 0
            eventually {
                bytes = site.bytesReceived(guid: page.guid)
                return bytes >= 5 * 65_536 - 5
            }
            #expect(bytes >= 5 * 65_536 - 5 && bytes < 5 * (65_536 + Self.overhead))
            print("\(mode): \(bytes) of \(page.content.count) bytes travelled after the reload")
        }
    }
}

extension ReceivedReply {
    /// The chunks that a reply of determine_chunk_exist lists, like `0-11,14`; `nil` if it lists none because there is
    /// no such upload.
    var receivedChunks: Set<Int>? {
        guard code == 1, let text = data?["received"] as? String else { return nil }
        return Set(
            text.split(separator: ",").flatMap { range in
                let ends = range.split(separator: "-").compactMap { Int($0) }
                return Array(ends[0]...ends[ends.count - 1])
            })
    }
}
