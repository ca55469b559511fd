import Model
import Foundation
import Glibc
import TestSupport
import Testing
import Media

@testable import Worker

/// What one client's videos cost another one's, with real workers.
@Suite("Fairness of the transcoding worker", .serialized) struct FairnessTests {
    @Test("a video of 10 s that comes after ten bombs of another client is ready within a minute, one job at a time")
    func bombs() throws {
        let shop = try Shop()
        var bomb = try HostileVideo.onePicture(side: 8192, samples: 43_000)
        let bombs = try (0..<10).map { index in
            bomb += [0, 0, 0, 12] + Array("free".utf8) + [0, 0, 0, UInt8(index)]
            return try shop.upload(PageUpload(fileName: "\(index).mp4", content: bomb))
        }
        let good = try shop.upload(FFmpegVideo(.h264, size: "640x360", seconds: 10))
        try shop.execute("UPDATE job SET client = iif(job_id = \(shop.job(good).id), '192.0.2.2', '192.0.2.1')")
        let start = ContinuousClock.now
        let worker = try shop.startWorker()
        #expect(shop.waitUntil(within: 600) { try shop.video(good).state == .ready })
        print("ready after", ContinuousClock.now - start)
        #expect(shop.waitUntil(within: 600) { try bombs.allSatisfy { try shop.job($0).state == .failed } })
        print("all refused after", ContinuousClock.now - start)
        worker.stop()
        for bomb in bombs {
            let job = try shop.job(bomb)
            #expect(job.errorCode == "tooMuch" && job.attempts == 1)
            #expect(job.error?.contains("are allowed") == true, "\(job.error ?? "")")
        }
        #expect(try shop.catalogue.figures().jobsOverBudget == 10)
        // Its turn comes before that of most of the bombs. When it ends says how busy the machine is.
        let begins = shop.messages.filter { $0.hasPrefix("job begins") }
        let place = try #require(begins.firstIndex { try $0.hasSuffix(" \(shop.job(good).id)") })
        #expect(place < 5, "\(begins)")
    }

    @Test("a short job does not wait for a long one that has the only slot")
    func shortLane() throws {
        let shop = try Shop()
        shop.settings.profile.commands = [["sh", "-c", "case {duration} in 3*) sleep 300 ;; esac"]]
        let long = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 3))
        try shop.execute("UPDATE job SET is_long = 1")
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(long).progress > 0 })
        let short = try (0..<2).map { _ in try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1)) }
        let other = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        try shop.execute("UPDATE job SET is_long = 1 WHERE path = '\(shop.video(other).path)'")
        #expect(shop.waitUntil { try short.allSatisfy { try shop.video($0).state == .ready } })
        #expect(try shop.job(long).state == .running && shop.job(other).state == .queued)
        worker.stop()
    }

    @Test("a job that is longer than it looked is given back by the lane of short ones, which takes the next")
    func tooLong() throws {
        let shop = try Shop()
        shop.settings.profile.commands = [["sh", "-c", "case {duration} in 3.*) sleep 300 ;; esac"]]
        let long = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 3))
        try shop.execute("UPDATE job SET is_long = 1")
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(long).progress > 0 })
        // Half a minute, half a megabyte, 30 pictures: more to decode than a minute of film.
        let large = try shop.upload(
            PageUpload(fileName: "a.mp4", content: try HostileVideo.onePicture(side: 8192, samples: 30)))
        #expect(shop.waitUntil { try shop.job(large).claims == 1 && shop.job(large).state == .queued })
        let short = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        #expect(shop.waitUntil { try shop.video(short).state == .ready })
        let job = try shop.job(large)
        #expect(job.state == .queued && job.claims == 1 && job.attempts == 0 && job.error == nil)
        worker.stop()
    }

    @Test("a running job stops at the reserve, costs no attempt, and is done when there is room")
    func noRoom() throws {
        let shop = try Shop()
        shop.settings.jobs = 2
        shop.settings.profile.outputs = [.poster]
        shop.settings.profile.commands = [Shop.gate]
        let ids = try (0..<2).map { _ in try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1)) }
        var status = statvfs()
        #expect(statvfs(shop.path(""), &status) == 0)
        let free = Int(status.f_bavail * status.f_frsize)
        let margin = min(4 << 30, free / 3)
        let worker = try shop.startWorker(reserve: .bytes(free - margin))
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.job($0).progress > 0 } })
        let ballast = Glibc.open(shop.path("ballast"), O_WRONLY | O_CREAT, 0o600)
        #expect(posix_fallocate(ballast, 0, off_t(2 * margin)) == 0)
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.job($0).state == .queued } })
        for job in try ids.map(shop.job) {
            #expect(job.errorCode == "noSpace" && job.attempts == 0, "\(job)")
            #expect((50...60).contains(job.notBefore - shop.now()), "\(job.notBefore - shop.now())")
        }
        // They go after the job is given back.
        #expect(shop.waitUntil { shop.workDirectories.isEmpty && shop.tools.isEmpty })
        #expect(ftruncate(ballast, 0) == 0)
        close(ballast)
        for id in ids { try shop.open(id) }
        try shop.execute("UPDATE job SET not_before = 0")
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.video($0).state == .ready } })
        worker.stop()
    }

    @Test("a job in the lane of short ones soon makes way for a client that has used less, not for its own client")
    func sharedLane() throws {
        let shop = try Shop()
        shop.settings.profile.outputs = [.poster]
        shop.settings.profile.commands = [["sh", "-c", "case {duration} in 3*) sleep 300 ;; esac"]]
        func upload(_ client: String, seconds: Double) throws -> Int64 {
            let id = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: seconds))
            try shop.execute("UPDATE job SET client = '\(client)' WHERE path = '\(shop.video(id).path)'")
            return id
        }
        let long = try upload("a", seconds: 3)
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(long).progress > 0 })
        let inLane = try upload("a", seconds: 3)
        #expect(shop.waitUntil { try shop.job(inLane).progress > 0 })
        let own = try upload("a", seconds: 1)
        usleep(25_000_000)
        #expect(try shop.job(inLane).state == .running && shop.job(own).state == .queued)
        let other = try upload("b", seconds: 1)
        let start = ContinuousClock.now
        #expect(shop.waitUntil { try shop.video(other).state == .ready })
        print("ready after", ContinuousClock.now - start)
        // It has cost nothing, and is not for that lane any more.
        #expect(shop.waitUntil { try shop.video(own).state == .ready })
        let job = try shop.job(inLane)
        #expect(job.state == .queued && job.claims == 1 && job.attempts == 0 && job.error == nil)
        #expect(try shop.job(long).state == .running)
        worker.stop()
    }

    @Test("room is promised to one job at a time, and given back with it")
    func promises() throws {
        let shop = try Shop()
        for _ in 0..<2 { try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 0.2)) }
        let jobs = HeldJobs()
        let held = try (0..<2).map { _ in
            let job = try #require(try shop.catalogue.claimJob(worker: "test", lease: 60, now: shop.now()))
            return HeldJob(job, lane: .any, lease: 60, uptime: 0)
        }
        held.forEach(jobs.insert)
        var asked: [Int] = []
        func promise(_ bytes: Int, _ index: Int) -> Bool {
            jobs.promise(bytes, to: held[index]) {
                asked.append($0)
                return $0 <= 100
            }
        }
        #expect(promise(60, 0) && !promise(50, 1) && jobs.promised == 60)
        // What it has written is no longer to come.
        #expect(promise(20, 0) && promise(50, 1) && jobs.promised == 70)
        #expect(asked == [60, 110, 70])
        jobs.remove(held[0])
        #expect(jobs.promised == 50 && promise(100, 0) == false && promise(0, 1) && promise(100, 0))
    }

    @Test(
        "a copy that there is no room for is not begun, and the reserve stays free",
        .enabled(if: geteuid() == 0, "only root can mount"))
    func copyWithoutRoom() throws {
        let disk = try makeTemporaryDirectory().resolvingSymlinksInPath()
        func command(_ words: String...) throws -> Bool {
            try ChildProcess.run(words[0], Array(words.dropFirst()), within: 120).end == .exit(0)
        }
        #expect(try command("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", disk.path))
        defer {
            _ = try? command("umount", "--lazy", disk.path)
            try? FileManager.default.removeItem(at: disk)
        }
        let shop = try Shop(disk: disk)
        shop.settings.profile.outputs = [.mp4]
        let file = disk.appendingPathComponent("noise.mp4")
        #expect(
            try command(
                "ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo", "-video_size", "1280x720", "-pix_fmt", "yuv420p",
                "-framerate", "25", "-i", "/dev/urandom", "-frames:v", "60", "-c:v", "libx264", "-qp", "4", "-preset",
                "ultrafast", file.path))
        let content = Array(try Data(contentsOf: file))
        try FileManager.default.removeItem(at: file)
        #expect(content.count > 64 << 20)
        let id = try shop.upload(PageUpload(fileName: "noise.mp4", content: content))
        @Sendable func free() -> Int {
            var status = statvfs()
            #expect(statvfs(disk.path, &status) == 0)
            return Int(status.f_bavail * status.f_frsize)
        }
        // Above the reserve there is less than the copy has.
        let reserve = 100 << 20
        let ballast = Glibc.open(shop.path("ballast-of-test"), O_WRONLY | O_CREAT, 0o600)
        #expect(posix_fallocate(ballast, 0, off_t(free() - reserve - content.count + 1 << 20)) == 0)
        let (lowest, isOver) = (Locked(Int.max), Locked(false))
        let watcher = Thread {
            while !isOver.withLock(\.self) {
                let now = free()
                lowest.withLock { $0 = min($0, now) }
                usleep(2000)
            }
        }
        let worker = try shop.startWorker(reserve: .bytes(reserve))
        watcher.start()
        defer { isOver.withLock { $0 = true } }
        #expect(shop.waitUntil { try shop.job(id).errorCode == "noSpace" })
        #expect(try shop.job(id).state == .queued && shop.job(id).attempts == 0)
        #expect(lowest.withLock(\.self) >= reserve, "\(lowest.withLock(\.self)) of \(reserve)")
        #expect(ftruncate(ballast, 0) == 0)
        close(ballast)
        try shop.execute("UPDATE job SET not_before = 0")
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        #expect(lowest.withLock(\.self) >= reserve, "\(lowest.withLock(\.self)) of \(reserve)")
        worker.stop()
    }

    @Test("a job of another client has its turn when one has run for its time, and both go on where they were")
    func turns() throws {
        let shop = try Shop()
        shop.settings.turnTime = 4
        shop.settings.profile.outputs = [.poster]
        // A line for each twentieth of a second that they run.
        shop.settings.profile.commands = [
            ["sh", "-c", "while ! [ -x {input} ]; do echo x >> {output}/lines; sleep 0.05; done"]
        ]
        let ids = try [3.0, 1].map { try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: $0)) }
        try shop.execute("UPDATE job SET is_long = 1, client = 'c' || job_id")
        // The first to come is the first to run, though it is the larger one.
        let worker = try shop.startWorker()
        func lines(_ id: Int64) throws -> Int {
            FileManager.default.contents(atPath: try shop.workDirectory(id) + "/lines")?.count ?? 0
        }
        let (first, second) = (ids[0], ids[1])
        #expect(shop.waitUntil { try lines(second) > 0 })
        #expect(try lines(first) > 0)
        // Which of them write, every half second.
        var seen: [[Bool]] = []
        for _ in 0..<50 {
            let before = try (lines(first), lines(second))
            usleep(500_000)
            seen.append(try [lines(first) > before.0, lines(second) > before.1])
        }
        let alone = [[true, false], [false, true]].map { one in seen.count { $0 == one } }
        #expect(alone.allSatisfy { $0 >= 8 } && seen.count { $0 == [true, true] } < 15, "\(seen)")
        for id in ids { try shop.open(id) }
        // The other one goes on when the first is done.
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.video($0).state == .ready } })
        worker.stop()
        #expect(try ids.allSatisfy { try shop.job($0).claims == 1 })
    }

    @Test("what all tools may take together is never more than there is")
    func memory() {
        let free = Locked<Int?>(1 << 40)
        let budget = MemoryBudget(total: 100) { free.withLock(\.self) }
        #expect(budget.take(60) && !budget.take(60) && budget.take(40) && !budget.take(1))
        budget.giveBack(40)
        // The machine has less than that.
        free.withLock { $0 = 30 }
        #expect(!budget.take(40) && budget.take(30))
        budget.giveBack(90)
        // Somebody begins, however little the machine has.
        #expect(budget.take(60))
        free.withLock { $0 = nil }
        #expect(budget.grow(60, upTo: 90) == 90 && budget.grow(90, upTo: 50) == 90 && budget.take(10))
        #expect(budget.grow(10, upTo: 200) == 10)
    }

    @Test(
        "the number of jobs and the memory of a tool follow from the machine",
        arguments: [
            (processors: 2, gib: 1.0, jobs: 1, tool: 0.5, short: 0), (2, 2, 1, 1.25, 0), (2, 4, 1, 1.5, 1.25),
            (4, 8, 1, 1.917, 1.917), (8, 16, 4, 1.958, 1.958), (64, 64, 22, 1.99, 1.99), (2, 256, 1, 4, 4),
        ])
    func machine(processors: Int, gib: Double, jobs: Int, tool: Double, short: Double) {
        let memory = WorkerSettings.defaultMemory(machine: Int(gib * Double(1 << 30)))
        #expect(memory <= Int(gib * 0.75 * Double(1 << 30)) || gib < 1.1)
        #expect(WorkerSettings.defaultJobs(processors: processors, memory: memory) == jobs)
        let bytes = WorkerSettings.toolMemory(jobs: jobs, memory: memory)
        #expect(abs(Double(bytes) / Double(1 << 30) - tool) < 0.01, "\(Double(bytes) / Double(1 << 30))")
        let shortBytes = WorkerSettings.shortMemory(jobs: jobs, memory: memory)
        #expect(abs(Double(shortBytes) / Double(1 << 30) - short) < 0.01, "\(shortBytes)")
        #expect(bytes <= memory - shortBytes)
    }
}
