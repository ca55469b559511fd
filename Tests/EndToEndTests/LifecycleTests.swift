import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// Starts, stops and deaths of the responder.
    @Suite struct Lifecycle {
        private func newUpload(chunks: Int = 6) -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: chunks * 65_536 - 7).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        /// A connection to the responder on which the first half of a request has been sent, and the second half.
        private func halfSent(_ request: SentRequest, to site: NginxSite) throws -> (FastCGIClient, rest: [UInt8]) {
            let bytes = FCGI.request(request)
            let connection = try FastCGIClient(site.socketPath, timeLimit: 30)
            connection.send(Array(bytes.prefix(bytes.count / 2)))
            // The responder has accepted it when it has read from it.
            try #require(eventually { connection.socket.unread == 0 })
            return (connection, Array(bytes.dropFirst(bytes.count / 2)))
        }

        @Test func aRequestUnderWayIsAnsweredAfterSIGTERM() throws {
            let site = try NginxSite(.stream)
            let upload = newUpload()
            let (connection, rest) = try halfSent(upload.request(0), to: site)
            site.responder.signal(SIGTERM)
            try #require(eventually { site.responderLog.contains("stopping") })
            #expect(site.responder.poll() == nil)
            connection.send(rest)
            let reply = try #require(connection.reply().received)
            #expect(reply.status == 200 && reply.code == 2)
            #expect(site.responder.wait(within: 10) == .exit(0))
            #expect(access(site.socketPath, F_OK) != 0)
            // The chunk counts.
            try site.startResponder()
            try site.waitUntilReady()
            #expect(try upload.send(to: site, order: Array(1..<6)).completing?.code == 1)
        }

        @Test func uploadsGoOnWhileTheResponderRestarts() throws {
            let site = try NginxSite(.handOff)
            let upload = newUpload(chunks: 40)
            let sending = try onThreads(2) { index -> Bool in
                if index == 0 {
                    for _ in 0..<3 { try site.restartResponder() }
                    return true
                }
                // As WebUploader does: what is answered with 409 is sent again.
                var left = Array(0..<40)
                for _ in 0..<500 where !left.isEmpty {
                    let chunk = left.removeFirst()
                    let reply = try site.send(upload.request(chunk))
                    #expect(reply.status == 200 || reply.status == 409)
                    if reply.status == 409 {
                        #expect(reply.code == -2)
                        left.append(chunk)
                        usleep(20_000)
                    }
                    if reply.code == 1 {
                        let isIdentical = try site.storedBytes(#require(reply.path)) == upload.content
                        #expect(isIdentical)
                        return true
                    }
                }
                return false
            }
            #expect(sending == [true, true])
            #expect(try site.recordCount(upload) == 1)
        }

        @Test func aSecondSignalEndsItAtOnce() throws {
            let site = try NginxSite(.stream)
            let (connection, _) = try halfSent(newUpload().request(0), to: site)
            site.responder.signal(SIGTERM)
            try #require(eventually { site.responderLog.contains("stopping") })
            #expect(site.responder.poll() == nil)
            site.responder.signal(SIGTERM)
            // Well before the 9 s that the request would have got.
            #expect(site.responder.wait(within: 5) == .exit(1))
            #expect(connection.reply().received == nil)
        }

        @Test func aRequestThatNeverEndsIsNotWaitedForLongerThan10Seconds() throws {
            let site = try NginxSite(.stream)
            let (connection, _) = try halfSent(newUpload().request(0), to: site)
            site.responder.signal(SIGTERM)
            #expect(site.responder.wait(within: 12) == .exit(1))
            #expect(connection.reply().received == nil)
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func whatWasStoredSurvivesAKill(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            for killedAfter in [1, 3, 5] {
                let upload = newUpload()
                let chunks = (0..<6).shuffled()
                let first = try upload.send(to: site, order: Array(chunks.prefix(killedAfter)), connections: 1)
                #expect(first.allSatisfy { $0.reply.code == 2 })
                site.killResponder()
                let reply = try site.send(upload.request(chunks[killedAfter]))
                #expect(reply.status == 409 && reply.code == -2)
                try site.startResponder()
                try site.waitUntilReady()
                let last = try #require(
                    try upload.send(to: site, order: Array(chunks.dropFirst(killedAfter)), connections: 1).last
                ).reply
                #expect(last.code == 1 && last.videoID == first[0].reply.videoID)
                let isIdentical = try site.storedBytes(#require(last.path)) == upload.content
                #expect(isIdentical)
                #expect(try site.recordCount(upload) == 1)
            }
            #expect(site.leftovers() == [])
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func withoutAResponderChunksMayBeSentAgain(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            site.responder.stop()
            let reply = try site.send(newUpload().request(0))
            #expect(reply.status == 409 && reply.code == -2 && reply.message == "分片上传失败")
            #expect(reply.json?["data"] is NSNull)
            #expect(reply.headers["content-type"] == "application/json; charset=utf-8")
            #expect(reply.headers["cache-control"] == "no-store")
            #expect(try site.send(SentRequest(method: "GET", "/healthz")).status == 502)
            #expect(site.leftovers() == [])
        }

        @Test func theSocketIsForOwnerAndGroupOnly() throws {
            let site = try EndToEnd.site(.handOff)
            var status = stat()
            #expect(lstat(site.socketPath, &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFSOCK && status.st_mode & 0o7777 == 0o660)
        }

        @Test func aSecondResponderLeavesTheFirstAlone() throws {
            let site = try EndToEnd.site(.handOff)
            let second = try ChildProcess.run(
                NginxSite.binary,
                ["serve", "--socket", site.socketPath, "--data-directory", site.dataDirectory.path, "--reserve", "0"])
            #expect(second.end == .exit(1))
            #expect(second.errors.contains(site.socketPath))
            #expect(site.isHealthy())
        }

        @Test func anInheritedSocketIsServed() throws {
            let site = try NginxSite(.handOff)
            site.responder.stop()
            // nginx finds it under the name of the responder's own.
            let listener = try LocalSocket(at: site.socketPath, backlog: 64)
            try site.startResponder(inheriting: listener)
            try site.waitUntilReady()
            #expect(try newUpload().send(to: site).completing?.code == 1)
            #expect(site.responder.stop() == .exit(0))
            // The next one has the same socket.
            #expect(access(site.socketPath, F_OK) == 0)
            try site.startResponder(inheriting: listener)
            try site.waitUntilReady()
        }
    }
}
