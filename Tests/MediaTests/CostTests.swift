import Foundation
import Glibc
import System
import TestTools
import Testing

@testable import Media

/// What a video costs, what it may cost, and what is counted while its tools run.
@Suite struct CostTests {
    private func cost(
        _ width: Int, _ height: Int, rate: Double, hours: Double, keyInterval: Double, megabits: Double
    ) -> TranscodingCost {
        var cost = TranscodingCost(
            size: PictureSize(width: width, height: height), bytes: Int(megabits * 1e6 / 8 * hours * 3600))
        cost.pictures = Int(rate * hours * 3600)
        cost.keyPictures = Int(hours * 3600 / keyInterval)
        cost.pictureBytes = cost.bytes
        return cost
    }

    @Test("long and large recordings are within the budget")
    func honest() {
        let limit = TranscodingLimits().decoding
        // A telephone, with a key picture every half second; recordings of a screen and of a stage.
        #expect(cost(3840, 2160, rate: 60, hours: 2, keyInterval: 0.5, megabits: 100).decoding < limit)
        #expect(cost(1920, 1080, rate: 25, hours: 12, keyInterval: 1, megabits: 20).decoding < limit)
        #expect(cost(1920, 1080, rate: 60, hours: 12, keyInterval: 2, megabits: 6).decoding < limit)
        // An editor's file: nothing but key pictures.
        #expect(cost(3840, 2160, rate: 25, hours: 1, keyInterval: 0.04, megabits: 600).decoding < limit)
        #expect(cost(7680, 4320, rate: 30, hours: 0.5, keyInterval: 1, megabits: 100).decoding < limit)
        #expect(TranscodingLimits().duration > 12 * 3600 + 60)
    }

    @Test("an hour of slides in a few megabytes is no less welcome than an hour of film")
    func slides() {
        #expect(
            cost(1920, 1080, rate: 25, hours: 1, keyInterval: 10, megabits: 0.01).decoding
                < TranscodingLimits().decoding / 10)
    }

    @Test("hours of one large picture are refused before anything is decoded, whatever length is announced")
    func onePicture() throws {
        let workshop = try Workshop()
        // The second one announces 43 s.
        for interval in [1, 0.001] {
            let content = try HostileVideo.onePicture(side: 8192, samples: 43_000, interval: interval)
            #expect(content.count < 1 << 20)
            let file = workshop.path("bomb.mp4")
            try Data(content).write(to: URL(fileURLWithPath: file))
            let before = childrenTime()
            let error = workshop.failure(file, .mp4)
            #expect(error?.code == .tooMuch, "\(String(describing: error))")
            #expect(error?.reason.contains("8192x8192") == true && error?.reason.contains("6.0e12") == true)
            #expect(!workshop.exists("work/video.mp4"))
            // It would take hours.
            #expect(childrenTime() - before < 60)
        }
    }

    /// What a file costs, without converting it.
    private func cost(of file: String, in workshop: Workshop) throws -> TranscodingCost {
        var seen: TranscodingCost?
        do throws(TranscodingError) {
            _ = try Transcoder(limits: TranscodingLimits(), logger: .init(label: "test")).run(
                SourceFile(path: file, format: .mp4), in: workshop.work, profile: Workshop.quick,
                accept: {
                    seen = $0
                    return false
                }, progress: { _ in }, isCancelled: { false })
            Issue.record("it was not ended")
        } catch {
            #expect(error.code == .cancelled)
        }
        return try #require(seen)
    }

    @Test("packets are counted as they are in the file, and key pictures among them")
    func count() throws {
        let workshop = try Workshop()
        let file = try workshop.makeVideo(
            "a.mp4", seconds: 4, ["-c:v", "libx264", "-g", "10", "-sc_threshold", "0", "-preset", "ultrafast"])
        let cost = try cost(of: file, in: workshop)
        let packets = try Workshop.command(
            ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=size", "-of", "csv=p=0", file])
        #expect(
            cost.pictureBytes == packets.split(separator: "\n").reduce(0) { $0 + (Int($1) ?? 0) }
                && cost.pictureBytes > 0 && cost.pictureBytes < cost.bytes)
        #expect(cost.pictures == 100 && cost.keyPictures == 10 && cost.size == PictureSize(width: 320, height: 180))
        // Once for the MP4, once for the one quality of the stream.
        #expect(cost.encodedPixels == 2 * 100 * 320 * 180)
        #expect(!workshop.exists("work/video.mp4"))
    }

    @Test("the same bytes count each time that they are decoded")
    func repeated() throws {
        let workshop = try Workshop()
        let (content, pictureBytes) = try HostileVideo.oneKeyPicture(width: 320, height: 180, samples: 3000)
        let file = workshop.path("repeated.mp4")
        try Data(content).write(to: URL(fileURLWithPath: file))
        let cost = try cost(of: file, in: workshop)
        #expect(cost.pictures == 3000 && cost.keyPictures == 3000)
        #expect(cost.pictureBytes == 3000 * pictureBytes && cost.pictureBytes > 100 * cost.bytes)
        // 14,900 times a picture of 320x312 that has 650 KB as JPEG 2000: nothing by its pixels or by the bytes of the file,
        // minutes by what is decoded. A minute of 1080p is for the lane of short jobs.
        var film = TranscodingCost(size: PictureSize(width: 320, height: 312), bytes: 709_000)
        (film.pictures, film.keyPictures, film.pictureBytes) = (14_900, 14_900, 14_900 * 650_000)
        #expect(film.decoding > 80e9)
        #expect(self.cost(1920, 1080, rate: 60, hours: 1.0 / 60, keyInterval: 2, megabits: 20).decoding < 10e9)
    }

    @Test("the budget of processor time grows with the pictures, their pixels and what is encoded of them")
    func processorTime() {
        var small = cost(1280, 720, rate: 25, hours: 0.1, keyInterval: 2, megabits: 2)
        small.encodedPixels = Double(small.size.pixels * small.pictures)
        let time = small.processorTime(.veryfast)
        #expect(small.processorTime(.slow) > 5 * time)
        var large = small
        large.pictures *= 10
        large.keyPictures *= 10
        large.encodedPixels *= 10
        #expect(large.processorTime(.veryfast) > 8 * time && large.processorTime(.veryfast) < 11 * time)
    }

    @Test("the processor time of a process is that of all it has started")
    func tree() throws {
        let before = try #require(ProcessorTime.ofTree(getpid()))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 300' & wait"]
        try process.run()
        defer {
            _ = try? Workshop.command(["pkill", "-KILL", "-P", "\(process.processIdentifier)"])
            kill(process.processIdentifier, SIGKILL)
        }
        #expect(eventually(within: 60) { ProcessorTime.ofTree(process.processIdentifier) ?? 0 > 0.1 })
        #expect(try #require(ProcessorTime.ofTree(getpid())) >= before)
        #expect(ProcessorTime.ofTree(0x3FFF_FFF0) == nil)
    }

    @Test("time on the clock costs nothing while a tool works, however slowly")
    func busyMachine() {
        var limits = TranscodingLimits()
        limits.stallTime = 2
        var used = 0.0
        let watch = ToolWatch(limits, limit: 10, processorTime: { _ in used })
        watch.begin(within: .infinity)
        for _ in 0..<8 {
            usleep(600_000)
            // A second of processor time now and then is enough.
            used += 0.7
            #expect(watch.verdict(1) == nil)
        }
        used = 10.1
        usleep(600_000)
        #expect(watch.verdict(1)?.contains("processor time") == true)
    }

    @Test("what tools have used before counts for the next one")
    func together() {
        var used = 0.0
        let watch = ToolWatch(TranscodingLimits(), limit: 10, processorTime: { _ in used })
        for (tool, isOver) in [(6.0, false), (4.5, true)] {
            used = 0
            watch.begin(within: .infinity)
            #expect(watch.left(within: 100) == (isOver ? 4 : 10))
            used = tool
            usleep(600_000)
            #expect((watch.verdict(1) != nil) == isOver)
            watch.end()
        }
        #expect(watch.used == 10.5 && watch.left(within: 3) == 0)
    }

    @Test("a tool that stands still on demand has not stalled, and goes on where it was")
    func pause() throws {
        let workshop = try Workshop()
        let file = workshop.path("lines")
        var sandbox = Sandbox()
        sandbox.startsProcesses = true
        sandbox.paths.append(Sandbox.Path(workshop.directory.path, [.read, .write]))
        let tool = try System.ChildProcess(
            ["sh", "-c", "while :; do echo x >> \(file); sleep 0.02; done"], in: workshop.directory.path, sandbox)
        var limits = TranscodingLimits()
        limits.stallTime = 1
        var isPaused = false
        var used = 0.0
        let watch = ToolWatch(limits, limit: 1000, isPaused: { isPaused }) { _ in
            used += 2
            return used
        }
        watch.begin(within: .infinity)
        func lines() -> Int { FileManager.default.contents(atPath: file)?.count ?? 0 }
        #expect(eventually(within: 20) { lines() > 0 })
        for _ in 0..<2 {
            isPaused = true
            #expect(watch.verdict(tool.process) == nil)
            usleep(200_000)
            let before = lines()
            usleep(1_500_000)
            #expect(lines() == before && watch.verdict(tool.process) == nil)
            isPaused = false
            #expect(watch.verdict(tool.process) == nil)
            #expect(eventually(within: 20) { lines() > before })
        }
    }

    @Test("a tool that writes nothing and uses no processor time has stalled")
    func stall() {
        var limits = TranscodingLimits()
        limits.stallTime = 1
        let watch = ToolWatch(limits, limit: 10, processorTime: { _ in 0 })
        watch.begin(within: .infinity)
        for _ in 0..<3 {
            usleep(600_000)
            watch.noteOutput()
            #expect(watch.verdict(1) == nil)
        }
        usleep(1_600_000)
        #expect(watch.verdict(1)?.contains("did nothing") == true)
    }

    /// Seconds of processor time of all children that have ended.
    private func childrenTime() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    }
}
