import Model
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Foundation
import Glibc
import Logging
import Testing
import TestSupport
import Media

@testable import Worker

/// What a worker does with jobs, on a real catalogue and real files, with real ffmpeg.
@Suite("The transcoding worker", .serialized) struct TranscodingWorkerTests {
    @Test("jobs are done, each once, and the records tell what is there")
    func done() throws {
        let shop = try Shop()
        let ids = try [FFmpegVideo.Kind.h264, .avi].map { try shop.upload(FFmpegVideo($0)) }
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.video($0).state == .ready } })
        worker.stop()
        let done = shop.messages.filter { $0.hasPrefix("job is done") }
        #expect(done.sorted() == ids.map { "job is done \($0)" }.sorted())
        let video = try shop.video(ids[0])
        let media = try #require(video.media)
        #expect(media.width == 320 && media.height == 180)
        #expect(media.videoCodec == "h264" && media.audioCodec == "aac" && media.bitRate ?? 0 > 1000)
        #expect(abs(video.duration! - 2) < 0.2)
        let directory = try StorageLayout.results(of: shop.job(ids[0]))
        #expect(
            media.paths
                == ["video.mp4", "hls/master.m3u8", "poster.jpg", "thumbnails.vtt"].map { "\(directory)/\($0)" })
        for path in media.paths { #expect(access(shop.path(path), R_OK) == 0, "\(path)") }
        #expect(shop.workDirectories.isEmpty)
    }

    @Test("what an earlier version has made stays until it has become due, and another claim's is not touched")
    func again() throws {
        let shop = try Shop()
        shop.settings.profile.outputs = [.poster]
        let id = try shop.upload(FFmpegVideo(.h264))
        let above = StorageLayout.results(ofOriginal: try shop.video(id).path)
        for name in ["hls", "99.1"] {
            try FileManager.default.createDirectory(
                atPath: shop.path("\(above)/\(name)"), withIntermediateDirectories: true)
        }
        try Data("old".utf8).write(to: URL(fileURLWithPath: shop.path(above + "/poster.jpg")))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        worker.stop()
        let poster = try StorageLayout.results(of: shop.job(id)) + "/poster.jpg"
        #expect(try shop.video(id).media?.posterPath == poster && access(shop.path(poster), R_OK) == 0)
        #expect(textOfFile(shop.path(above + "/poster.jpg")) == "old")
        let garbage = try shop.catalogue.garbage(limit: 9)
        #expect(garbage.map(\.path).sorted() == ["\(above)/hls", "\(above)/poster.jpg"])
        #expect(try shop.catalogue.garbage(limit: 9, dueAt: shop.now()) == [])
    }

    @Test("how long a video plays is measured, whatever is known before")
    func duration() throws {
        let shop = try Shop()
        let id = try shop.upload(FFmpegVideo(.h264))
        try shop.execute("UPDATE video_info SET duration = 3606, probed = 1")
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        worker.stop()
        #expect(try abs(shop.video(id).duration! - 2) < 0.2)
    }

    @Test("a worker says that it runs, and that it has ended")
    func heartbeat() throws {
        let shop = try Shop()
        try shop.catalogue.noteWorker("died", now: shop.now() - 100)
        let start = shop.now()
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.catalogue.figures().workers.map(\.name) == ["died", "test"] })
        #expect(try shop.catalogue.figures().workers[1].time >= start)
        worker.stop()
        #expect(try shop.catalogue.figures().workers.map(\.name) == ["died"])
    }

    @Test("that it cannot say so is a warning once, however often it is tried")
    func noHeartbeat() throws {
        let shop = try Shop()
        try shop.execute("CREATE TRIGGER broken BEFORE INSERT ON worker BEGIN SELECT raise(ABORT, 'broken'); END")
        let time = Locked(shop.now())
        let worker = try shop.makeWorker {
            time.withLock {
                $0 += WorkerHeartbeat.interval
                return $0
            }
        }
        let stop = StopSignal()
        var turns = 0
        worker.run(until: stop) {
            turns += 1
            if turns == 5 { stop.stop() }
        }
        #expect(shop.messages.count { $0.hasPrefix("cannot say that this worker runs") } == 1, "\(shop.messages)")
    }

    @Test("each lease that is renewed is a turn: together they may take long where the catalogue is locked")
    func turns() throws {
        let shop = try Shop()
        shop.settings.jobs = 3
        shop.settings.profile.outputs = [.poster]
        shop.settings.profile.commands = [["sleep", "300"]]
        for _ in 0..<3 { try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 0.2)) }
        let steps = Locked<[String]>([])
        let catalogue = WatchedQueue(catalogue: shop.catalogue) { steps.withLock { $0.append("renewed") } }
        let stop = StopSignal()
        let end = ContinuousClock.now + .seconds(60)
        try shop.makeWorker(catalogue: catalogue).run(until: stop) {
            let isEnough = steps.withLock { steps in
                steps.append("turn")
                return steps.count { $0 == "renewed" } > 12
            }
            if isEnough || ContinuousClock.now > end { stop.stop() }
        }
        steps.withLock { steps in
            #expect(steps.count { $0 == "renewed" } > 12)
            #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 != "renewed" || $1 == "turn" }, "\(steps)")
        }
    }

    @Test("a file that cannot be decoded fails at once, and the next one is done")
    func undecodable() throws {
        let shop = try Shop()
        let bad = try shop.upload(PageUpload(content: videoBytes(50_000)))
        let good = try shop.upload(FFmpegVideo(.h264))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.video(good).state == .ready })
        worker.stop()
        let job = try #require(try shop.catalogue.job(ofFile: try shop.video(bad).path))
        #expect(job.state == .failed && job.attempts == 1 && job.errorCode == "unsupported")
        #expect(job.error?.split(separator: "\n").count ?? 0 > 1, "\(job.error ?? "")")
        #expect(try shop.video(bad).state == .failed)
        #expect(shop.published(bad) == false && shop.workDirectories.isEmpty)
    }

    @Test("a worker that is told to stop gives its job back and leaves nothing")
    func stop() throws {
        let shop = try Shop()
        let id = try shop.upload(FFmpegVideo(.h264, size: "1280x720", seconds: 20))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(id).state == .running && shop.job(id).progress > 0 })
        let start = ContinuousClock.now
        worker.stop()
        #expect(ContinuousClock.now - start < .seconds(10))
        let job = try shop.job(id)
        #expect(job.state == .queued && job.attempts == 0 && job.deaths == 0 && job.error == nil)
        #expect(shop.published(id) == false && shop.workDirectories.isEmpty && shop.tools.isEmpty)
    }

    @Test("a job that is cancelled while it runs ends soon and publishes nothing")
    func cancel() throws {
        let shop = try Shop()
        // By itself it would not end in time.
        shop.settings.profile.commands = [["sleep", "300"]]
        let id = try shop.upload(FFmpegVideo(.h264, size: "1280x720", seconds: 20))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(id).progress > 0 })
        #expect(try shop.catalogue.cancelJob(id: try shop.job(id).id, now: shop.now()))
        #expect(shop.waitUntil { shop.workDirectories.isEmpty && shop.tools.isEmpty })
        worker.stop()
        #expect(try shop.job(id).errorCode == "cancelled" && shop.published(id) == false)
    }

    @Test("nothing is left of a video that is deleted while it is transcoded")
    func delete() throws {
        let shop = try Shop()
        // By itself it would not end in time.
        shop.settings.profile.commands = [["sleep", "300"]]
        let id = try shop.upload(FFmpegVideo(.h264, size: "1280x720", seconds: 20))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(id).progress > 0 })
        _ = try shop.site.service.maintainer.deleteVideo(id: id)
        #expect(shop.waitUntil { shop.workDirectories.isEmpty && shop.tools.isEmpty })
        worker.stop()
        #expect(shop.site.publishedFiles() == [])
    }

    @Test("a video that is deleted at the moment of its publication leaves nothing")
    func deleteLate() throws {
        let shop = try Shop()
        let id = try shop.upload(FFmpegVideo(.h264))
        let path = try shop.video(id).path
        // Between the publication and the record of it: this trigger deletes the job as `video delete` would.
        try shop.execute(
            """
            CREATE TRIGGER gone BEFORE UPDATE OF state ON job WHEN new.state = 'done' BEGIN
                DELETE FROM video_info; DELETE FROM job; END
            """)
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { shop.messages.contains { $0.hasPrefix("job ends") } })
        worker.stop()
        #expect(try shop.catalogue.job(ofFile: path) == nil)
        #expect(shop.site.publishedFiles().map { "upload/" + $0 } == [path])
        #expect(shop.workDirectories.isEmpty)
    }

    @Test("a lease that has ended is taken over; the late worker stops, and one result is there")
    func takenOver() throws {
        let shop = try Shop()
        let id = try shop.upload(FFmpegVideo(.h264, size: "1280x720", seconds: 8))
        let first = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(id).progress > 0 })
        let before = try shop.job(id)
        var claimed: Job?
        #expect(
            shop.waitUntil {
                // A heartbeat may come in between.
                try shop.execute("UPDATE job SET lease_until = 0")
                claimed = try shop.catalogue.claimJob(worker: "second", lease: 3600, now: shop.now())
                return claimed != nil
            })
        let second = try #require(claimed)
        #expect(second.id == before.id)
        #expect(shop.waitUntil { shop.workDirectories.isEmpty && shop.tools.isEmpty })
        #expect(try shop.job(id).worker == "second" && shop.published(id) == false)
        #expect(try shop.catalogue.releaseJob(second, now: shop.now()))
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        first.stop()
        #expect(shop.messages.count { $0.hasPrefix("job is done") } == 1)
    }

    @Test("what dead workers have left is removed, what a living one has stays")
    func abandoned() throws {
        let shop = try Shop()
        try shop.upload(FFmpegVideo(.h264))
        let job = try #require(try shop.catalogue.claimJob(worker: "alive", lease: 3600, now: shop.now()))
        for name in ["\(job.id).\(job.claims)", "\(job.id).\(job.claims - 1)", "99.1", "notes", "1.2.3"] {
            try FileManager.default.createDirectory(
                atPath: shop.settings.workDirectory + "/\(name)/hls", withIntermediateDirectories: true)
        }
        try shop.makeWorker().removeAbandoned()
        #expect(shop.workDirectories == ["\(job.id).\(job.claims)", "1.2.3", "notes"].sorted())
    }

    @Test("several jobs are done at the same time by several workers, none of them twice")
    func many() throws {
        let shop = try Shop()
        shop.settings.profile.outputs = [.poster]
        shop.settings.jobs = 2
        let ids = try (0..<12).map { _ in try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 0.2)) }
        let workers = try [shop.startWorker(), shop.startWorker()]
        #expect(shop.waitUntil { try ids.allSatisfy { try shop.video($0).state == .ready } })
        workers.forEach { $0.stop() }
        #expect(Set(shop.messages.filter { $0.hasPrefix("job is done") }) == Set(ids.map { "job is done \($0)" }))
        #expect(shop.messages.count { $0.hasPrefix("job is done") } == ids.count)
        #expect(try shop.count("event WHERE kind = 'video.ready'") == ids.count)
    }

    @Test("no job is begun while the disk has no room but the reserve")
    func noRoom() throws {
        let shop = try Shop()
        let id = try shop.upload(FFmpegVideo(.h264))
        let worker = try shop.startWorker(reserve: .bytes(1 << 60))
        #expect(shop.waitUntil { shop.messages.contains { $0.hasPrefix("no job is begun") } })
        worker.stop()
        #expect(try shop.job(id).state == .queued && shop.job(id).claims == 0)
    }

    @Test("what makes a tool hang ends, and is not tried again; the queue goes on")
    func hangs() throws {
        let shop = try Shop()
        shop.settings.profile.commands = [["sh", "-c", "case {duration} in 3*) sleep 1000 ;; esac"]]
        shop.limits.stallTime = 8
        let bad = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 3))
        let good = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(bad).state == .failed && shop.video(good).state == .ready })
        worker.stop()
        let job = try shop.job(bad)
        #expect(job.errorCode == "timeLimit" && job.attempts == 1 && job.error?.contains("did nothing") == true)
        #expect(shop.published(bad) == false && shop.workDirectories.isEmpty && shop.tools.isEmpty)
    }

    @Test("what a tool wants too much memory for is tried once more, with more of it")
    func memoryLimit() throws {
        let shop = try Shop()
        shop.settings.memory = 6 << 30
        shop.settings.profile.outputs = [.poster]
        shop.settings.profile.commands = [["sh", "-c", "ulimit -v >&2; echo 'Cannot allocate memory' >&2; exit 1"]]
        let id = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.job(id).error != nil })
        let first = try shop.job(id).error
        try shop.execute("UPDATE job SET not_before = 0")
        #expect(shop.waitUntil { try shop.job(id).state == .failed })
        worker.stop()
        #expect(try shop.job(id).attempts == 2 && shop.job(id).errorCode == "memoryLimit")
        // In KiB: one of three shares, then all but that of short jobs.
        #expect(first?.contains("\n\(2 << 20)\n") == true, "\(first ?? "")")
        let second = try shop.job(id).error
        #expect(second?.contains("\n\(4 << 20)\n") == true, "\(second ?? "")")
    }
}

/// The queue, and who is told of each lease that is renewed.
private struct WatchedQueue: JobQueue {
    let catalogue: Catalogue
    let whenRenewed: @Sendable () -> Void

    func job(id: Int64) throws(CatalogueError) -> Job? { try catalogue.job(id: id) }

    func claimJob(
        worker: String, lane: Job.Lane, lease: Int64, now: Int64, isSilent: (Job) -> Bool
    ) throws(CatalogueError) -> Job? {
        try catalogue.claimJob(worker: worker, lane: lane, lease: lease, now: now, isSilent: isSilent)
    }

    func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool {
        try catalogue.hasWaiting(lane, before: job, now: now)
    }

    func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool {
        whenRenewed()
        return try catalogue.heartbeat(job, lease: lease, progress: progress, standsStill: standsStill, now: now)
    }

    func finishJob(
        _ job: Job, media: MediaFacts, duration: Double?, replacing old: [String], now: Int64
    ) throws(CatalogueError) -> [Video]? {
        try catalogue.finishJob(job, media: media, duration: duration, replacing: old, now: now)
    }

    func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State? {
        try catalogue.failJob(job, error: error, isFinal: isFinal, isOverBudget: isOverBudget, now: now)
    }

    func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State? {
        try catalogue.postponeJob(job, error: error, now: now)
    }

    func releaseJob(_ job: Job, isLong: Bool, now: Int64) throws(CatalogueError) -> Bool {
        try catalogue.releaseJob(job, isLong: isLong, now: now)
    }

    func noteWorker(_ name: String, _ capacity: WorkerCapacity, now: Int64) throws(CatalogueError) {
        try catalogue.noteWorker(name, capacity, now: now)
    }

    func forgetWorker(_ name: String) throws(CatalogueError) { try catalogue.forgetWorker(name) }
}
