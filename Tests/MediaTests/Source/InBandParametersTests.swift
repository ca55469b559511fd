import Foundation
import Testing

@testable import Media

/// Parameters that change in the middle, and clocks that jump there.
@Suite struct InBandParametersTests {
    private func read(_ bytes: [UInt8], by size: Int, _ take: (UnsafeRawBufferPointer) -> Void) {
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { take($0) }
        }
    }

    @Test("headers of AAC are told apart by profile, rate and channels", arguments: [1, 2, 3, 7, 1000])
    func headers(size: Int) {
        func frame(_ second: UInt8, _ third: UInt8, length: Int) -> [UInt8] {
            [
                0xFF, 0xF1, second, third | UInt8(length >> 11), UInt8(length >> 3 & 255),
                UInt8(length & 7) << 5 | 0x1F, 0xFC,
            ]
                // Bytes that look like a header.
                + (7..<length).map { $0 % 2 == 0 ? 0xF1 : 0xFF }
        }
        let same = (0..<5).flatMap { frame(0x4C, 0x40, length: 10 + 300 * $0) }
        for (other, count) in [
            (frame(0x4C, 0x40, length: 8), 1), (frame(0x50, 0x40, length: 8), 2), (frame(0x4C, 0x80, length: 8), 2),
            (frame(0x8C, 0x40, length: 8), 2), (frame(0x4E, 0x70, length: 8), 1),
        ] {
            var headers = ADTSHeaders()
            read(same + other + same, by: size) { headers.read($0) }
            #expect(headers.different.count == count)
        }
        var headers = ADTSHeaders()
        read([1, 2, 0xFF] + same, by: size) { headers.read($0) }
        #expect(headers.different.count == 1)
    }

    @Test("checksums are read from the lines that ffmpeg writes")
    func hashes() {
        var hashes = FrameHashes()
        let text = "#software\n0, 0, 0, 1, 35, abc\n0, 1, 1, 1, 35, abc, S=1, 1, def\n#x\n"
        read(Array(text.utf8), by: 5) { hashes.read($0) }
        #expect(hashes.different.count == 1)
        read(Array("0, 2, 2, 1, 35, abd\n".utf8), by: 5) { hashes.read($0) }
        #expect(hashes.different.count == 2)
    }

    private static let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]

    /// One transport stream after the other.
    private func joined(_ workshop: Workshop, _ parts: [String], later: Bool = true) throws -> String {
        var content = Data()
        for (number, part) in parts.enumerated() {
            let moved = workshop.path("moved.ts")
            try Workshop.ffmpeg([
                "-i", part, "-map", "0", "-c", "copy", "-output_ts_offset", later ? "\(3 * number)" : "0", moved,
            ])
            content += try Data(contentsOf: URL(fileURLWithPath: moved))
        }
        let path = workshop.path("joined.ts")
        try content.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("a transport stream whose picture changes its size in the middle is not copied")
    func size() throws {
        let workshop = try Workshop()
        let parts = try ["320x180", "640x360"].map {
            try workshop.makeVideo("\($0).ts", size: $0, seconds: 3, Self.x264 + ["-c:a", "mp2"])
        }
        let result = try workshop.run(joined(workshop, parts), .mpegTS, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == false && abs((result.source.duration ?? 0) - 6) < 0.2)
        #expect(result.flaws == [])
        let same = try workshop.run(joined(workshop, [parts[0], parts[0]]), .mpegTS, profile: Workshop.quick(.mp4))
        #expect(same.mp4?.hasCopiedVideo == true)
    }

    @Test("a sound that changes its rate or its channels goes on in both outputs", arguments: ["-ar 44100", "-ac 2"])
    func sound(change: String) throws {
        let workshop = try Workshop()
        let parts = try ["-ar 48000 -ac 1", change].enumerated().map { number, form in
            try workshop.makeVideo(
                "\(number).ts", seconds: 3, Self.x264 + ["-c:a", "aac"] + form.split(separator: " ").map(String.init))
        }
        let result = try workshop.run(joined(workshop, parts), .mpegTS, profile: Workshop.quick(.mp4, .hls))
        #expect(result.mp4?.hasCopiedVideo == true && result.mp4?.hasCopiedAudio == false)
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            try Self.expectTone(workshop.path("work/\(file)"), arguments, seconds: 6)
        }
    }

    @Test("a clock that starts again or jumps makes nothing longer or shorter", arguments: [false, true])
    func clock(isHourLater: Bool) throws {
        let workshop = try Workshop()
        let part = try workshop.makeVideo("part.ts", seconds: 3, Self.x264 + ["-c:a", "mp2"])
        var source = try joined(workshop, [part, part, part], later: false)
        if isHourLater {
            let jump = "if(gte(PTS*TB,4),PTS+3600/TB,PTS)"
            let setting = "setts=pts='\(jump)':dts='\(jump.replacing(",PTS", with: ",DTS"))'"
            let whole = workshop.path("whole.mkv")
            try Workshop.ffmpeg(["-i", try joined(workshop, [part, part]), "-c", "copy", whole])
            source = workshop.path("hour.mkv")
            try Workshop.ffmpeg(["-i", whole, "-c", "copy", "-bsf:v", setting, "-bsf:a", setting, source])
        }
        let seconds = isHourLater ? 6.0 : 9
        let result = try workshop.run(source, isHourLater ? .matroska : .mpegTS, profile: Workshop.quick(.mp4, .hls))
        #expect(abs((result.source.duration ?? 0) - seconds) < 0.3 && result.mp4?.hasCopiedVideo == false)
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            let path = workshop.path("work/\(file)")
            #expect(abs(try Probed(path, arguments).duration - seconds) < 0.3)
            try Self.expectTone(path, arguments, seconds: seconds)
            // Each picture is another one than the one before, but for a few at a seam.
            let pictures = try Workshop.command(
                ["ffmpeg", "-nostdin", "-v", "error"] + arguments + ["-i", path, "-map", "0:v", "-f", "framemd5", "-"]
            ).split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: ",").last! }
            let moving = zip(pictures, pictures.dropFirst()).count { $0 != $1 }
            #expect(moving > Int(seconds * 25) - 10, "\(file): \(moving) of \(pictures.count)")
        }
    }

    /// The sound is there all the time: no tenth of a second is silent, and there is no more of it.
    private static func expectTone(_ path: String, _ arguments: [String], seconds: Double) throws {
        let raw = path + ".raw"
        try Workshop.ffmpeg(
            arguments + [
                "-i", path, "-map", "0:a", "-af", "aresample=8000:async=1:first_pts=0", "-ac", "1", "-f", "s16le",
            ]
                + [raw])
        let samples = try Data(contentsOf: URL(fileURLWithPath: raw)).withUnsafeBytes {
            Array($0.bindMemory(to: Int16.self))
        }
        #expect(abs(Double(samples.count) / 8000 - seconds) < 0.3)
        let silent = stride(from: 800, to: samples.count - 2400, by: 800).filter { start in
            samples[start..<start + 800].allSatisfy { abs(Int($0)) < 200 }
        }
        #expect(silent.count <= 1, "silent at \(silent)")
    }
}
