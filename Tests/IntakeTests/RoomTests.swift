import FileStore
import ChunkStore
import Dispatch
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing
import Model

@testable import Intake

private let mebibyte = 1 << 20

/// A file of three chunks of 1 MiB, sent from an address.
private func page(_ address: String, sendsSize: Bool = true) -> PageUpload {
    var page = PageUpload(content: videoBytes(3 * mebibyte))
    page.chunkSize = mebibyte
    page.address = address
    if !sendsSize { page.overrides["size"] = .some(nil) }
    return page
}

private func reason(_ reply: ReceivedReply) -> String? { reply.headers["x-intake-reason"] }

/// When room is measured, and how often.
@Suite struct RoomTests {
    /// A file system of 64 MiB in memory, where nobody else writes.
    private final class SmallDisk: Sendable {
        let url: URL

        init() throws {
            url = try makeTemporaryDirectory()
            try mount("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", url.path])
        }

        deinit {
            try? mount("umount", ["--lazy", url.path])
            try? FileManager.default.removeItem(at: url)
        }

        private func mount(_ name: String, _ arguments: [String]) throws {
            let process = try Process.run(URL(fileURLWithPath: "/usr/bin/\(name)"), arguments: arguments)
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }

        var free: Int {
            var status = statvfs()
            return statvfs(url.path, &status) == 0 ? Int(status.f_bavail) * Int(status.f_frsize) : 0
        }

        /// Takes bytes of the disk until so many are free.
        func fill(leaving bytes: Int) throws {
            let path = url.path + "/filling\(UUID().uuidString)"
            try Data(count: max(0, free - bytes)).write(to: URL(fileURLWithPath: path))
        }
    }

    @Test("room is measured in the transaction that promises it", .enabled(if: geteuid() == 0, "only root can mount"))
    func promise() throws {
        let disk = try SmallDisk()
        let hasWritten = Locked(false)
        let arms = Locked(false)
        let reserve = 8 * mebibyte
        let site = try InProcessSite(
            directory: disk.url, reserve: .bytes(reserve), bootID: "boot",
            atStatement: { statement in
                // The first of the transaction: whatever was measured before it is out of date.
                guard statement.contains("state = 'sealed' AND update_time"), arms.withLock({ $0 }) else { return }
                let isFirst = hasWritten.withLock { done in
                    defer { done = true }
                    return !done
                }
                if isFirst { try? disk.fill(leaving: reserve + 2 * mebibyte) }
            })
        #expect(try site.send(page("192.0.2.1").request(0)).code == 2)
        try disk.fill(leaving: reserve + 8 * mebibyte)
        arms.withLock { $0 = true }
        // 3 MiB, beside the 2 MiB that are promised.
        let reply = try site.send(page("192.0.2.1").request(0))
        #expect(hasWritten.withLock { $0 })
        #expect(reason(reply) == "disk-full", "\(reply)")
        #expect(try site.metrics()["open_uploads"] == "1")
    }

    @Test(
        "bodies that are on their way off the disk refuse nothing for good",
        .enabled(if: geteuid() == 0, "only root can mount"), arguments: [true, false])
    func bodies(sendsSize: Bool) throws {
        let disk = try SmallDisk()
        let reserve = 8 * mebibyte
        let site = try InProcessSite(directory: disk.url, reserve: .bytes(reserve), bootID: "boot")
        try disk.fill(leaving: reserve + 12 * mebibyte)
        let body = disk.url.appendingPathComponent("body/0000000042")
        try Data(count: 14 * mebibyte).write(to: body)
        let page = page("192.0.2.1", sendsSize: sendsSize)
        let refused = try site.send(page.request(0))
        #expect(refused.status == 409 && reason(refused) == "disk-full", "\(refused)")
        #expect(try site.count("refusal") == 0 && site.service.refusedGuids.count == 0)
        try FileManager.default.removeItem(at: body)
        #expect(try site.sendAll(page).code == 1)
    }

    @Test(
        "an upload for which there was room is told to come again if the disk has none when it is stored",
        .enabled(if: geteuid() == 0, "only root can mount"))
    func fullMeanwhile() throws {
        let disk = try SmallDisk()
        let reserve = 8 * mebibyte
        let isFull = Locked(false)
        let site = try InProcessSite(
            directory: disk.url, reserve: .bytes(reserve), bootID: "boot",
            atStatement: { statement in
                guard statement.contains("INSERT INTO upload ("), !isFull.withLock({ $0 }) else { return }
                isFull.withLock { $0 = true }
                try? disk.fill(leaving: reserve + mebibyte / 2)
            })
        let reply = try site.send(page("192.0.2.1").request(0))
        #expect(isFull.withLock { $0 })
        #expect(reply.status == 409 && reason(reply) == "disk-full", "\(reply)")
        #expect(try site.count("refusal") == 0 && site.service.refusedGuids.count == 0)
    }

    @Test("an upload that ends is off the disk at once, whatever has its file open")
    func openWhenRemoved() throws {
        let site = try InProcessSite()
        #expect(try site.send(page("192.0.2.1").request(0)).code == 2)
        let upload = try #require(site.catalogue.openUploads().first)
        let file = try FileChunkStore(directory: site.dataDirectory.path, reserve: .bytes(0)).openUpload(upload.id)
        #expect(try file.descriptor.status().st_blocks >= mebibyte / 512)
        site.clock.advance(by: 3601)
        #expect(try site.service.sweep().expiredUploads == 1)
        #expect(try file.descriptor.status().st_blocks == 0)
    }

    @Test("a first chunk that waits for room keeps its place")
    func placeKept() throws {
        let first = try InProcessSite()
        let site = try first.another(reserve: .bytes(1 << 60))
        try first.execute("INSERT INTO freed VALUES (\(first.catalogue.clock), \(1 << 61))")
        let places = (1..<site.service.limits.heldBodies).map {
            site.service.heldBodies.place(for: Client(recorded: "client \($0)"))
        }
        let start = ContinuousClock.now
        let reply = try site.send(page("192.0.2.1").request(0))
        #expect(reply.status == 409 && reason(reply) == "disk-full", "\(reply)")
        let waiting = IntakeService.roomPause * Double(IntakeService.roomAttempts)
        #expect(ContinuousClock.now - start >= .seconds(waiting * 0.9))
        withExtendedLifetime(places) {}
    }

    /// Else who is admitted meanwhile waits for room that is there, and takes none from others.
    @Test("bytes that are gone are on their way off the disk until their file is removed, and no longer")
    func removed() throws {
        let site = try InProcessSite()
        @Sendable func awaits() throws -> Bool {
            try site.count("freed WHERE bytes > 0 AND time >= \(site.catalogue.clock - 5)") > 0
        }
        let first = page("192.0.2.1")
        _ = try site.sendAll(first)
        #expect(try !awaits())
        // Content that is there already.
        var again = first
        again.guid = PageUpload.newGuid()
        #expect(try site.sendAll(again).code == 1)
        #expect(eventually { (try? awaits()) == false })
        // Another md5.
        var wrong = PageUpload(content: videoBytes(299_999))
        (wrong.chunkSize, wrong.md5) = (100_000, md5Hex([1]))
        #expect(reason(try site.sendAll(wrong)) == "md5")
        #expect(eventually { (try? awaits()) == false })
        // A deletion, while it is under way and after it.
        let seen = Locked(false)
        let other = try site.another(atStep: { step in
            if step == .recordDeleted, (try? awaits()) == true { seen.withLock { $0 = true } }
        })
        for video in try site.catalogue.videos(owner: nil, limit: 9) {
            _ = try other.service.maintainer.deleteVideo(id: video.id)
        }
        #expect(seen.withLock { $0 })
        #expect(try !awaits())
        // The end of a life.
        #expect(try site.send(page("192.0.2.1").request(0)).code == 2)
        site.clock.advance(by: 3601)
        #expect(try site.service.sweep().expiredUploads == 1)
        #expect(try !awaits())
    }

    @Test("one request at a time waits for room, so that the others keep their threads")
    func waiting() throws {
        let site = try InProcessSite()
        let count = Locked(0)
        let start = ContinuousClock.now
        DispatchQueue.concurrentPerform(iterations: 16) { _ in
            if site.service.waitForRoom() { count.withLock { $0 += 1 } }
        }
        #expect(count.withLock { $0 } >= 1)
        // 16 after each other would take 0.8 s.
        #expect(ContinuousClock.now - start < .milliseconds(50 * count.withLock { $0 } + 400))
        #expect(site.service.waitForRoom())
    }

    @Test("a chunk is not refused for good while another process records the first one of its upload")
    func recordedMeanwhile() throws {
        let site = try InProcessSite()
        let third = try site.another()
        let page = page("192.0.2.1", sendsSize: false)
        let isArmed = Locked(false)
        let sent: Locked<ReceivedReply?> = Locked(nil)
        let other = try site.another(
            reserve: .bytes(1 << 60),
            atStatement: { statement in
                // Once it is found that the upload has no chunk, and before what follows from it.
                if statement.contains("received > 0"), statement.contains("SELECT 1 FROM upload") {
                    isArmed.withLock { $0 = true }
                } else if statement.contains("BEGIN"), isArmed.withLock({ $0 }), sent.withLock({ $0 == nil }) {
                    let reply = try? third.send(page.request(0))
                    sent.withLock { $0 = reply }
                }
            })
        // An upload without a chunk.
        _ = try site.send(page.request(0))
        try site.execute("DELETE FROM upload_chunk; UPDATE upload SET received = 0, received_bytes = 0")
        let reply = try other.send(page.request(1))
        #expect(sent.withLock { $0?.code } == 2)
        #expect(reply.status == 409 && reason(reply) == "disk-full", "\(reply)")
        #expect(try site.count("refusal") == 0 && other.service.refusedGuids.count == 0)
        #expect(try third.send(page.request(1)).code == 2)
        #expect(try third.send(page.request(2)).code == 1)
    }

    @Test("chunks that promised nothing add the promises up once a second, not each of them", arguments: [true, false])
    func cost(isKnown: Bool) throws {
        let sums = Atomic(0)
        let first = try InProcessSite()
        let site = try first.another(atStatement: { statement in
            if statement.contains("sum("), statement.contains("FROM upload WHERE state = 'open'") {
                sums.add(1, ordering: .relaxed)
            }
        })
        var page = PageUpload(content: videoBytes(50 * 1000))
        page.chunkSize = 1000
        if isKnown {
            _ = try first.sendAll(page)
            page.guid = PageUpload.newGuid()
        } else {
            page.overrides["size"] = .some(nil)
        }
        for chunk in 0..<50 {
            let before = sums.load(ordering: .relaxed)
            let reply = try site.send(page.request(chunk))
            #expect(reply.code == (chunk < 49 ? 2 : 1), "\(reply)")
            // The last one of unknown size is looked up, as one that may begin an upload.
            if chunk > 2, chunk < 49 { #expect(sums.load(ordering: .relaxed) == before, "chunk \(chunk)") }
            if chunk == 25 {
                site.clock.advance(by: 2)
                let next = try site.send(page.request(chunk + 1))
                #expect(next.code == 2)
                #expect(sums.load(ordering: .relaxed) == before + 1)
            }
        }
    }
}

/// What clients share that cannot be told apart.
@Suite struct UnknownClientTests {
    @Test("they have half of the threads at most, and others the rest")
    func pool() {
        let pool = WorkPool(threadLimit: 8, clientLimit: 1)
        let mayEnd = DispatchSemaphore(value: 0)
        let isRunning = Atomic(0)
        for _ in 0..<20 {
            pool.submit(client: "") {
                isRunning.add(1, ordering: .sequentiallyConsistent)
                mayEnd.wait()
            }
        }
        let others = DispatchSemaphore(value: 0)
        for number in 0..<4 { pool.submit(client: "c\(number)") { others.signal() } }
        for _ in 0..<4 { #expect(others.wait(timeout: .now() + 10) == .success) }
        #expect(eventually { isRunning.load(ordering: .sequentiallyConsistent) == 4 })
        for _ in 0..<20 { mayEnd.signal() }
        #expect(eventually { isRunning.load(ordering: .sequentiallyConsistent) == 20 })
    }

    @Test("of refusals without a row they have half at most")
    func refusals() {
        let guids = RefusedGuids(limit: 20, clientLimit: 2)
        for number in 0..<30 {
            guids.add(
                Refusal(
                    owner: "", md5: "m", guid: "\(number)", reason: "quota", hasFirst: true, client: .unknown, time: 1,
                    isRecorded: false))
        }
        #expect(guids.count == 10)
    }
}
