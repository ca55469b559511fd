import Testing
import TestSupport

extension EndToEnd {
    /// The order in which chunks come does not matter.
    @Suite struct Orders {
        enum Order: CaseIterable {
            case inOrder, reversed, shuffled, eachTwice, allAtOnce

            func chunks(_ count: Int) -> [Int] {
                switch self {
                case .inOrder, .allAtOnce: Array(0..<count)
                case .reversed: (0..<count).reversed()
                case .shuffled: (0..<count).shuffled()
                case .eachTwice: (0..<count).flatMap { [$0, $0] }
                }
            }

            func connections(_ count: Int) -> Int {
                switch self {
                case .inOrder, .reversed, .eachTwice: 1
                case .shuffled: 3
                case .allAtOnce: count
                }
            }
        }

        static let mebibyte = 1 << 20
        static let sizes = [
            12, 2 * mebibyte - 1, 2 * mebibyte, 2 * mebibyte + 1, 4 * mebibyte, 64 * mebibyte + 123,
        ]

        @Test(arguments: InProcessSite.BodyMode.allCases, sizes)
        func everyOrderGivesTheSameVideo(mode: InProcessSite.BodyMode, size: Int) throws {
            let site = try EndToEnd.site(mode)
            let content = SampleFile(size: size).bytes
            for order in Order.allCases {
                var upload = PageUpload(content: content)
                upload.owner = EndToEnd.newOwner()
                let arrivals = try upload.send(
                    to: site, order: order.chunks(upload.chunks), connections: order.connections(upload.chunks))
                try expectOneVideo(upload, arrivals, site, "\(order)")
            }
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func oneChunkOfOneIsAWholeVideo(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            var upload = PageUpload(content: SampleFile(size: 12).bytes)
            upload.owner = EndToEnd.newOwner()
            let reply = try site.send(upload.chunkRequest(0))
            #expect(reply.data?["chunks"] as? Int == 1)
            try expectOneVideo(
                upload, [Arrival(chunk: 0, reply: reply, followsCompletion: false)], site, "one of one")
        }

        private func expectOneVideo(
            _ upload: PageUpload, _ arrivals: [Arrival], _ site: NginxSite, _ order: Comment
        ) throws {
            let replies = arrivals.map(\.reply)
            #expect(replies.allSatisfy { $0.status == 200 && ($0.code == 1 || $0.code == 2) }, order)
            let last = try #require(arrivals.completing, order)
            #expect(replies.allSatisfy { $0.videoID == last.videoID }, order)
            let path = try #require(last.path)
            // Not `==` inside the macro, which would print the bytes.
            let isIdentical = try site.storedBytes(path) == upload.content
            #expect(isIdentical, order)
            #expect(try site.recordCount(upload) == 1, order)
            let known = try site.send(upload.determineRequest())
            #expect(known.code == 1 && known.videoID == last.videoID, order)
            #expect(known.data?["video_url"] as? String == "http://127.0.0.1:\(site.port)/\(path)", order)
            #expect(known.data?["size"] as? Int == upload.content.count, order)
        }
    }
}
