import Model
import Foundation
import Logging
import Testing
import TestTools

@testable import Media

/// What `job show --probe` prints of a file.
@Suite struct FactsTests {
    private func facts(_ workshop: Workshop, _ file: String, _ format: VideoFormat) throws -> [String: String] {
        let facts = try Transcoder(logger: Logger(label: "test")).facts(
            of: SourceFile(path: file, format: format), in: workshop.work)
        #expect(!workshop.exists("work"))
        return Dictionary(uniqueKeysWithValues: facts.map { ($0.name, $0.value) })
    }

    @Test("which tracks are taken, and what they are")
    func tracks() throws {
        let workshop = try Workshop()
        let video = try workshop.makeVideo("video.mp4", seconds: 3)
        // A preview before the picture, and a commentary before the sound.
        let file = workshop.path("tracks.mkv")
        try Workshop.ffmpeg([
            "-i", video, "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=3", "-map", "1:v", "-map", "0:v",
            "-map",
            "0:a", "-map", "0:a", "-c:v:0", "libx264", "-pix_fmt", "yuv420p", "-c:v:1", "copy", "-c:a", "copy",
            "-disposition:v", "0", "-disposition:a:0", "comment", file,
        ])
        let facts = try facts(workshop, file, .matroska)
        #expect(facts["picture"]?.hasPrefix("track 1, h264 ") == true, "\(facts)")
        #expect(facts["picture"]?.contains("320x180, yuv420p") == true)
        #expect(facts["sound"]?.hasPrefix("track 3, aac, ") == true)
        #expect(facts["cadence"]?.hasPrefix("25 a second") == true && facts["fields"] != nil)
        #expect(try abs(#require(facts["length"]?.split(separator: " ").first.flatMap { Double($0) }) - 3) < 0.1)
    }

    @Test("HDR, rotation and silence are said")
    func kinds() throws {
        let workshop = try Workshop()
        let file = try workshop.makeVideo(
            "hdr.mp4", seconds: 1, sound: false,
            [
                "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-preset", "ultrafast", "-color_trc", "smpte2084",
                "-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-x265-params", "log-level=none",
            ])
        let turned = workshop.path("turned.mp4")
        try Workshop.ffmpeg(["-i", file, "-c", "copy", "-metadata:s:v", "rotate=90", turned])
        let facts = try facts(workshop, turned, .mp4)
        #expect(
            facts["colours"]?.hasPrefix("smpte2084, bt2020") == true && facts["sound"] == "none",
            "\(facts)")
        #expect(facts["picture"]?.hasSuffix("180x320, stored as 320x180, yuv420p10le") == true)
    }

    @Test("slides stand still, and no clock jumps")
    func slides() throws {
        let workshop = try Workshop()
        let file = workshop.path("slides.mp4")
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=1/20:duration=60", "-f", "lavfi", "-i",
            "sine=440:duration=60", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            file,
        ])
        let facts = try facts(workshop, file, .mp4)
        #expect(facts["cadence"] == "4 a second; the longest still is 20.000 s", "\(facts)")
        #expect(facts["picture as it is"] == "it stands still")
    }

    @Test("why nothing of a file is taken is thrown")
    func nothing() throws {
        let workshop = try Workshop()
        let file = workshop.path("sound.mp4")
        try Workshop.ffmpeg(["-f", "lavfi", "-i", "sine=440:duration=1", "-c:a", "aac", file])
        #expect {
            try facts(workshop, file, .mp4)
        } throws: {
            ($0 as? TranscodingError)?.code == .noPicture
        }
        #expect(!workshop.exists("work"))
    }
}
