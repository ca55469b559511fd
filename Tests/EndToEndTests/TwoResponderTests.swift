import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

extension EndToEnd {
    /// Two responders on one data directory.
    @Suite struct TwoResponders {
        private static func newUpload(chunks: Int) -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: chunks * 65_536 - 7).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func noRequestFailsWhileTheNewOneTakesOver(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            site.responder.stop()
            let listener = try LocalSocket(at: site.socketPath, backlog: 511)
            try site.startResponder(inheriting: listener)
            try site.waitUntilReady()

            let isOver = Atomic(false)
            let results = try onThreads(4) { index -> [Int] in
                if index == 0 {
                    defer { isOver.store(true, ordering: .relaxed) }
                    var ends: [Int] = []
                    for restart in 2...6 {
                        usleep(150_000)
                        let old = site.responder
                        try site.startResponder(inheriting: listener)
                        eventually { site.responderLog.components(separatedBy: " serving").count - 1 > restart }
                        ends.append(old.stop() == .exit(0) ? 0 : 1)
                    }
                    return ends
                }
                var failed: [Int] = []
                while !isOver.load(ordering: .relaxed) {
                    let upload = Self.newUpload(chunks: 8)
                    let arrivals = try upload.send(to: site)
                    failed += arrivals.filter { $0.reply.status != 200 || ($0.reply.code ?? -1) < 1 }.map(
                        \.reply.status)
                    guard let path = arrivals.last(where: { $0.reply.code == 1 })?.reply.path,
                        try site.storedBytes(path) == upload.content, try site.recordCount(upload) == 1
                    else {
                        failed.append(-1)
                        continue
                    }
                }
                return failed
            }
            #expect(results[0] == [0, 0, 0, 0, 0])
            #expect(results[1...].flatMap(\.self) == [])
            #expect(try site.run(["check", "--deep"]).end == .exit(0))
        }

        @Test func twoByMistakeCompleteEachFileOnce() throws {
            let site = try NginxSite(.stream)
            let directory = site.dataDirectory.path
            let secondSocket = "\(directory)/second.sock"
            let second = try ChildProcess(
                NginxSite.binary,
                ["serve", "--socket", "second.sock", "--data-directory", directory, "--reserve", "0"],
                environment: ChildProcess.plainEnvironment, directory: directory, output: "\(directory)/log/second.out",
                errors: "\(directory)/log/second.log")
            defer { second.stop() }
            try #require(eventually { access(secondSocket, F_OK) == 0 })

            let sockets = [site.socketPath, secondSocket]
            try onThreads(3) { _ in
                for _ in 0..<8 {
                    let upload = Self.newUpload(chunks: 9)
                    let next = Atomic(0)
                    let paths: Locked<Set<String>> = Locked([])
                    try onThreads(4) { sender in
                        while true {
                            let chunk = next.add(1, ordering: .relaxed).oldValue
                            guard chunk < 9 else { return }
                            // Some come to both.
                            for copy in 0...(chunk % 3 == 0 ? 1 : 0) {
                                let reply = try Self.send(upload.request(chunk), to: sockets[(sender + copy) % 2])
                                if let path = reply.path { paths.withLock { _ = $0.insert(path) } }
                            }
                        }
                    }
                    let found = paths.withLock(\.self)
                    #expect(found.count == 1)
                    #expect(try site.recordCount(upload) == 1)
                    let isIdentical = try site.storedBytes(#require(found.first)) == upload.content
                    #expect(isIdentical)
                }
            }
            #expect(second.stop() == .exit(0))
            let check = try site.run(["check", "--deep"])
            #expect(check.end == .exit(0), "\(check.output)")
            #expect(site.incomingFiles() == [])
        }

        /// Sends a request to a responder without nginx, again while it is answered with 409.
        private static func send(_ request: SentRequest, to socket: String) throws -> ReceivedReply {
            for _ in 0..<50 {
                let connection = try FastCGIClient(socket, timeLimit: 30)
                connection.send(FCGI.request(request))
                let reply = try #require(connection.reply().received)
                if reply.status == 200 { return reply }
                #expect(reply.status == 409 && reply.code == -2)
                usleep(5_000)
            }
            throw HTTPConnection.Fault.timeLimit
        }
    }
}
