import Model
import Foundation
import Testing
import TestTools

@testable import Media

/// What is made of videos of many kinds.
@Suite struct ConversionTests {
    @Test("H.264 and AAC in mp4 are copied packet by packet into an mp4 that has its index first")
    func remuxed() throws {
        let workshop = try Workshop()
        // Without +faststart the index is at the end.
        let source = try workshop.makeVideo("source.mp4")
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == true && result.mp4?.hasCopiedAudio == true)
        for stream in ["v", "a"] {
            let packets = try Probed.packets(source, stream)
            #expect(packets.count > 20)
            #expect(try Probed.packets(workshop.path("work/video.mp4"), stream) == packets)
        }
        let head = try Data(contentsOf: URL(fileURLWithPath: workshop.path("work/video.mp4")))
        let index = try #require(head.firstRange(of: Data("moov".utf8)))
        let content = try #require(head.firstRange(of: Data("mdat".utf8)))
        #expect(index.lowerBound < content.lowerBound)
    }

    @Test(
        "H.264 is copied from every container that tells the time of each picture",
        arguments: [("source.flv", VideoFormat.flv), ("source.ts", .mpegTS), ("source.mkv", .matroska)])
    func remuxedFromOthers(name: String, format: VideoFormat) throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo(
            name,
            [
                "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ar",
                "44100",
            ])
        let result = try workshop.run(source, format, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == true && result.mp4?.hasCopiedAudio == true)
        let made = try Probed(workshop.path("work/video.mp4"))
        #expect(made.codecs == "h264/aac" && made.streams[0]["nb_frames"] as? String == "50")
        #expect(abs(made.duration - 2) < 0.2)
    }

    @Test(
        "a sound that begins later or ends later than the picture, or earlier, does no harm",
        arguments: [(0.0, 2.0, 0.0, 4.0), (0, 2, 0.7, 2), (0.7, 2, 0, 2), (0, 3, 0, 1)])
    func unequal(start: Double, seconds: Double, soundStart: Double, soundSeconds: Double) throws {
        let workshop = try Workshop()
        let source = workshop.path("source.mp4")
        try Workshop.ffmpeg([
            "-itsoffset", "\(start)", "-f", "lavfi", "-t", "\(seconds)", "-i", "testsrc2=size=320x180",
            "-itsoffset", "\(soundStart)", "-f", "lavfi", "-t", "\(soundSeconds)", "-i", "sine",
            "-c:v", "mpeg4", "-c:a", "aac", source,
        ])
        _ = try workshop.run(source, .mp4)
        let end = max(start + seconds, soundStart + soundSeconds)
        #expect(abs(try Probed(workshop.path("work/video.mp4")).duration - end) < 0.2)
        let stream = try Probed(workshop.path("work/hls/480/index.m3u8"), ["-f", "hls"])
        #expect(abs(stream.duration - end) < 0.2 && stream.codecs == "h264/aac")
    }

    @Test("only the stream that players do not take is encoded")
    func half() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo(
            "source.mkv", ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "libvorbis"])
        let result = try workshop.run(source, .matroska, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == true && result.mp4?.hasCopiedAudio == false)
        #expect(
            try Probed.packets(workshop.path("work/video.mp4"), "v").count == Probed.packets(source, "v").count)
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264/aac")

        let other = try workshop.makeVideo("other.mp4", ["-c:v", "mpeg4", "-c:a", "aac"])
        let second = try workshop.run(other, .mp4, profile: Workshop.quick(.mp4))
        #expect(second.mp4?.hasCopiedVideo == false && second.mp4?.hasCopiedAudio == true)
        #expect(
            try Probed.packets(workshop.path("work/video.mp4"), "a") == Probed.packets(other, "a"))
    }

    @Test("what an attempt that crashed has left in the work directory is gone after the next one")
    func leftover() throws {
        let workshop = try Workshop()
        try FileManager.default.createDirectory(
            atPath: workshop.work + "/hls", withIntermediateDirectories: true)
        try Data("old".utf8).write(to: URL(fileURLWithPath: workshop.work + "/hls/a"))
        let source = try workshop.makeVideo("source.mp4", sound: false)
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(try FileManager.default.contentsOfDirectory(atPath: workshop.work) == ["video.mp4"])
    }

    static let x264 = ["-c:v", "libx264", "-preset", "ultrafast"]

    struct Kind: CustomTestStringConvertible, Sendable {
        let name: String
        let format: VideoFormat
        let arguments: [String]
        var size = "320x180"
        var expected = "320x180"
        var testDescription: String { "\(name) \(size)" }
    }

    @Test(
        "every kind becomes H.264 and AAC in mp4 and HLS, with a poster and thumbnails",
        arguments: [
            Kind(name: "asp.avi", format: .avi, arguments: ["-c:v", "mpeg4", "-vtag", "XVID", "-c:a", "libmp3lame"]),
            Kind(
                name: "h264.avi", format: .avi, arguments: x264 + ["-pix_fmt", "yuv420p", "-bf", "2", "-c:a", "aac"]),
            Kind(name: "flv1.flv", format: .flv, arguments: ["-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "44100"]),
            Kind(
                name: "hevc.mp4", format: .mp4,
                arguments: ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"]),
            Kind(
                name: "odd.mp4", format: .mp4, arguments: x264 + ["-pix_fmt", "yuv444p", "-c:a", "aac"],
                size: "321x181", expected: "320x180"),
            Kind(name: "ten-bits.mkv", format: .matroska, arguments: x264 + ["-pix_fmt", "yuv420p10le"]),
            Kind(name: "vp9.webm", format: .matroska, arguments: ["-c:v", "libvpx-vp9", "-deadline", "realtime"]),
            Kind(
                name: "mpeg2.ts", format: .mpegTS,
                arguments: ["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-c:a", "mp2"]),
            Kind(name: "mpeg1.mpg", format: .mpegPS, arguments: ["-c:v", "mpeg1video", "-c:a", "mp2", "-f", "vob"]),
            Kind(
                name: "wide-pixels.mp4", format: .mp4,
                arguments: ["-vf", "setsar=4/3", "-c:v", "mpeg4", "-c:a", "aac"], size: "240x180",
                expected: "320x180"),
        ])
    func kinds(kind: Kind) throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo(kind.name, size: kind.size, kind.arguments)
        let result = try workshop.run(source, kind.format)
        #expect(result.mp4?.hasCopiedVideo == false)
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            let made = try Probed(workshop.path("work/\(file)"), arguments)
            #expect(made.codecs == "h264/aac" && made.pixelFormat == "yuv420p", "\(file)")
            #expect(made.size == kind.expected, "\(file)")
            #expect(abs(made.duration - 2) <= 0.25, "\(file): \(made.duration)")
        }
        #expect(try Probed(workshop.path("work/poster.jpg")).size == kind.expected)
        #expect(try Probed(workshop.path("work/thumbnails.jpg")).codecs == "mjpeg")
        #expect(result.size > 10_000)
    }

    @Test("a video without a sound stays without one")
    func silent() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("silent.mp4", sound: false, ["-c:v", "mpeg4"])
        _ = try workshop.run(source, .mp4)
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264")
        #expect(try Probed(workshop.path("work/hls/480/index.m3u8")).codecs == "h264")
        #expect(try !workshop.text("work/hls/master.m3u8").contains("mp4a"))
    }

    @Test("a video of a telephone held upright is upright in everything that is made")
    func rotated() throws {
        let workshop = try Workshop()
        let lying = try workshop.makeVideo("lying.mp4", size: "1280x720", seconds: 1)
        let source = workshop.path("upright.mp4")
        // The mp4 muxer of ffmpeg 5.1 makes a display matrix of this.
        try Workshop.ffmpeg(["-i", lying, "-c", "copy", "-metadata:s:v:0", "rotate=90", source])
        let rotation = try #require(try Probed(source).streams[0]["side_data_list"] as? [[String: Any]])
        #expect(abs(rotation[0]["rotation"] as? Int ?? 0) == 90)

        let result = try workshop.run(source, .mp4)
        #expect(result.source.video.size == PictureSize(width: 720, height: 1280))
        #expect(result.renditions.map(\.size.description) == ["720x1280", "480x854"])
        #expect(try Probed(workshop.path("work/hls/480/index.m3u8")).size == "480x854")
        #expect(try Probed(workshop.path("work/poster.jpg")).size == "720x1280")
        // Copied, so it still says how to turn it.
        let copied = try Probed(workshop.path("work/video.mp4"))
        #expect(result.mp4?.hasCopiedVideo == true && copied.size == "1280x720")
        #expect(copied.streams[0]["side_data_list"] != nil)
    }

    @Test("a video of one picture has everything too")
    func onePicture() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("one.mp4", seconds: 0.04, sound: false, ["-c:v", "mpeg4"])
        let result = try workshop.run(source, .mp4)
        #expect(result.thumbnails?.count == 1)
        #expect(try Probed(workshop.path("work/video.mp4")).streams[0]["nb_frames"] as? String == "1")
        for name in ["poster.jpg", "thumbnails.jpg", "hls/480/00000.m4s"] { #expect(workshop.exists("work/" + name)) }
    }

    @Test("a recording of a browser, which tells no duration, is converted")
    func noDuration() throws {
        let workshop = try Workshop()
        let source = workshop.path("live.webm")
        let arguments = "-t 2 -c:v libvpx -deadline realtime -live 1 -f webm"
        _ = try Workshop.command([
            "sh", "-c", "ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x180 \(arguments) - | cat > '\(source)'",
        ])
        #expect(try Probed(source).duration == -1)
        let result = try workshop.run(source, .matroska, profile: Workshop.quick(.mp4, .thumbnails))
        #expect(abs((result.source.duration ?? 0) - 2) < 0.1)
        #expect(abs(try Probed(workshop.path("work/video.mp4")).duration - 2) < 0.2)
    }

    @Test("nothing that the uploader wrote into the file is in what is published")
    func tags() throws {
        let workshop = try Workshop()
        let subtitles = workshop.path("s.srt")
        try "1\n00:00:00,000 --> 00:00:01,000\nsecret\n".write(toFile: subtitles, atomically: true, encoding: .utf8)
        let source = workshop.path("tags.mkv")
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "testsrc2=size=320x180", "-i", subtitles, "-t", "1", "-c:v", "libx264",
            "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:s", "srt", "-metadata", "title=secret",
            "-metadata:s:v:0", "title=secret", "-attach", subtitles, "-metadata:s:t", "mimetype=text/plain", source,
        ])
        _ = try workshop.run(source, .matroska)
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264")
        let files = try #require(FileManager.default.enumerator(atPath: workshop.work)).compactMap { $0 as? String }
        #expect(files.count > 8)
        for file in files {
            let content = FileManager.default.contents(atPath: workshop.path("work/" + file)) ?? Data()
            #expect(content.firstRange(of: Data("secret".utf8)) == nil, "\(file)")
        }
    }

    @Test("a cover is not taken for the video, even if it comes first")
    func cover() throws {
        let workshop = try Workshop()
        let video = try workshop.makeVideo("plain.mp4")
        let picture = workshop.path("red.jpg")
        try Workshop.ffmpeg(["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", picture])
        let source = workshop.path("cover.mp4")
        try Workshop.ffmpeg([
            "-i", video, "-i", picture, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic",
            source,
        ])
        try Self.moveTagsFirst(source)
        #expect(try Probed(source).codecs == "mjpeg/h264/aac")
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.size == PictureSize(width: 320, height: 180))
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264/aac")
    }

    /// Puts `udta`, which has the cover, before the tracks. Nothing else moves.
    private static func moveTagsFirst(_ path: String) throws {
        var file = try Data(contentsOf: URL(fileURLWithPath: path))
        func size(_ offset: Int) -> Int { file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
        let index = try #require(file.firstRange(of: Data("moov".utf8))).lowerBound - 4
        let tags = try #require(file[index...].firstRange(of: Data("udta".utf8))).lowerBound - 4
        let box = file[tags..<tags + size(tags)]
        file.removeSubrange(box.indices)
        file.insert(contentsOf: box, at: index + 8)
        try file.write(to: URL(fileURLWithPath: path))
    }

    @Test("a recording that begins in the middle begins at its first key picture, with its sound, and is not damaged")
    func beginsInTheMiddle() throws {
        let workshop = try Workshop()
        let whole = try workshop.makeVideo(
            "whole.ts", seconds: 6,
            ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"])
        let content = try Data(contentsOf: URL(fileURLWithPath: whole))
        let source = workshop.path("middle.ts")
        // The tables, and what comes after about 1 s.
        try (content.prefix(3 * 188) + content.dropFirst(content.count / 6 / 188 * 188)).write(
            to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .mpegTS)
        #expect(abs((result.source.duration ?? 0) - 4) < 0.2 && result.flaws == [])
        #expect(result.mp4?.hasCopiedVideo == false && result.mp4?.hasCopiedAudio == false)
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            let made = try Probed(workshop.path("work/\(file)"), arguments)
            #expect(abs(made.duration - 4) < 0.2, "\(file)")
            for stream in made.streams {
                #expect(abs(Double(stream["start_time"] as? String ?? "") ?? 9) < 0.1, "\(file)")
            }
        }
    }

    @Test("a picture under a long sound is in each piece of the stream with its sound")
    func onePictureUnderSound() throws {
        let workshop = try Workshop()
        let source = workshop.path("one.mp4")
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:d=0.04", "-f", "lavfi", "-i", "sine=d=20", "-c:v",
            "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", source,
        ])
        let result = try workshop.run(source, .mp4)
        #expect(abs((result.source.duration ?? 0) - 20) < 0.1)
        let directory = workshop.path("work/hls/480")
        let pieces = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".m4s") }
            .sorted()
        #expect(pieces.count == 4)
        for piece in pieces {
            let whole = workshop.path("whole.mp4")
            let parts = try ["init.mp4", piece].map { try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)")) }
            try (parts[0] + parts[1]).write(to: URL(fileURLWithPath: whole))
            let ends = try ["v", "a"].map { stream in
                try Workshop.command([
                    "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of",
                    "csv=p=0", whole,
                ]).split(separator: "\n").compactMap { Double($0.prefix { $0 != "," }) }.max() ?? -1
            }
            #expect(abs(ends[0] - ends[1]) < 1, "\(piece) \(ends)")
        }
    }

    @Test("a video that is too long to be encoded is copied, and has pictures")
    func long() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4")
        var limits = TranscodingLimits()
        limits.duration = 1
        let result = try workshop.run(source, .mp4, limits: limits)
        #expect(result.mp4?.hasCopiedVideo == true && result.renditions.isEmpty && !workshop.exists("work/hls"))
        #expect(result.hasPoster && result.thumbnails != nil)
        limits.copiedDuration = 1.5
        #expect(workshop.failure(source, .mp4, limits: limits)?.code == .tooMuch)
    }

    @Test("progress grows from step to step and ends with 1")
    func progress() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("p.avi", size: "640x360", seconds: 4, ["-c:v", "mpeg4"])
        var seen: [Double] = []
        _ = try workshop.run(source, .avi, progress: { seen.append($0) })
        #expect(seen.count > 4)
        #expect(seen == seen.sorted() && Set(seen).count == seen.count)
        #expect(seen.last == 1 && seen.dropLast().allSatisfy { $0 > 0 && $0 < 1 })
    }
}
