import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// The rules of which reply a page gets when a file becomes whole, as it sees them.
    @Suite struct Completion {
        private func newUpload(chunks: Int, chunkSize: Int = 65_536) -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: chunks * chunkSize - 100).bytes)
            upload.chunkSize = chunkSize
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func eightClientsWithTheLastChunkCompleteItOnce(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            let upload = newUpload(chunks: 4)
            let first = try upload.send(to: site, order: [0, 1, 2], connections: 1)
            #expect(first.map(\.reply.code) == [2, 2, 2])
            let replies = try onThreads(8) { _ in
                let connection = try site.connect()
                return try (0..<20).map { _ in try connection.send(upload.request(3), isKept: true) }
            }.flatMap(\.self)
            #expect(replies.count == 160)
            #expect(replies.allSatisfy { $0.code == 1 })
            #expect(Set(replies.map(\.videoID)) == [first[0].reply.videoID])
            #expect(Set(replies.map(\.path)).count == 1)
            #expect(try site.recordCount(upload) == 1)
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func afterTheFirstCode1EveryReplyIsCode1(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            for _ in 0..<5 {
                let upload = newUpload(chunks: 6)
                let order = (0..<8).flatMap { _ in (0..<6).shuffled() }
                let arrivals = try upload.send(to: site, order: order, connections: 8)
                let late = arrivals.filter(\.followsCompletion)
                #expect(!late.isEmpty)
                #expect(late.allSatisfy { $0.reply.code == 1 })
                #expect(late.allSatisfy { $0.reply.data?["chunk"] as? Int == $0.chunk })
                #expect(Set(arrivals.map(\.reply.videoID)).count == 1)
                #expect(Set(arrivals.compactMap(\.reply.path)).count == 1)
                #expect(try site.recordCount(upload) == 1)
            }
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func theReplyThatArrivesLastHasCode1(mode: InProcessSite.BodyMode) throws {
            // A hold that no machine outlasts.
            let site = try NginxSite(mode, flags: ["--hold-time", "10000"])
            let start = ContinuousClock.now
            for _ in 0..<30 {
                let upload = newUpload(chunks: 8)
                let arrivals = try upload.send(to: site, connections: 3)
                #expect(arrivals.count == 8 && arrivals.completing != nil)
                // Threads that wait at two connections wake up in any order, soon after one another.
                let whole = try #require(arrivals.first { $0.reply.code == 1 }).time
                let late = arrivals.filter { $0.reply.code == 2 && $0.time - whole > .milliseconds(50) }
                #expect(late.isEmpty, "\(arrivals.map(\.reply.code))")
            }
            // Three chunks that are recorded in one commit do not all wait for the last one, which comes after a reply.
            #expect(ContinuousClock.now - start < .seconds(60))
            #expect(site.leftovers() == [])
        }

        /// Sends chunk 0 from many clients at once, so that requests of the upload have overlapped, and then others.
        private func begin(_ upload: PageUpload, others: Range<Int>, to site: NginxSite) throws {
            let first = try upload.send(to: site, order: Array(repeating: 0, count: 80), connections: 8)
            let rest = try upload.send(to: site, order: Array(others), connections: 1)
            #expect((first + rest).allSatisfy { $0.reply.code == 2 })
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func theLastThreeChunksWaitForEachOther(mode: InProcessSite.BodyMode) throws {
            // So long that none of them gives up, and shorter than the client waits.
            let site = try NginxSite(mode, flags: ["--hold-time", "10000"])
            let upload = newUpload(chunks: 8)
            try begin(upload, others: 1..<5, to: site)
            let replies = try onThreads(3) { index in
                usleep(UInt32(index) * 100_000)
                return try site.send(upload.request(5 + index))
            }
            #expect(replies.map(\.code) == [1, 1, 1])
            #expect(replies.map { $0.data?["chunk"] as? Int } == [5, 6, 7])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aChunkThatWaitsInVainIsAnsweredAllTheSame(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            let upload = newUpload(chunks: 4)
            try begin(upload, others: 1..<1, to: site)
            #expect(try site.send(upload.request(1)).code == 2)
            #expect(try site.send(upload.request(2)).code == 2)
            #expect(try site.send(upload.request(3)).code == 1)
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func stragglersGetCode1AfterARestartToo(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            let upload = newUpload(chunks: 5)
            let done = try #require(try upload.send(to: site).completing)
            #expect(done.code == 1)
            try site.restartResponder()
            for chunk in [4, 0, 2] {
                let reply = try site.send(upload.request(chunk))
                #expect(reply.code == 1)
                #expect(reply.videoID == done.videoID && reply.path == done.path)
                #expect(reply.data?["chunk"] as? Int == chunk)
            }
            #expect(try site.recordCount(upload) == 1)
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aPageThatSendsOneChunkAtATimeIsNeverHeld(mode: InProcessSite.BodyMode) throws {
            // Longer than a client waits for a reply: a held one would not come.
            let site = try NginxSite(mode, flags: ["--hold-time", "10000"])
            let upload = newUpload(chunks: 4)
            for chunk in 0..<3 {
                let connection = try HTTPConnection(port: site.port, timeLimit: 8)
                #expect(try connection.send(upload.request(chunk)).code == 2)
            }
            #expect(try site.send(upload.request(3)).code == 1)
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aReloadedPageGoesOnWhereTheFirstStopped(mode: InProcessSite.BodyMode) throws {
            let site = try EndToEnd.site(mode)
            let upload = newUpload(chunks: 6)
            let first = try upload.send(to: site, order: [0, 1, 4], connections: 1)
            var reloaded = upload
            reloaded.guid = PageUpload.newGuid()
            let rest = try reloaded.send(to: site, order: [2, 3, 5], connections: 1)
            #expect(rest.last?.reply.code == 1)
            #expect(rest.last?.reply.videoID == first.first?.reply.videoID)
            #expect(rest.last?.reply.data?["guid"] as? String == reloaded.guid)
            let isIdentical = try site.storedBytes(#require(rest.last?.reply.path)) == upload.content
            #expect(isIdentical)
            #expect(site.leftovers() == [])
        }
    }
}
