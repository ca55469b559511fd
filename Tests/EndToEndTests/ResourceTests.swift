import ChunkStore
import Foundation
import Synchronization
import Testing
import TestSupport

extension EndToEnd {
    /// What the responder takes of the machine under load.
    @Suite struct Resources {
        static let mebibyte = 1 << 20
        /// RssAnon may not pass it at any time.
        static let memoryLimit = 64 * mebibyte
        /// 2 GiB in Tests/run, less where tests are run by hand.
        static let largeSize =
            ProcessInfo.processInfo.environment["VIDEO_INTAKE_TEST_LARGE"] == "1" ? 2048 * mebibyte : 256 * mebibyte

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func manySmallUploadsAndALargeOneTakeLittleMemory(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode)
            // What is made at first use and kept, like libdispatch's own descriptors.
            _ = try smallUploads(64, clients: 64, to: site)
            let before = site.settledDescriptors()

            let sampler = MemorySampler(process: site.responder.id)
            let results = try onThreads(2) { index in
                if index == 0 { return try smallUploads(200, clients: 64, to: site) }
                return [try largeUpload(to: site)]
            }
            let maximum = sampler.stop()
            let after = site.settledDescriptors()

            #expect(results[0].count == 200 && results[0].allSatisfy { $0 == 1 }, "\(results[0].filter { $0 != 1 })")
            #expect(results[1] == [1])
            #expect(site.responder.poll() == nil)
            #expect(maximum.samples > 10 && maximum.bytes > 0)
            #expect(maximum.bytes < Self.memoryLimit)
            #expect(after.others == before.others)
            // The catalogue opens another connection when all are busy: one that writes and four that read at most,
            // each with database and log, and one shared memory.
            #expect((1...11).contains(after.ofCatalogue))
            #expect(site.leftovers() == [])
            print(
                """
                \(mode): 200 small uploads and one of \(Self.largeSize / Self.mebibyte) MiB: RssAnon at most \
                \(maximum.bytes / 1024) KiB in \(maximum.samples) samples; descriptors \(before) before, \
                \(after) after
                """)
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func unfinishedUploadsTakeNoMoreDescriptorsThanThereAre(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode, limits: ["--nofile=64:64"])
            defer { site.stop() }
            let uploads = (0..<200).map { _ -> PageUpload in
                var upload = PageUpload(content: SampleFile(size: 60_000).bytes)
                upload.chunkSize = 20_000
                upload.owner = EndToEnd.newOwner()
                return upload
            }
            let retries = Atomic(0)
            // Each client has a third of them, and sends the first chunk of all before the second of any.
            let codes = try onThreads(3) { client in
                let own = stride(from: client, to: uploads.count, by: 3).map { uploads[$0] }
                var codes: [Int?] = []
                for chunk in 0..<3 {
                    codes = try own.map { upload in
                        for _ in 0..<20 {
                            let reply = try site.send(upload.request(chunk))
                            if reply.status != 409 { return reply.code }
                            retries.add(1, ordering: .relaxed)
                            usleep(50_000)
                        }
                        return nil
                    }
                    #expect(codes.allSatisfy { $0 == (chunk < 2 ? 2 : 1) }, "chunk \(chunk): \(codes)")
                }
                return codes
            }.flatMap(\.self)
            #expect(codes.count == 200 && site.responder.poll() == nil)
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(site.responder.id)/fd").count
            #expect(open < 64)
            let again = retries.load(ordering: .relaxed)
            print("\(mode): 64 descriptors, \(open) open at the end, \(again) chunks came again")
        }

        /// Bodies in memory, calls that wait and questions, all at once.
        @Test func underPressureItTakesLessThanItSaysAndTheUnitGivesMore() throws {
            let site = try NginxSite(.stream, flags: ["--threads", "32", "--hold-time", "4000"])
            defer { site.stop() }
            let before = try site.peakMemory()
            let chunks = 4
            let pages = (0..<40).map { number -> PageUpload in
                var page = PageUpload(content: SampleFile(size: chunks << 20).bytes)
                page.chunkSize = 1 << 20
                page.address = "127.0.0.\(2 + number % 8)"
                return page
            }
            let underWay = Atomic(pages.count * chunks)
            let codes = try onThreads(pages.count * chunks + 4) { index -> Int? in
                guard index < pages.count * chunks else {
                    while underWay.load(ordering: .relaxed) > 0 { _ = try site.send(pages[0].chunksRequest()) }
                    return nil
                }
                defer { underWay.subtract(1, ordering: .relaxed) }
                // Sent at once they overlap, and those that leave at most two missing wait for the last one.
                let chunk = index % chunks
                if chunk == chunks - 1 { sleep(2) }
                return try site.send(pages[index / chunks].request(chunk)).code
            }
            let waited = codes.count { $0 == 1 } - pages.count
            #expect(waited > 0 && codes.count { $0 == 2 } + waited == pages.count * (chunks - 1))

            let peak = try site.peakMemory()
            let status = try site.run(["status", "--socket", site.socketPath, "--reserve", "0"]).output
            let stated = try #require(status.firstMatch(of: /at most ([0-9.]+)([MG]) by the settings/), "\(status)")
            let limit = try #require(Double(stated.1)) * (stated.2 == "G" ? 1024 : 1)
            #expect(peak > before && peak < limit)
            let unit = textOfFile(Repository.directory.path + "/nginx/systemd/video-intake.service")
            let given = try #require(unit.firstMatch(of: /MemoryMax=([0-9]+)G/).flatMap { Double($0.1) })
            #expect(given * 1024 > limit)
            print("\(waited) calls waited; MiB: \(before) before, \(peak) at most, \(limit) stated")
        }

        /// Sends so many uploads of 3 chunks of 100 KB, each over 3 connections. Returns their last codes.
        private func smallUploads(_ count: Int, clients: Int, to site: NginxSite) throws -> [Int?] {
            let next = Atomic(0)
            return try onThreads(clients) { _ in
                var codes: [Int?] = []
                while next.add(1, ordering: .relaxed).oldValue < count {
                    var upload = PageUpload(content: SampleFile(size: 300_000).bytes)
                    upload.chunkSize = 100_000
                    upload.owner = EndToEnd.newOwner()
                    codes.append(try upload.send(to: site).completing?.code)
                }
                return codes
            }.flatMap(\.self)
        }

        /// Sends one large file without holding it. Returns its last code, or `nil` if the stored bytes are others.
        private func largeUpload(to site: NginxSite) throws -> Int? {
            let file = SampleFile(size: Self.largeSize)
            let chunkSize = 2 * Self.mebibyte
            let chunks = file.size / chunkSize
            let md5 = file.md5()
            let next = Atomic(0)
            let last: Locked<ReceivedReply?> = Locked(nil)
            var page = PageUpload(content: [])
            page.md5 = md5
            page.owner = EndToEnd.newOwner()
            page.overrides = ["size": "\(file.size)", "chunks": "\(chunks)"]
            let upload = page
            try onThreads(3) { _ in
                let connection = try HTTPConnection(port: site.port, timeLimit: 900)
                while true {
                    let chunk = next.add(1, ordering: .relaxed).oldValue
                    guard chunk < chunks else { return }
                    let bytes = file.bytes(chunk * chunkSize..<(chunk + 1) * chunkSize)
                    // nginx closes a kept connection after 1000 requests; these are fewer.
                    let reply = try connection.send(upload.chunkRequest(chunk, bytes: bytes), isKept: true)
                    last.withLock { $0 = reply }
                }
            }
            guard let reply = last.withLock(\.self), let path = reply.path else { return nil }
            let stored = try FileHandle(forReadingFrom: site.dataDirectory.appendingPathComponent(path))
            var digest = MD5Digest()
            while let piece = try stored.read(upToCount: chunkSize), !piece.isEmpty {
                piece.withUnsafeBytes { digest.update($0) }
            }
            return digest.finish() == md5 ? reply.code : nil
        }
    }
}

extension SampleFile {
    /// The md5 of the whole file, made without holding it.
    func md5() -> String {
        var digest = MD5Digest()
        for start in stride(from: 0, to: size, by: 1 << 21) {
            bytes(start..<min(size, start + 1 << 21)).withUnsafeBytes { digest.update($0) }
        }
        return digest.finish()
    }
}

extension NginxSite {
    /// The most memory that the responder has had, in MiB.
    fileprivate func peakMemory() throws -> Double {
        let status = textOfFile("/proc/\(responder.id)/status")
        let line = try #require(status.firstMatch(of: /VmHWM:\s+([0-9]+) kB/))
        return Double(line.1)! / 1024
    }
}

/// A process's descriptors by what they are.
private struct Descriptors: Equatable, CustomStringConvertible {
    /// Those of the catalogue's files.
    var ofCatalogue = 0
    /// How many of each other kind, by what they point to, anonymous ones without their number.
    var others: [String: Int] = [:]

    init(process: pid_t) {
        let directory = "/proc/\(process)/fd"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)") else {
                continue
            }
            if target.contains("/video-intake.db") {
                ofCatalogue += 1
            } else {
                others[target.replacing(/\[\d+\]/, with: ""), default: 0] += 1
            }
        }
    }

    var description: String { "\(ofCatalogue + others.values.reduce(0, +)) (\(ofCatalogue) of the catalogue)" }
}

extension NginxSite {
    /// The responder's descriptors, once requests are over and they stay the same.
    fileprivate func settledDescriptors() -> Descriptors {
        // ffprobe, which tells the durations, has little priority.
        eventually(within: 120) {
            (try? catalogueFile.count("video_info WHERE probed = 0")) == 0
        }
        var last = Descriptors(process: responder.id)
        eventually {
            usleep(300_000)
            let now = Descriptors(process: responder.id)
            defer { last = now }
            return now == last
        }
        return last
    }
}

/// Looks at a process's anonymous resident memory every 50 ms.
final class MemorySampler: Sendable {
    private struct State {
        var isOver = false
        var bytes = 0
        var samples = 0
    }

    private let state = Locked(State())
    private let done = DispatchSemaphore(value: 0)

    init(process: pid_t) {
        Thread.detachNewThread { [self] in
            while !state.withLock(\.isOver) {
                let lines = textOfFile("/proc/\(process)/status").split(separator: "\n")
                let line = lines.first { $0.hasPrefix("RssAnon:") }
                if let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) {
                    state.withLock {
                        $0.bytes = max($0.bytes, kibibytes * 1024)
                        $0.samples += 1
                    }
                }
                usleep(50_000)
            }
            done.signal()
        }
    }

    /// Ends and returns the largest number of bytes that was seen.
    func stop() -> (bytes: Int, samples: Int) {
        state.withLock { $0.isOver = true }
        done.wait()
        return state.withLock { ($0.bytes, $0.samples) }
    }
}
