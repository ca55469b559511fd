import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

extension EndToEnd {
    /// Requests that nobody should send: the reply that they are promised, nothing left behind, the server still there.
    @Suite struct Hostile {
        private func newUpload(_ content: [UInt8]? = nil, chunks: Int = 3) -> PageUpload {
            var upload = PageUpload(content: content ?? SampleFile(size: chunks * 65_536).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        /// Runs a test and then checks that it has left nothing and that the server goes on.
        private func leavingNothing(
            _ mode: InProcessSite.BodyMode, newFiles: Int = 0, _ body: (NginxSite) throws -> Void
        ) throws {
            let site = try EndToEnd.site(mode)
            let before = site.publishedFiles().count
            // Empty, unless a test before this one has failed.
            let leftovers = site.bodyFiles() + site.incomingFiles()
            let process = site.responder.id
            try body(site)
            #expect(site.leftovers(besides: leftovers) == [])
            #expect(site.publishedFiles().count == before + newFiles)
            #expect(site.isHealthy())
            #expect(site.responder.id == process && site.responder.poll() == nil)
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aWrongMD5EndsTheUploadAndTheRightFileStartsAfresh(mode: InProcessSite.BodyMode) throws {
            let right = newUpload()
            try leavingNothing(mode) { (site: NginxSite) throws in
                var content = right.content
                content[100_000] ^= 1
                var wrong = right
                wrong.content = content
                let reply = try #require(try wrong.send(to: site, connections: 1).last).reply
                #expect(reply.status == 200 && reply.code == -3)
                #expect(reply.message?.contains("(md5)") == true)
                #expect(reply.json?["data"] is NSNull)
                #expect(try site.recordCount(right) == 0)
            }
            try leavingNothing(mode, newFiles: 1) { (site: NginxSite) throws in
                let reply = try #require(try right.send(to: site, connections: 1).last).reply
                #expect(reply.code == 1 && reply.data?["guid"] as? String == right.guid)
                let isIdentical = try site.storedBytes(#require(reply.path)) == right.content
                #expect(isIdentical)
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aWholeFileWithAWrongMD5IsRefused(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode) { (site: NginxSite) throws in
                var upload = newUpload(SampleFile(size: 5_000).bytes)
                upload.md5 = String(repeating: "0", count: 32)
                let reply = try site.send(upload.wholeRequest())
                #expect(reply.status == 200 && reply.code == -3 && reply.message?.contains("(md5)") == true)
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aBodyWithoutItsEndMayBeSentAgain(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode) { (site: NginxSite) throws in
                let upload = newUpload(SampleFile(size: 50_000).bytes)
                for request in [upload.wholeRequest(), upload.chunkRequest(0)] {
                    // The last two bytes are a line break that no parser needs; what lacks its first line is no form.
                    let kept = [100, 300, 1_000].map { request.body.count - $0 }
                    for cut in [3, 4, 5, 30, 60, 100, 49_000, 50_000] + kept {
                        var truncated = request
                        truncated.body.removeLast(cut)
                        let reply = try site.send(truncated)
                        #expect(reply.status == 409 && reply.code == -2, "\(truncated.body.count) bytes: \(reply)")
                    }
                }
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aClientThatLeavesInTheMiddleLeavesNothing(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode) { (site: NginxSite) throws in
                let request = newUpload().request(0)
                let bytes = request.http()
                for (index, length) in [10, 300, 2_000, 40_000, bytes.count - 1].enumerated() {
                    for resets in [false, true] {
                        let connection = try site.connect()
                        try connection.send(Array(bytes.prefix(length)))
                        // Let nginx see some of it.
                        usleep(20_000 * UInt32(index % 2))
                        if resets { connection.resetAtEnd() }
                    }
                }
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aSlowClientIsServed(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode, newFiles: 1) { (site: NginxSite) throws in
                let upload = newUpload(SampleFile(size: 30_000).bytes)
                let connection = try site.connect()
                try connection.send(upload.request().http(), pieces: 1_000, pause: 10_000)
                #expect(try connection.reply().code == 1)
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func whatIsNoVideoIsRefused(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode) { (site: NginxSite) throws in
                for content in [Array("<?php system($_GET['c']); ?>".utf8), Array("GIF89a".utf8), [0]] {
                    let reply = try site.send(newUpload(content).request())
                    #expect(reply.status == 200 && reply.code == -3, "\(reply)")
                    #expect(reply.message?.hasPrefix("上传文件出错!msg:") == true)
                }
                let page = newUpload([UInt8](repeating: 0x3c, count: 200_000))
                let first = try site.send(page.request(0))
                #expect(first.status == 200 && first.code == -3)
                // The other chunks of a page that does not give up.
                #expect(try page.send(to: site).map(\.reply).allSatisfy { $0.status == 200 && $0.code == -3 })
                var script = newUpload()
                script.fileName = "shell.php"
                #expect(try site.send(script.request(0)).code == -3)
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func noParameterLeavesTheDirectory(mode: InProcessSite.BodyMode) throws {
            let traversals = ["../../../../tmp/x", "..", "a/b", "..\\..\\x", "/etc/passwd", "%2e%2e%2fx", "a\0b", "."]
            try leavingNothing(mode) { (site: NginxSite) throws in
                for text in traversals {
                    var upload = newUpload(SampleFile(size: 3_000).bytes)
                    upload.guid = text
                    #expect(try site.send(upload.request()).code == -1, "guid \(text)")
                    upload = newUpload(SampleFile(size: 3_000).bytes)
                    upload.md5 = text
                    #expect(try site.send(upload.request()).code == -1, "md5 \(text)")
                    #expect(try site.send(upload.determineRequest()).code == -1, "md5 \(text)")
                }
            }
            let names = [
                "../../../../tmp/x.mp4", "..\\..\\x.mp4", "/etc/cron.d/x.mp4", "%2e%2e%2fx.mp4", "...mp4", "a/../b.mp4",
            ]
            try leavingNothing(mode, newFiles: 2 * names.count) { (site: NginxSite) throws in
                for name in names {
                    for keepsName in [false, true] {
                        var upload = newUpload(SampleFile(size: 3_000).bytes)
                        upload.fileName = name
                        upload.title = name
                        if keepsName { upload.extraFields = [("keepFileName", "1")] }
                        let reply = try site.send(upload.request())
                        let path = try #require(reply.path, "\(name): \(reply)")
                        #expect(
                            path.wholeMatch(of: /upload\/mp4\/\d{4}\/\d\d\/original\/[A-Za-z0-9_-]+\.mp4/) != nil,
                            "\(name): \(path)")
                        let isIdentical = try site.storedBytes(path) == upload.content
                        #expect(isIdentical)
                    }
                }
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aBodyOverTheLimitIsRefusedInJSON(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode) { (site: NginxSite) throws in
                var upload = newUpload(SampleFile(size: 6 << 20).bytes)
                upload.chunkSize = 6 << 20
                let request = upload.request()
                for bytes in [request.http(), request.httpInChunks(of: 100_000)] {
                    let connection = try site.connect()
                    try? connection.send(bytes)
                    let reply = try connection.reply()
                    #expect(reply.status == 413 && reply.code == -1)
                    #expect(reply.message?.contains("5242880") == true)
                    #expect(reply.json?["data"] is NSNull)
                    #expect(reply.headers["content-type"] == "application/json; charset=utf-8")
                    #expect(reply.headers["cache-control"] == "no-store")
                }
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func junkOnTheSocketDoesNotDisturbUploads(mode: InProcessSite.BodyMode) throws {
            try leavingNothing(mode, newFiles: 8) { (site: NginxSite) throws in
                let uploads = (0..<8).map { _ in newUpload(chunks: 8) }
                let request = FCGI.request(uploads[0].request(0))
                let isOver = Atomic(false)
                let last = try onThreads(10) { index -> Int? in
                    if index < 2 {
                        // Fifty at least, and as long as uploads go on.
                        for round in 0..<2_000 {
                            if round >= 25 && isOver.load(ordering: .relaxed) { return round }
                            try sendJunk(round, request, to: site)
                        }
                        return nil
                    }
                    defer { if index == 9 { isOver.store(true, ordering: .relaxed) } }
                    return try uploads[index - 2].send(to: site).completing?.code
                }
                #expect(last[2...].allSatisfy { $0 == 1 })
            }
        }

        private func sendJunk(_ round: Int, _ request: [UInt8], to site: NginxSite) throws {
            let connection = try FastCGIClient(site.socketPath, timeLimit: 20)
            let bytes: [UInt8] =
                switch round % 5 {
                case 0: (0..<500).map { _ in .random(in: 0...255) }
                case 1: Array(request.prefix(.random(in: 1..<request.count)))
                case 2: Array(request.prefix(13))
                case 3: FCGI.record(4, [0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xf0, 65])
                default: []
                }
            // The responder may close first.
            connection.send(bytes)
            usleep(.random(in: 0...5_000))
        }
    }
}
