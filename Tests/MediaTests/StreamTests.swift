import Foundation
import Testing
import TestTools

@testable import Media

/// HLS, poster and thumbnails as a player reads them.
@Suite struct StreamTests {
    @Test("a video of 720 lines has two renditions, cut at the same times, and the master playlist tells the truth")
    func twoRenditions() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", size: "1280x720", seconds: 13)
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.hls))
        #expect(result.renditions.map(\.size.description) == ["1280x720", "854x480"])

        let master = try workshop.text("work/hls/master.m3u8")
        #expect(master.hasPrefix("#EXTM3U\n"))
        let pattern = try Regex(
            "#EXT-X-STREAM-INF:BANDWIDTH=([0-9]+),AVERAGE-BANDWIDTH=([0-9]+),CODECS=\"avc1\\.[0-9a-f]{6},mp4a\\.40\\.2\","
                + "RESOLUTION=([0-9x]+)\n([0-9]+/index\\.m3u8)\n")
        let entries = master.matches(of: pattern)
        #expect(entries.count == 2)
        for (entry, rendition) in zip(entries, result.renditions) {
            let size = try #require(entry.output[3].substring)
            let playlist = try #require(entry.output[4].substring)
            #expect(try Probed(workshop.path("work/hls/\(playlist)")).size == size)
            #expect(Int(entry.output[1].substring ?? "") == rendition.bandwidth)
            #expect(rendition.bandwidth >= rendition.averageBandwidth && rendition.averageBandwidth > 10_000)
        }
        let cuts = try [720, 480].map { try Self.durations(workshop.text("work/hls/\($0)/index.m3u8")) }
        #expect(cuts[0].count == 3)
        for (one, other) in zip(cuts[0], cuts[1]) { #expect(abs(one - other) < 0.05) }
        for (length, cut) in zip([6.0, 6, 1], cuts[0]) { #expect(abs(length - cut) < 0.1) }
        // Players read the master too.
        #expect(try Probed(workshop.path("work/hls/master.m3u8")).streams.count == 4)
    }

    private static func durations(_ playlist: String) -> [Double] {
        playlist.split(separator: "\n").filter { $0.hasPrefix("#EXTINF:") }.compactMap {
            Double($0.dropFirst(8).dropLast())
        }
    }

    @Test("each piece of the stream can be decoded without the ones before it")
    func independent() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", seconds: 13)
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.hls))
        let directory = workshop.path("work/hls/480")
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        #expect(names == ["00000.m4s", "00001.m4s", "00002.m4s", "index.m3u8", "init.mp4"])
        for name in names where name.hasSuffix(".m4s") {
            let piece = try ["init.mp4", name].map { try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)")) }
            try (piece[0] + piece[1]).write(to: URL(fileURLWithPath: workshop.path("piece.mp4")))
            let flags = try Workshop.command([
                "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0",
                workshop.path("piece.mp4"),
            ])
            #expect(flags.hasPrefix("K"), "\(name)")
        }
    }

    @Test("the poster of a video that begins black is not black")
    func poster() throws {
        let workshop = try Workshop()
        let source = workshop.path("dark.mp4")
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "color=black:size=320x180:rate=25:duration=2",
            "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2",
            "-filter_complex", "[0][1]concat", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", source,
        ])
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.poster))
        #expect(try Self.brightness(workshop.path("work/poster.jpg")) > 50)
    }

    @Test("a video that is black throughout has a black poster")
    func blackPoster() throws {
        let workshop = try Workshop()
        let source = workshop.path("black.mp4")
        try Workshop.ffmpeg(["-f", "lavfi", "-i", "color=black:size=320x180", "-t", "2", "-c:v", "mpeg4", source])
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.poster))
        #expect(try Self.brightness(workshop.path("work/poster.jpg")) < 30)
    }

    /// The mean of the picture's luma, 0 to 255.
    private static func brightness(_ picture: String, crop: String = "iw:ih:0:0") throws -> Double {
        let text = try Workshop.command([
            "ffmpeg", "-nostdin", "-v", "error", "-i", picture, "-vf",
            "crop=\(crop),signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-",
        ])
        return Double(text.split(separator: "=").last?.split(separator: "\n").first ?? "") ?? -1
    }

    @Test("each thumbnail shows its time, and the cues cover the whole video")
    func thumbnails() throws {
        let workshop = try Workshop()
        let source = workshop.path("steps.mp4")
        // Every second is darker than the one before.
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "color=black:size=320x180:rate=25", "-t", "12", "-vf",
            "geq=lum='235-18*floor(T)':cb=128:cr=128", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
            source,
        ])
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.thumbnails))
        #expect(
            result.thumbnails
                == TranscodingResult.Thumbnails(
                    count: 12, columns: 10, size: PictureSize(width: 80, height: 44), interval: 1))
        #expect(try Probed(workshop.path("work/thumbnails.jpg")).size == "800x88")
        let cues = try workshop.text("work/thumbnails.vtt").components(separatedBy: "\n\n")
        #expect(cues.count == 13 && cues[0] == "WEBVTT")
        #expect(cues[1] == "00:00:00.000 --> 00:00:01.000\nthumbnails.jpg#xywh=0,0,80,44")
        #expect(cues[12] == "00:00:11.000 --> 00:00:12.000\nthumbnails.jpg#xywh=80,44,80,44\n")
        for index in 0..<12 {
            let (x, y) = (index % 10 * 80, index / 10 * 44)
            let seen = try Self.brightness(workshop.path("work/thumbnails.jpg"), crop: "80:44:\(x):\(y)")
            // The luma of a video's range, as a JPEG has it.
            let expected = (Double(235 - 18 * index) - 16) * 255 / 219
            #expect(abs(seen - expected) < 8, "\(index): \(seen), not \(expected)")
        }
    }

    @Test("a long video has a hundred thumbnails, further apart")
    func manyThumbnails() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("long.mp4", size: "64x36", seconds: 400, rate: 5, sound: false)
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.thumbnails))
        #expect(result.thumbnails?.count == 100 && abs((result.thumbnails?.interval ?? 0) - 4) < 0.01)
        #expect(try Probed(workshop.path("work/thumbnails.jpg")).size == "640x360")
    }
}
