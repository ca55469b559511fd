import Model
import Foundation
import Testing

@testable import Media

/// Where files end, and what is said of those that do not end where they should.
@Suite struct ContainerEndTests {
    private static let kinds: [(name: String, format: VideoFormat, arguments: [String])] = [
        ("a.mp4", .mp4, ["-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart"]),
        ("a.mov", .mp4, ["-c:v", "mjpeg", "-c:a", "pcm_s16le", "-movflags", "+faststart"]),
        (
            "fragments.mp4", .mp4,
            ["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]
        ),
        ("a.flv", .flv, ["-c:v", "flv1", "-c:a", "libmp3lame"]),
        ("a.avi", .avi, ["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
        ("a.mkv", .matroska, ["-c:v", "mpeg4", "-c:a", "aac"]),
        ("a.wmv", .asf, ["-c:v", "wmv2", "-c:a", "wmav2"]),
        ("a.ts", .mpegTS, ["-c:v", "mpeg2video", "-c:a", "mp2"]),
        ("a.m2ts", .mpegTS, ["-c:v", "mpeg2video", "-c:a", "ac3", "-mpegts_m2ts_mode", "1"]),
    ]

    @Test("what is cut off is said so, what is whole is not", arguments: 0..<kinds.count)
    func cutOff(index: Int) throws {
        let (name, format, arguments) = Self.kinds[index]
        let workshop = try Workshop()
        let source = try workshop.makeVideo(name, seconds: 4, arguments)
        let whole = try workshop.run(source, format, profile: Workshop.quick(.mp4))
        #expect(whole.flaws == [], "\(name)")
        let content = try Data(contentsOf: URL(fileURLWithPath: source))
        // Never between two of its frames: that cannot be told.
        let length = content.count * 7 / 10 / 192 * 192 + 77
        let cut = workshop.path("cut")
        try content.prefix(length).write(to: URL(fileURLWithPath: cut))
        let result = try workshop.run(SourceFile(path: cut, format: format).path, format)
        #expect(result.flaws == [.truncated], "\(name)")
        let seconds = try #require(result.source.duration)
        #expect((1..<4).contains(seconds), "\(name) \(seconds)")
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            #expect(
                abs(try Probed(workshop.path("work/\(file)"), arguments).duration - seconds) < 0.2, "\(name) \(file)")
        }
    }

    @Test("what follows the last frame of a container is no sign of a missing end")
    func garbage() throws {
        let workshop = try Workshop()
        for (name, format) in [("a.mp4", VideoFormat.mp4), ("a.flv", .flv), ("a.avi", .avi), ("a.ts", .mpegTS)] {
            let source = try workshop.makeVideo(name, seconds: 1, ["-c:v", name == "a.flv" ? "flv1" : "mpeg4", "-an"])
            for tail in [Data(count: 100), Data([0xFF, 0xD8, 1, 2, 3]), Data("0123456789".utf8)] {
                var content = try Data(contentsOf: URL(fileURLWithPath: source))
                content.append(tail)
                let longer = workshop.path("longer")
                try content.write(to: URL(fileURLWithPath: longer))
                #expect(try !Container.isEndMissing(in: SourceFile(path: longer, format: format)), "\(name) \(tail)")
            }
        }
    }

    @Test("bytes that cannot be decoded are said to be damage, and nothing of them is copied")
    func damaged() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo(
            "a.mp4", seconds: 6,
            ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-crf", "18", "-c:a", "aac"])
        var content = try Data(contentsOf: URL(fileURLWithPath: source))
        for spot in 0..<8 {
            let start = content.count / 2 + 900 * spot
            content.replaceSubrange(start..<start + 20, with: (0..<20).map { UInt8(($0 * 37 + spot * 11) & 255) })
        }
        let damaged = workshop.path("damaged.mp4")
        try content.write(to: URL(fileURLWithPath: damaged))
        for profile in [Workshop.quick(.mp4), Workshop.quick(.mp4, .hls)] {
            let result = try workshop.run(damaged, .mp4, profile: profile)
            #expect(result.flaws == [.damaged] && result.mp4?.hasCopiedVideo == false)
            #expect(abs(try Probed(workshop.path("work/video.mp4")).duration - 6) < 0.2)
            #expect(try Self.complaints(workshop.path("work/video.mp4")) == "")
        }
    }

    /// What ffmpeg complains of when it decodes all of a file.
    static func complaints(_ path: String) throws -> String {
        try Workshop.command(["sh", "-c", "ffmpeg -nostdin -v error -i '\(path)' -f null - 2>&1"])
    }
}
