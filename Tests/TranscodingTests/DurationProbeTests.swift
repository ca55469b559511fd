import Foundation
import Glibc
import System
import Testing
import TestSupport

@testable import Transcoding

/// How long a video is, asked of ffprobe.
@Suite struct DurationProbeTests {
    private func run(
        _ path: String, _ demuxer: SourceFile.Demuxer = .mov, within seconds: Double = 20
    ) throws(SystemError) -> DurationProbe.Result {
        try DurationProbe.run(SourceFile(path: path, demuxer: demuxer), within: seconds, niceness: 19)
    }

    @Test(
        "the duration of a real video",
        arguments: [
            (SourceFile.Demuxer.mov, "mp4"), (.avi, "avi"), (.flv, "flv"), (.matroska, "mkv"), (.mpegts, "ts"),
            (.mpeg, "mpg"),
        ])
    func duration(demuxer: SourceFile.Demuxer, name: String) throws {
        let workshop = try Workshop()
        let codecs = demuxer == .flv ? ("flv", "libmp3lame") : ("mpeg1video", "mp2")
        let file = try workshop.makeVideo("video.\(name)", seconds: 2.5, ["-c:v", codecs.0, "-c:a", codecs.1])
        guard case .seconds(let seconds) = try run(file, demuxer) else {
            Issue.record("no duration")
            return
        }
        #expect(abs(seconds - 2.5) < 0.15)
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
        #expect(try run(pipe, within: 0.5) == .timeLimit)
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
        _ = eventually {
            for process in workshop.processes() {
                let id = process.prefix { $0 != " " }
                let pages = textOfFile("/proc/\(id)/statm").split(separator: " ").dropFirst().first
                most = max(most, (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))))
            }
            return thread.isFinished
        }
        #expect(result.withLock { $0 } == .seconds(1))
        #expect(most > 0 && most < 300 << 20, "\(most >> 20) MiB")
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
