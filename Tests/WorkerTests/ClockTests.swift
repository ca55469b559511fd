import Model
import Foundation
import Glibc
import TestSupport
import Testing
import Media

@testable import Worker

/// Clocks that jump, under workers that run.
@Suite("Clocks of the transcoding worker", .serialized) struct ClockTests {
    @Test(
        "a clock that is 25 h or a year ahead for a while costs a worker none of its jobs", arguments: [25, 24 * 365])
    func jump(hours: Int64) throws {
        let shop = try Shop()
        // One more than there are jobs, which looks for one all the time.
        shop.settings.jobs = 2
        shop.settings.profile.outputs = [.poster]
        shop.settings.profile.commands = [Shop.gate]
        let id = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        let offset = Locked<Int64>(0)
        let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) + offset.withLock(\.self) }
        // Another one, whose clock jumps too.
        var other = shop.settings
        other.name = "other"
        let workers = try [shop.settings, other].map { settings in
            shop.settings = settings
            return StartedWorker(try shop.makeWorker(now: now))
        }
        #expect(shop.waitUntil { try shop.job(id).progress > 0 })
        for _ in 0..<3 {
            for jump in [hours * 3600, 0] {
                offset.withLock { $0 = jump }
                // Longer than a lease.
                usleep(3_000_000)
            }
        }
        #expect(try shop.job(id).state == .running && shop.job(id).claims == 1)
        try shop.open(id)
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        workers.forEach { $0.stop() }
        #expect(try shop.job(id).claims == 1 && shop.job(id).deaths == 0)
    }

    @Test("what a worker has left that died with a clock ahead is taken over when the clock is back")
    func deathAhead() throws {
        let shop = try Shop()
        shop.settings.profile.outputs = [.poster]
        let id = try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        let ahead = shop.now() + 365 * 24 * 3600
        #expect(try shop.catalogue.claimJob(worker: "dead", lease: 60, now: ahead) != nil)
        try shop.catalogue.noteWorker("dead", now: ahead)
        let worker = try shop.startWorker()
        #expect(shop.waitUntil { try shop.video(id).state == .ready })
        #expect(try shop.job(id).deaths == 1)
        // Its heartbeat does not make it live for a year.
        #expect(shop.waitUntil { try shop.catalogue.figures().workers.map(\.name) == ["test"] })
        worker.stop()
    }

    @Test("a lease is lost when it was not renewed for its time, whatever the clock on the wall says")
    func lease() throws {
        let shop = try Shop()
        try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        let job = try #require(try shop.catalogue.claimJob(worker: "test", lease: 60, now: 1000))
        let held = HeldJob(job, lane: .any, lease: 60, uptime: 500)
        #expect(!held.isLost(uptime: 559) && held.isLost(uptime: 560))
        for now: Int64 in [1_000_000, 5, 1000] {
            #expect(try held.renew(shop.catalogue, now: now, uptime: 550))
            #expect(!held.isLost(uptime: 609) && held.isLost(uptime: 610))
        }
        try shop.execute("UPDATE job SET claims = claims + 1")
        #expect(try !held.renew(shop.catalogue, now: 1000, uptime: 551))
        #expect(held.isLost(uptime: 551))
    }

    @Test("a worker is silent when its lease was seen not to change, by a clock that does not jump")
    func silence() throws {
        let shop = try Shop()
        try shop.upload(FFmpegVideo(.h264, size: "64x64", seconds: 1))
        func claim(now: Int64) throws -> Job {
            try #require(try shop.catalogue.claimJob(worker: "test", lease: 60, now: now))
        }
        let watch = LeaseWatch(lease: 60)
        let first = try claim(now: 1000)
        #expect(!watch.isSilent(first, uptime: 0) && !watch.isSilent(first, uptime: 14.9))
        #expect(watch.isSilent(first, uptime: 15))
        // It was renewed, or claimed anew.
        let second = try claim(now: 2000)
        #expect(!watch.isSilent(second, uptime: 16) && watch.isSilent(second, uptime: 31))
    }
}
