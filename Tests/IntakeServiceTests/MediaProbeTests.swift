import Foundation
import Testing
import TestSupport
import Uploads

@testable import IntakeService

/// Makes a real video of 2.5 s, of the kind that the file's extension says.
func makeVideo(_ file: URL) throws {
    let ffmpeg = try Process.run(
        URL(fileURLWithPath: "/usr/bin/ffmpeg"),
        arguments: ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-t", "2.5", file.path])
    ffmpeg.waitUntilExit()
    #expect(ffmpeg.terminationStatus == 0)
}

@Suite struct MediaProbeTests {
    @Test(
        "the duration of a real video", arguments: [("mp4", Container.mp4), ("avi", .avi), ("flv", .flv)])
    func duration(name: String, container: Container) throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("video.\(name)")
        try makeVideo(file)
        let duration = try #require(try MediaProbe(path: file.path, container: container, haste: .background).wait())
        #expect(abs(duration - 2.5) < 0.11)
    }

    @Test("a file that ffprobe cannot read has no duration, nor has one that is not there")
    func unreadable() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("video.mp4")
        try Data(videoBytes(100_000)).write(to: file)
        #expect(try MediaProbe(path: file.path, container: .mp4, haste: .request).wait() == nil)
        #expect(try MediaProbe(path: file.path + "x", container: .mp4, haste: .request).wait() == nil)
    }

    @Test("an ffprobe that hangs is ended")
    func hangs() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        // Nobody ever writes to the pipe, so opening it for reading waits for ever.
        let pipe = directory.appendingPathComponent("video.mp4").path
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(try MediaProbe(path: pipe, container: .mp4, haste: .request).wait() == nil)
    }
}
