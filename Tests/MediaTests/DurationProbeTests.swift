import Model
import Foundation
import Glibc
import System
import Testing
import TestTools
import class TestTools.Locked

@testable import Media

/// How long a video is, asked of ffprobe.
@Suite struct DurationProbeTests {
    private func run(
        _ path: String, _ format: VideoFormat = .mp4, within seconds: Double = 20
    ) throws(SystemError) -> DurationProbe.Result {
        try DurationProbe.run(SourceFile(path: path, format: format), within: seconds, niceness: 19)
    }

    @Test(
        "the duration of a real video",
        arguments: [
            (VideoFormat.mp4, "mp4"), (.avi, "avi"), (.flv, "flv"), (.matroska, "mkv"), (.mpegTS, "ts"),
            (.mpegPS, "mpg"),
        ])
    func duration(format: VideoFormat, name: String) throws {
        let workshop = try Workshop()
        let codecs = format == .flv ? ("flv", "libmp3lame") : ("mpeg1video", "mp2")
        let file = try workshop.makeVideo("video.\(name)", seconds: 2.5, ["-c:v", codecs.0, "-c:a", codecs.1])
        guard case .seconds(let seconds) = try run(file, format) else {
            Issue.record("no duration")
            return
        }
        #expect(abs(seconds - 2.5) < 0.15)
    }

    @Test("what plays counts, not what the header says or a track that is not shown")
    func headersLie() throws {
        let workshop = try Workshop()
        // A movie header that says an hour, and one that says a tenth of a second.
        let video = try workshop.makeVideo("video.mp4", seconds: 3)
        for claimed in [3_600_000, 100] as [UInt32] {
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: video)))
            for name in ["mvhd", "mdhd"] {
                for start in bytes.indices.dropLast(4) where bytes[start..<start + 4].elementsEqual(name.utf8) {
                    // Version and flags, two times, the time scale, then the duration.
                    let scale = bytes[start + 16..<start + 20].reduce(0) { $0 << 8 | UInt32($1) }
                    let units = UInt32(UInt64(claimed) * UInt64(scale) / 1000)
                    for index in 0..<4 {
                        bytes[start + 20 + index] = UInt8(truncatingIfNeeded: units >> (24 - 8 * index))
                    }
                }
            }
            let file = workshop.path("claims.mp4")
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            let told = try Workshop.command([
                "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file,
            ])
            try #require(
                abs(Double(told.split(separator: "\n").first ?? "")! - Double(claimed) / 1000) < 0.1, "\(told)")
            #expect(try abs(seconds(run(file)) - 3) < 0.1, "\(claimed)")
        }
        // Subtitles that go on for a minute are no part of the video.
        let words = workshop.path("words.srt")
        try Data("1\n00:00:50,000 --> 00:01:00,000\nlate\n".utf8).write(to: URL(fileURLWithPath: words))
        let titled = workshop.path("titled.mkv")
        try Workshop.ffmpeg(["-i", video, "-i", words, "-map", "0", "-map", "1", "-c", "copy", titled])
        #expect(try abs(seconds(run(titled, .matroska)) - 3) < 0.1)
        // A recording of a stream that had been on the air for hours.
        let late = workshop.path("late.ts")
        try Workshop.ffmpeg(["-i", video, "-c", "copy", "-output_ts_offset", "20000", late])
        #expect(try abs(seconds(run(late, .mpegTS)) - 3) < 0.2)
        // The second half is lost.
        let half = workshop.path("half.mkv")
        try Workshop.ffmpeg(["-i", video, "-c", "copy", half])
        let whole = try Data(contentsOf: URL(fileURLWithPath: half))
        try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: half))
        #expect(try seconds(run(half, .matroska)) < 2.5)
    }

    private func seconds(_ result: DurationProbe.Result) -> Double {
        guard case .seconds(let seconds) = result else { return .nan }
        return seconds
    }

    @Test("a file of more packets than may be read has the length that it announces")
    func tooManyPackets() throws {
        let workshop = try Workshop()
        let video = try workshop.makeVideo("video.mp4", seconds: 3)
        let words = workshop.path("words.srt")
        try Data("1\n00:00:50,000 --> 00:01:00,000\nlate\n".utf8).write(to: URL(fileURLWithPath: words))
        let file = workshop.path("titled.mkv")
        try Workshop.ffmpeg(["-i", video, "-i", words, "-map", "0", "-map", "1", "-c", "copy", file])
        for (limit, length) in [(1000, 60.0), (100_000, 3.0)] {
            let result = try DurationProbe.run(
                SourceFile(path: file, format: .matroska), within: 20, packetsLimit: limit)
            #expect(abs(seconds(result) - length) < 0.1, "\(limit): \(result)")
        }
    }

    @Test("a file that ffprobe cannot read has no duration, nor has one that is not there")
    func unreadable() throws {
        let workshop = try Workshop()
        let file = workshop.path("video.mp4")
        try Data(videoBytes(100_000)).write(to: URL(fileURLWithPath: file))
        #expect(try run(file) == .unknown)
        #expect(try run(file + "x") == .unknown)
    }

    @Test("an ffprobe that hangs is ended")
    func hangs() throws {
        let workshop = try Workshop()
        // Nobody ever writes to the pipe, so opening it for reading waits for ever.
        let pipe = workshop.path("video.mp4")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(try run(pipe, within: 0.5) == .timeLimit(announced: nil))
        #expect(workshop.processes() == [])
    }

    @Test(
        "an index that claims any number of pictures takes no more memory than the limit",
        arguments: [1, 4] as [UInt32]
    )
    func bomb(tracks: UInt32) throws {
        let workshop = try Workshop()
        let file = workshop.path("video.mp4")
        try Data(HostileVideo.withIndex(pictures: 30_000_000, tracks: tracks)).write(to: URL(fileURLWithPath: file))
        // Without a limit it takes 24 bytes for each.
        let result = Locked<DurationProbe.Result?>(nil)
        let thread = Thread {
            let found = try? run(file)
            result.withLock { $0 = found }
        }
        thread.start()
        var most = 0
        var processes: Set<Substring> = []
        _ = eventually {
            for process in workshop.processes() {
                let id = process.prefix { $0 != " " }
                processes.insert(id)
                let pages = textOfFile("/proc/\(id)/statm").split(separator: " ").dropFirst().first
                most = max(most, (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))))
            }
            return thread.isFinished
        }
        #expect(result.withLock { $0 } == .seconds(1))
        #expect(most > 0 && most < 300 << 20, "\(most >> 20) MiB")
        // A file that cannot be true is looked at once.
        #expect(processes.count == 1)
    }

    @Test("a child of ffprobe's kind has no secret, no network and limits")
    func surroundings() throws {
        #expect(try DurationProbe.complaint() == nil)
        let workshop = try Workshop()
        let pipe = workshop.path("video.mp4")
        #expect(mkfifo(pipe, 0o600) == 0)
        setenv("VIDEO_INTAKE_WEBHOOK_SECRET", "a secret", 1)
        let thread = Thread { _ = try? run(pipe, within: 3) }
        thread.start()
        var id = ""
        workshop.waitForProcesses { processes in
            id = processes.first.flatMap { $0.split(separator: " ").first.map(String.init) } ?? ""
            return !processes.isEmpty
        }
        func file(_ name: String) throws -> String {
            try String(contentsOfFile: "/proc/\(id)/\(name)", encoding: .utf8)
        }
        let names = try file("environ").split(separator: "\0").map { $0.prefix { $0 != "=" } }
        #expect(names == ["PATH", "LANG", "HOME"])
        let status = try file("status")
        #expect(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"))
        // Root's children have one capability at most: to read.
        #expect(status.contains("CapEff:\t0000000000000004\n") || status.contains("CapEff:\t0000000000000000\n"))
        #expect(try file("limits").contains(/Max data size +167772160 +167772160/))
        let network = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/ns/net")
        let ours = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        #expect((network != ours) == (SandboxWalls.present.network == .namespace))
        // While it starts it opens its libraries.
        let hasThree = try eventually {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd").sorted() == ["0", "1", "2"]
        }
        #expect(hasThree)
        _ = eventually { thread.isFinished }
    }
}
