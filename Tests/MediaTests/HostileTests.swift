import Model
import Foundation
import Glibc
import Testing
import TestTools

@testable import Media

/// Files and situations in which there is no result.
@Suite struct HostileTests {
    @Test("a file that is no video is unsupported", arguments: VideoFormat.allCases.filter { $0 != .hls })
    func garbage(format: VideoFormat) throws {
        let workshop = try Workshop()
        let file = workshop.path("garbage")
        try Data(videoBytes(300_000)).write(to: URL(fileURLWithPath: file))
        let error = workshop.failure(file, format)
        #expect(error?.code == .unsupported, "\(String(describing: error))")
    }

    @Test(
        "of a video that is cut off so much is made as there is; without its index that is nothing",
        arguments: [true, false])
    func cutOff(indexFirst: Bool) throws {
        let workshop = try Workshop()
        let whole = try workshop.makeVideo(
            "whole.mp4", seconds: 4,
            ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
                + (indexFirst ? ["-movflags", "+faststart"] : []))
        let bytes = try Data(contentsOf: URL(fileURLWithPath: whole))
        let file = workshop.path("half.mp4")
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: file))
        guard indexFirst else {
            let error = workshop.failure(file, .mp4)
            #expect(error?.code == .noIndex, "\(String(describing: error))")
            return
        }
        let result = try workshop.run(file, .mp4)
        let seconds = try #require(result.source.duration)
        #expect((1...3).contains(seconds) && result.flaws == [.truncated])
        #expect(abs(try Probed(workshop.path("work/video.mp4")).duration - seconds) < 0.2)
    }

    @Test("a file without a picture is an error that says so, one that is not there an error of the system")
    func noPicture() throws {
        let workshop = try Workshop()
        let sound = workshop.path("sound.mp4")
        try Workshop.ffmpeg(["-f", "lavfi", "-i", "sine", "-t", "1", "-c:a", "aac", sound])
        #expect(workshop.failure(sound, .mp4)?.code == .noPicture)
        #expect(workshop.failure(workshop.path("nothing"), .mp4)?.code == .io)
    }

    @Test("a file that nothing comes from stalls and ends, and no process is left")
    func hangs() throws {
        let workshop = try Workshop()
        // Nobody ever writes to the pipe, so opening it for reading waits for ever.
        let pipe = workshop.path("pipe.mp4")
        #expect(mkfifo(pipe, 0o600) == 0)
        var limits = TranscodingLimits()
        limits.stallTime = 1.5
        let start = ContinuousClock.now
        let error = workshop.failure(pipe, .mp4, limits: limits)
        #expect(error?.code == .timeLimit && error?.reason.contains("did nothing") == true)
        #expect(ContinuousClock.now - start < .seconds(15))
        #expect(workshop.processes() == [])
    }

    @Test("a conversion that takes too much processor time ends, and no process is left")
    func tooLong() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("long.avi", size: "1280x720", seconds: 20, ["-c:v", "mpeg4"])
        var limits = TranscodingLimits()
        limits.timeBase = 1
        limits.patience = 0
        var slow = Workshop.quick
        slow.preset = .slow
        let error = workshop.failure(source, .avi, profile: slow, limits: limits)
        #expect(error?.code == .timeLimit, "\(String(describing: error))")
        #expect(workshop.processes() == [])
    }

    @Test("a video that is longer than allowed, or larger, is too much before anything is converted")
    func tooMuch() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", ["-c:v", "mpeg4", "-c:a", "aac"])
        var limits = TranscodingLimits()
        limits.duration = 1
        #expect(workshop.failure(source, .mp4, limits: limits)?.code == .tooMuch)
        limits = TranscodingLimits()
        limits.side = 300
        #expect(workshop.failure(source, .mp4, limits: limits)?.code == .tooMuch)
        #expect(!workshop.exists("work/video.mp4"))
    }

    @Test(
        "a playlist or a script under the name of a video opens nothing", arguments: VideoFormat.allCases,
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile {target}\n",
        ])
    func script(format: VideoFormat, text: String) throws {
        let workshop = try Workshop()
        let listener = try LocalSocket(backlog: 8)
        for target in ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:\(listener.port)/secret.mp4"] {
            let file = workshop.path("video.\(format)")
            try text.replacing("{target}", with: target).write(toFile: file, atomically: true, encoding: .utf8)
            let error = workshop.failure(file, format)
            #expect(error != nil)
            #expect(error?.output.contains("root:") == false)
            // Without the sandbox, which has no network: the arguments alone are enough.
            let arguments = SourceFile(path: file, format: format).arguments(sideLimit: 8192)
            let seen = try Workshop.command(["sh", "-c", "ffprobe -show_packets \"$@\" 2>&1 || true", ""] + arguments)
            #expect(!seen.contains("[PACKET]") && !seen.contains("root:"))
        }
        #expect(!listener.hasCaller)
    }

    @Test("a playlist inside an avi, where ffmpeg looks for subtitles, opens nothing")
    func playlistInside() throws {
        let workshop = try Workshop()
        let listener = try LocalSocket(backlog: 8)
        let plain = try workshop.makeVideo("plain.avi", ["-c:v", "mpeg4", "-c:a", "libmp3lame"])
        let playlist =
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nhttp://127.0.0.1:\(listener.port)/x.mp4\n#EXT-X-ENDLIST\n"
        let file = workshop.path("gab2.avi")
        try HostileVideo.withSubtitles(playlist, in: Data(contentsOf: URL(fileURLWithPath: plain)))
            .write(to: URL(fileURLWithPath: file))
        // What comes of the rest of the file does not matter.
        _ = try? workshop.run(file, .avi)
        #expect(!listener.hasCaller)
    }

    @Test("a tool that wants more memory than it may have is ended with that reason")
    func memory() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("big.mp4", size: "1920x1080", seconds: 1, sound: false, ["-c:v", "mpeg4"])
        var limits = TranscodingLimits()
        // ffprobe can start with it, ffmpeg can not convert.
        limits.memory = 480 << 20
        let error = workshop.failure(source, .mp4, limits: limits)
        #expect(error?.code == .memoryLimit, "\(String(describing: error))")
        limits.memory = 100 << 20
        #expect(workshop.failure(source, .mp4, limits: limits)?.code == .memoryLimit)
    }

    @Test("a file that becomes larger than it may is an error that says so")
    func fileSize() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", seconds: 4, ["-c:v", "mpeg4", "-q:v", "2"])
        var limits = TranscodingLimits()
        limits.fileSize = 20_000
        let error = workshop.failure(source, .mp4, profile: Workshop.quick(.mp4), limits: limits)
        // Another attempt would end the same way.
        #expect(error?.code == .tooMuch && error?.reason.contains("larger than it may be") == true)
    }

    @Test("who cancels in the middle waits less than a second, and no process is left")
    func cancelled() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("long.avi", size: "1280x720", seconds: 20, ["-c:v", "mpeg4"])
        let cancellation = Locked<ContinuousClock.Instant?>(nil)
        let hasBegun = Locked(false)
        let canceller = Thread {
            while !hasBegun.withLock({ $0 }) { usleep(10_000) }
            cancellation.withLock { $0 = .now }
        }
        canceller.start()
        var slow = Workshop.quick
        slow.preset = .slow
        do throws(TranscodingError) {
            _ = try workshop.run(
                source, .avi, profile: slow, progress: { _ in hasBegun.withLock { $0 = true } },
                isCancelled: { cancellation.withLock { $0 != nil } })
            Issue.record("it was not cancelled")
        } catch {
            let asked = try #require(cancellation.withLock { $0 })
            #expect(error.code == .cancelled)
            #expect(ContinuousClock.now - asked < .seconds(1))
        }
        #expect(workshop.processes() == [])
    }

    @Test("a disk without room is an error that says so", .enabled(if: geteuid() == 0, "only root can mount"))
    func fullDisk() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", size: "640x360", seconds: 5, ["-c:v", "mpeg4", "-q:v", "2"])
        let disk = workshop.path("disk")
        for kilobytes in [8, 100, 1000] {
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            _ = try Workshop.command(["mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", disk])
            defer { _ = try? Workshop.command(["umount", "--lazy", disk]) }
            do throws(TranscodingError) {
                _ = try Transcoder(logger: .init(label: "test")).run(
                    SourceFile(path: source, format: .mp4), in: disk + "/work", profile: Workshop.quick,
                    progress: { _ in }, isCancelled: { false })
                Issue.record("there was room")
            } catch {
                #expect(error.code == .noSpace, "\(kilobytes): \(error)")
            }
        }
    }

    @Test("what a tool leaves that is no file is not published")
    func link() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", sound: false)
        var profile = Workshop.quick(.mp4)
        profile.commands = [["ln", "-s", "/etc/passwd", "{output}/link"]]
        #expect(workshop.failure(source, .mp4, profile: profile)?.code == .toolFailed)
        profile.commands = [["mkfifo", "{output}/pipe"]]
        #expect(workshop.failure(source, .mp4, profile: profile)?.code == .toolFailed)
    }
}
