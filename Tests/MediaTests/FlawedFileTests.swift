import Model
import Foundation
import Testing

@testable import Media

/// Files that are cut off, encrypted, or have what no decoder takes: what is there plays, its flaws are told, and each reason for
/// which nothing plays has its code.
@Suite struct FlawedFileTests {
    @Test("a video that is cut off is known as such where only a picture is made of it")
    func cutOffPoster() throws {
        let workshop = try Workshop()
        let whole = try workshop.makeVideo("whole.flv", seconds: 2)
        #expect(try workshop.run(whole, .flv, profile: Workshop.quick(.poster)).flaws == [])
        let content = try Data(contentsOf: URL(fileURLWithPath: whole))
        try content.prefix(content.count * 2 / 3).write(to: URL(fileURLWithPath: workshop.path("cut.flv")))
        let result = try workshop.run(workshop.path("cut.flv"), .flv, profile: Workshop.quick(.poster))
        #expect(result.flaws == [.truncated] && result.hasPoster)
    }

    @Test(
        "of a file that has all pictures before all sound, and is cut in the sound, all pictures are shown",
        arguments: [0.0, 0.25, 1])
    func cutOffBehind(share: Double) throws {
        let workshop = try Workshop()
        let source = workshop.path("behind.mp4")
        // A sound that begins 20 s later is stored behind the pictures; then it begins with them.
        let arguments =
            "-t 8 \(OddFileTests.picture) -itsoffset 20 -t 8 \(OddFileTests.sound) \(OddFileTests.x264) -c:a aac -movflags +faststart"
        try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [source])
        var bytes = try Data(contentsOf: URL(fileURLWithPath: source))
        let late = try #require(bytes.lastRange(of: Data("elst".utf8))).upperBound + 8
        try #require(Array(bytes[late + 4..<late + 8]) == [255, 255, 255, 255])
        bytes.replaceSubrange(late..<late + 4, with: [0, 0, 0, 0])
        try bytes.write(to: URL(fileURLWithPath: source))
        func places(_ kind: String) throws -> [Int] {
            try Workshop.command(
                [
                    "ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pos", "-of", "csv=p=0",
                    source,
                ]
            ).split(whereSeparator: { $0 == "\n" || $0 == "," }).compactMap { Int($0) }
        }
        let (pictures, sounds) = (try places("v"), try places("a"))
        try #require(pictures.last! < sounds.first!)
        let isCut = share < 1
        if isCut {
            let end = sounds[Int(Double(sounds.count) * share)]
            try bytes.prefix(end).write(to: URL(fileURLWithPath: source))
        }
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        let duration = try #require(result.source.duration)
        #expect(
            abs(duration - 8) < 0.1 && result.flaws == (isCut ? [.truncated] : []), "\(duration) \(result.flaws)")
        #expect(!workshop.exists("work/\(StraightCopy.name)") && (result.source.audio != nil) == (share > 0))
        guard share > 0 else { return }
        // Something is heard of the first quarter, and nothing behind it.
        let samples = try Workshop.samples(workshop.path("work/video.mp4"))
        try #require(samples.count >= 56_000)
        #expect(samples[4000..<12_000].contains { abs(Int($0)) > 500 })
        #expect(samples[24_000..<56_000].contains { abs(Int($0)) > 500 } == !isCut)
    }

    @Test("a sound that is encrypted is a flaw, unless another one is heard", arguments: [1, 2], ["mp4", "ts"])
    func encryptedSound(sounds: Int, container: String) throws {
        let workshop = try Workshop()
        let source = workshop.path("a.\(container)")
        let arguments =
            "-t 2 \(OddFileTests.picture) -t 2 \(OddFileTests.sound) -map 0 -map 1\(sounds == 2 ? " -map 1" : "") \(OddFileTests.x264)"
        try Workshop.ffmpeg((arguments + " -c:a aac").split(separator: " ").map(String.init) + [source])
        var content = try Data(contentsOf: URL(fileURLWithPath: source))
        if container == "mp4" {
            let index = try #require(content.firstRange(of: Data("stsd".utf8))).upperBound
            let name = try #require(content[index...].firstRange(of: Data("mp4a".utf8)))
            content.replaceSubrange(name, with: Data("enca".utf8))
        } else {
            for packet in stride(from: 0, to: content.count, by: 188)
            where content[packet + 1] & 0x1F == 1 && content[packet + 2] == 1 && content[packet + 3] & 0x10 != 0 {
                content[packet + 3] |= 0x80
                let start = packet + 4 + (content[packet + 3] & 0x20 != 0 ? 1 + Int(content[packet + 4]) : 0)
                for place in start..<packet + 188 {
                    content[place] = UInt8(truncatingIfNeeded: place &* 97 ^ place >> 3)
                }
            }
        }
        try content.write(to: URL(fileURLWithPath: source))
        let format: VideoFormat = container == "mp4" ? .mp4 : .mpegTS
        let result = try workshop.run(source, format, profile: Workshop.quick(.mp4))
        #expect(result.flaws == (sounds == 1 ? [.damaged] : []) && (result.source.audio != nil) == (sounds == 2))
        let facts = try Transcoder(logger: .init(label: "test")).facts(
            of: SourceFile(path: source, format: format), in: workshop.work)
        let tracks = facts.first { $0.name == "tracks" }?.value
        #expect(tracks == "\(1 + sounds) of picture and sound, 1 of them encrypted")
    }

    @Test("each reason for which nothing can be made of a file has its code")
    func reasons() throws {
        let workshop = try Workshop()
        let plain = try workshop.makeVideo("plain.mp4", seconds: 1)
        let encrypted = workshop.path("encrypted.mp4")
        try Workshop.ffmpeg([
            "-i", plain, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key",
            "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", encrypted,
        ])
        #expect(workshop.failure(encrypted, .mp4)?.code == .encrypted)
        // FairPlay's name of the picture.
        var bought = try Data(contentsOf: URL(fileURLWithPath: plain))
        let index = try #require(bought.firstRange(of: Data("stsd".utf8))).upperBound
        let name = try #require(bought[index...].firstRange(of: Data("avc1".utf8)))
        bought.replaceSubrange(name, with: Data("drmi".utf8))
        try bought.write(to: URL(fileURLWithPath: workshop.path("bought.m4v")))
        #expect(workshop.failure(workshop.path("bought.m4v"), .mp4)?.code == .encrypted)
        // Of a transport stream all but the tables.
        let scrambled = workshop.path("scrambled.ts")
        try Workshop.ffmpeg(["-i", plain, "-c", "copy", scrambled])
        var stream = try Data(contentsOf: URL(fileURLWithPath: scrambled))
        for packet in stride(from: 0, to: stream.count, by: 188) {
            guard stream[packet + 1] & 0x1F == 1, stream[packet + 3] & 0x10 != 0 else { continue }
            stream[packet + 3] |= 0x80
            let start = packet + 4 + (stream[packet + 3] & 0x20 != 0 ? 1 + Int(stream[packet + 4]) : 0)
            for place in start..<packet + 188 { stream[place] = UInt8(truncatingIfNeeded: place &* 97 ^ place >> 3) }
        }
        try stream.write(to: URL(fileURLWithPath: scrambled))
        #expect(workshop.failure(scrambled, .mpegTS)?.code == .encrypted)
        // What a recorder leaves that was interrupted, and a copy that broke off in the index.
        let whole = try Data(contentsOf: URL(fileURLWithPath: plain))
        let start = try #require(whole.firstRange(of: Data("moov".utf8))).lowerBound - 4
        for (name, length) in [("interrupted.mp4", start), ("broken-off.mp4", start + 100)] {
            let path = workshop.path(name)
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(workshop.failure(path, .mp4)?.code == .noIndex, "\(name)")
        }
        let unknown = workshop.path("unknown.mkv")
        try Workshop.ffmpeg(["-i", plain, "-c:v", "mpeg4", "-an", unknown])
        var content = try Data(contentsOf: URL(fileURLWithPath: unknown))
        let codec = try #require(content.firstRange(of: Data("V_MPEG4/ISO/ASP".utf8)))
        content.replaceSubrange(codec, with: Data("V_NEXT9/ISO/ASP".utf8))
        try content.write(to: URL(fileURLWithPath: unknown))
        #expect(workshop.failure(unknown, .matroska)?.code == .unknownCodec)
        let silent = workshop.path("sound.mkv")
        try Workshop.ffmpeg(["-i", plain, "-c", "copy", "-vn", silent])
        #expect(workshop.failure(silent, .matroska)?.code == .noPicture)
    }

    @Test("a sound whose decoder cannot be opened is left out", arguments: [1, 2])
    func unopenable(sounds: Int) throws {
        let workshop = try Workshop()
        let plain = try workshop.makeVideo("plain.mp4", seconds: 2)
        let several = workshop.path("several.mp4")
        try Workshop.ffmpeg(
            ["-i", plain, "-map", "0"] + (sounds > 1 ? ["-map", "0:a"] : []) + ["-c", "copy", several])
        // Extended HE-AAC: audio object type 42 of ISO/IEC 14496-3, in 11 bits.
        var content = try Data(contentsOf: URL(fileURLWithPath: several))
        let box = try #require(content.firstRange(of: Data("esds".utf8))).upperBound
        let place = try #require(content[box...].firstRange(of: Data([5, 0x80, 0x80, 0x80]))).upperBound + 1
        content[place] = 0b1111_1001
        content[place + 1] = 0b0100_1000
        let file = workshop.path("extended.mp4")
        try content.write(to: URL(fileURLWithPath: file))
        let result = try workshop.run(file, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.source.audio?.codec == (sounds > 1 ? "aac" : nil))
        #expect(result.flaws == (sounds > 1 ? [] : [.damaged]))
        #expect(abs(try Probed(workshop.path("work/video.mp4")).duration - 2) < 0.1)
        #expect(!workshop.exists("work/straight.mp4"))
    }
}
