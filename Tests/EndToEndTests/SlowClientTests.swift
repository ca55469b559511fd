import Foundation
import Synchronization
import Testing
import TestSupport

extension EndToEnd {
    /// Clients that take their time, and some that send nonsense.
    @Suite struct SlowClients {
        static let slowClients = 200

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func theyDoNotSlowDownRealUploads(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            _ = try Self.medianTime(site)
            // Other programs use this machine too: three looks.
            var ratios: [Double] = []
            for _ in 0..<3 {
                let alone = try Self.medianTime(site)
                let together = try Self.withBadClients(site) { try Self.medianTime(site) }
                ratios.append(together / alone)
                if together <= 2 * alone { break }
            }
            print("\(mode): \(Self.slowClients) slow clients: median time of a chunk × \(ratios)")
            #expect(ratios.last! <= 2)
            #expect(site.responder.poll() == nil)
            #expect(site.leftovers() == [])
        }

        /// The median time of a chunk's request over several real uploads, all of which must complete.
        private static func medianTime(_ site: NginxSite) throws -> Double {
            let times: Locked<[Double]> = Locked([])
            for _ in 0..<6 {
                var upload = PageUpload(content: SampleFile(size: 16 * 262_144).bytes)
                upload.chunkSize = 262_144
                upload.owner = EndToEnd.newOwner()
                let page = upload
                let next = Atomic(0)
                let codes = try onThreads(3) { _ -> [Int?] in
                    let connection = try HTTPConnection(port: site.port)
                    var codes: [Int?] = []
                    while true {
                        let chunk = next.add(1, ordering: .relaxed).oldValue
                        guard chunk < page.chunks else { return codes }
                        let request = page.request(chunk)
                        let start = ContinuousClock.now
                        codes.append(try connection.send(request, isKept: true).code)
                        let time = (ContinuousClock.now - start) / .seconds(1)
                        times.withLock { $0.append(time) }
                    }
                }
                #expect(codes.flatMap(\.self).contains(1))
            }
            let sorted = times.withLock { $0.sorted() }
            return sorted[sorted.count / 2]
        }

        /// Runs `body` while slow clients send a byte a second and others send junk or leave in the middle.
        private static func withBadClients(_ site: NginxSite, _ body: () throws -> Double) throws -> Double {
            var slow = PageUpload(content: SampleFile(size: 100_000).bytes)
            slow.owner = EndToEnd.newOwner()
            let request = slow.request().http()
            let head = request.count - 100_000
            let connections = try (0..<slowClients).map { _ in
                let connection = try site.connect()
                try connection.send(Array(request.prefix(head)))
                return connection
            }
            let isOver = Atomic(false)
            let done = DispatchSemaphore(value: 0)
            let clients = Locked(connections)
            Thread.detachNewThread {
                var round = 0
                while !isOver.load(ordering: .relaxed) {
                    clients.withLock { clients in
                        for client in clients { try? client.send([request[head + round]]) }
                    }
                    for bad in 0..<5 { try? misbehave(bad, request, site) }
                    round += 1
                    usleep(1_000_000)
                }
                clients.withLock { $0.removeAll() }
                done.signal()
            }
            defer {
                isOver.store(true, ordering: .relaxed)
                done.wait()
            }
            return try body()
        }

        private static func misbehave(_ kind: Int, _ request: [UInt8], _ site: NginxSite) throws {
            let connection = try site.connect()
            switch kind {
            case 0: try connection.send((0..<2_000).map { _ in .random(in: 0...255) })
            case 1: try connection.send(Array(request.prefix(request.count / 2)))
            case 2:
                try connection.send(Array(request.prefix(request.count - 1)))
                connection.resetAtEnd()
            case 3:
                let head = "POST /service/upload/upload_file HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
                try connection.send(Array(head.utf8))
            default:
                let junk = try FastCGIClient(site.socketPath, timeLimit: 5)
                junk.send((0..<500).map { _ in .random(in: 0...255) })
            }
        }
    }
}
