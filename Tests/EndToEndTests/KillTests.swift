import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// What is acknowledged outlives the death of the processes, whenever it comes.
    @Suite struct Kills {
        /// How long the tests go on, in minutes; `nil` for the short round.
        static let soakMinutes = ProcessInfo.processInfo.environment["VIDEO_INTAKE_TEST_SOAK_MINUTES"]
            .flatMap { Double($0) }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func everyAcknowledgedChunkOutlivesKills(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            let until = Self.soakMinutes.map { ContinuousClock.now + .seconds($0 * 30) }
            let leastKills = until == nil ? 16 : 100
            let kills = Locked(0)
            let isOver: @Sendable () -> Bool = {
                kills.withLock(\.self) >= leastKills && until.map { ContinuousClock.now >= $0 } ?? true
            }
            let clients = 4
            let counts = try onThreads(clients + 1) { index -> Int in
                if index == clients {
                    while !isOver() {
                        usleep(.random(in: 20_000...300_000))
                        do {
                            try Self.killAndStart(site, withNginx: .random(in: 0..<4) == 0)
                        } catch {
                            // The others only see that nobody answers.
                            Issue.record(error)
                            throw error
                        }
                        kills.withLock { $0 += 1 }
                    }
                    return 0
                }
                var finished = 0
                while !isOver() || finished == 0 {
                    try ResumingPage(Self.newUpload(), to: site).run()
                    finished += 1
                }
                return finished
            }
            let finished = counts.reduce(0, +)
            print("\(mode): \(kills.withLock(\.self)) kills, \(finished) uploads finished")

            // Every video has its md5 and one record, and nothing else is there.
            let check = try site.run(["check", "--deep"])
            #expect(check.end == .exit(0), "\(check.output)\(check.errors)\(site.responderLog.suffix(6000))")
            #expect(check.output.contains("\(finished) videos ("))
            #expect(try site.recordCount() == finished)
            #expect(site.publishedFiles().count == finished)
            #expect(site.incomingFiles() == [])
        }

        private static func killAndStart(_ site: NginxSite, withNginx: Bool) throws {
            if withNginx { site.killNginx() }
            site.killResponder()
            try site.startResponder()
            if withNginx { try site.startNginx() }
            try site.waitUntilReady()
        }

        private static func newUpload() -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: .random(in: 200_000...900_000)).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }
    }
}

extension NginxSite {
    /// Runs a command of `video-intake` on the site's data.
    func run(_ arguments: [String]) throws -> (end: ChildProcess.End?, output: String, errors: String) {
        try ChildProcess.run(Self.binary, arguments + ["--data-directory", dataDirectory.path])
    }
}

/// A page that asks what is missing whenever something went wrong, and sends nothing else.
struct ResumingPage {
    /// A promise that was not kept.
    struct Lost: Error, CustomStringConvertible {
        let description: String
    }

    private let upload: PageUpload
    private let site: NginxSite

    init(_ upload: PageUpload, to site: NginxSite) {
        self.upload = upload
        self.site = site
    }

    private struct Round {
        var queue: [Int]
        var acknowledged: Set<Int>
        var path: String?
    }

    /// Sends the upload over two connections at a time until it is complete.
    ///
    /// - Throws: `Lost` if an acknowledged chunk is not there later, or the file is not what was sent.
    func run() throws {
        var missing = Array(0..<upload.chunks).shuffled()
        var acknowledged: Set<Int> = []
        for _ in 0..<500 {
            let round = Locked(Round(queue: missing, acknowledged: acknowledged))
            try onThreads(2) { _ in try send(round) }
            acknowledged = round.withLock(\.acknowledged)
            if let path = round.withLock(\.path) { return try check(path) }
            guard let there = try ask(upload.chunksRequest()).receivedChunks else {
                // No upload is under way: it is a video, or nothing was ever acknowledged.
                if try ask(upload.determineRequest()).code == 1 {
                    missing = [upload.chunks - 1]
                } else if acknowledged.isEmpty {
                    missing = Array(0..<upload.chunks)
                } else {
                    throw Lost(description: "acknowledged \(acknowledged.sorted()), and then neither upload nor video")
                }
                continue
            }
            guard acknowledged.isSubset(of: there) else {
                throw Lost(
                    description: "acknowledged \(acknowledged.sorted()), and then there is only \(there.sorted())")
            }
            missing = (0..<upload.chunks).filter { !there.contains($0) }
            // It is whole and about to be completed.
            if missing.isEmpty { missing = [upload.chunks - 1] }
        }
        throw Lost(description: "the upload does not get on")
    }

    /// Sends chunks until none is left or something goes wrong.
    private func send(_ round: Locked<Round>) throws {
        while let chunk = round.withLock({ $0.path == nil ? $0.queue.popLast() : nil }) {
            guard let reply = try? site.send(upload.request(chunk)), reply.status == 200 else { return }
            switch reply.code {
            case 1: round.withLock { $0.path = reply.path }
            case 2: round.withLock { _ = $0.acknowledged.insert(chunk) }
            default: throw Lost(description: "\(reply)")
            }
        }
    }

    /// Sends a request until it is answered.
    private func ask(_ request: SentRequest) throws -> ReceivedReply {
        for _ in 0..<2_000 {
            if let reply = try? site.send(request), reply.status == 200 { return reply }
            usleep(10_000)
        }
        throw Lost(description: "no answer")
    }

    private func check(_ path: String) throws {
        guard try site.storedBytes(path) == upload.content else { throw Lost(description: "\(path) has other bytes") }
        guard try site.recordCount(upload) == 1 else { throw Lost(description: "\(path) has not one record") }
    }
}
