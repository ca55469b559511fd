import Model
import Foundation
import Testing

@testable import Media

/// Files as telephones, recorders and editors leave them: what plays is as long as it should be, whatever is announced, and
/// stands still nowhere. `Tests/media` looks at many more of them, second by second.
@Suite struct OddFileTests {
    struct Kind: CustomTestStringConvertible, Sendable {
        let name: String
        let format: VideoFormat
        /// Seconds that it plays.
        let seconds: Double
        /// ffmpeg's arguments before the name.
        let arguments: String
        /// Bytes to replace in what ffmpeg makes: the first that come after a mark.
        var change: (mark: String, skipped: Int, bytes: [UInt8])?
        var size = "320x180"
        /// What the copied or encoded MP4 says of its colours.
        var isWide = false
        var testDescription: String { name }
    }

    static let picture = "-f lavfi -i testsrc2=size=320x180:rate=25"
    static let sound = "-f lavfi -i sine=sample_rate=48000"
    private static let ten = (0..<10).map { _ in "0.1*sin(2000*t)" }.joined(separator: "|")
    static let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"

    @Test(
        "what plays is measured and made without gaps",
        arguments: [
            Kind(
                name: "telephone.mp4", format: .mp4, seconds: 3,
                arguments: "-t 3 \(picture) -t 3 \(sound) -vf select=mod(n\\,7) -fps_mode vfr \(x264) -c:a aac"),
            Kind(
                name: "drops-at-the-end.mov", format: .mp4, seconds: 4,
                arguments: "-t 4 \(picture) -t 4 \(sound) -vf select=lt(t\\,2)+not(mod(n\\,3)) -fps_mode vfr \(x264)"),
            Kind(
                name: "long-still.mp4", format: .mp4, seconds: 24,
                arguments: "-t 24 \(picture) -vf select=lt(t\\,1)+gt(t\\,21) -fps_mode vfr \(x264) -g 250"),
            Kind(
                name: "spoken-still.mkv", format: .matroska, seconds: 14,
                arguments: "-t 14 \(picture) -t 14 \(sound) -vf select=lt(t\\,1) -fps_mode vfr \(x264) -c:a aac"),
            Kind(
                name: "second-sound-longer.mp4", format: .mp4, seconds: 3,
                arguments: "-t 3 \(picture) -t 3 \(sound) -t 6 \(sound) -map 0 -map 1 -map 2 \(x264) -c:a aac"),
            Kind(
                name: "sound-longer.avi", format: .avi, seconds: 5,
                arguments: "-t 2 \(picture) -t 5 \(sound) -c:v mpeg4 -c:a libmp3lame"),
            Kind(
                name: "says-an-hour.flv", format: .flv, seconds: 3,
                arguments: "-t 3 \(picture) -t 3 \(sound) \(x264) -c:a aac",
                // 3600.0 as a double.
                change: ("duration", 1, [0x40, 0xAC, 0x20, 0, 0, 0, 0, 0])),
            Kind(
                name: "edit-list.mp4", format: .mp4, seconds: 2,
                arguments: "-t 4 \(picture) \(x264) -bf 0",
                // After version and count: 2000 units of the movie's clock.
                change: ("elst", 8, [0, 0, 0x07, 0xD0])),
            Kind(
                name: "preview-first.mov", format: .mp4, seconds: 3,
                arguments: "-f lavfi -i color=red:size=64x36:rate=25:d=0.04 -t 3 \(picture) -t 3 \(sound) "
                    + "-map 0 -map 1 -map 2 -c:v:0 mjpeg -c:v:1 libx264 -pix_fmt:v:1 yuv420p -c:a aac"),
            Kind(
                name: "hlg.mp4", format: .mp4, seconds: 1,
                arguments:
                    "-t 1 \(picture) \(x264)10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
                isWide: true),
            Kind(
                name: "pq.mkv", format: .matroska, seconds: 1,
                arguments:
                    "-t 1 \(picture) \(x264)10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
                isWide: true),
            Kind(
                name: "wide-without-transfer.mp4", format: .mp4, seconds: 1,
                arguments: "-t 1 \(picture) \(x264)10le -color_primaries bt2020 -colorspace bt2020nc", isWide: true),
            Kind(
                name: "pq-without-primaries.mkv", format: .matroska, seconds: 1,
                arguments: "-t 1 \(picture) \(x264)10le -color_trc smpte2084 -colorspace bt2020nc", isWide: true),
            Kind(
                name: "matrix-alone.mkv", format: .matroska, seconds: 1,
                arguments: "-t 1 \(picture) \(x264)10le -colorspace bt2020nc", isWide: true),
            Kind(
                name: "ten-channels.mov", format: .mp4, seconds: 1,
                arguments: "-t 1 \(picture) -f lavfi -i aevalsrc=\(ten):s=48000:d=1 \(x264) -c:a pcm_s16le"),
            Kind(
                name: "short-large-first.mov", format: .mp4, seconds: 3,
                arguments: "-f lavfi -i testsrc2=size=1280x720:rate=25:d=0.4 -t 3 \(picture) -t 3 \(sound) "
                    + "-map 0 -map 1 -map 2 \(x264) -c:a aac"),
            Kind(
                name: "moving-preview-first.mkv", format: .matroska, seconds: 3,
                arguments: "-f lavfi -i testsrc2=size=64x36:rate=25:d=3 -t 3 \(picture) -t 3 \(sound) "
                    + "-map 0 -map 1 -map 2 -disposition:v:0 default -disposition:v:1 0 \(x264) -c:a aac"),
        ])
    func plays(kind: Kind) throws {
        let workshop = try Workshop()
        let source = workshop.path(kind.name)
        try Workshop.ffmpeg(kind.arguments.split(separator: " ").map(String.init) + [source])
        if let change = kind.change {
            var content = try Data(contentsOf: URL(fileURLWithPath: source))
            let mark = try #require(content.firstRange(of: Data(change.mark.utf8)))
            let start = mark.upperBound + change.skipped
            content.replaceSubrange(start..<start + change.bytes.count, with: change.bytes)
            try content.write(to: URL(fileURLWithPath: source))
        }
        let result = try workshop.run(source, kind.format)
        #expect(abs((result.source.duration ?? 0) - kind.seconds) < 0.1)
        #expect(result.flaws == [] && result.hasPoster && result.thumbnails != nil)
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            let made = try Probed(workshop.path("work/\(file)"), arguments)
            #expect(abs(made.duration - kind.seconds) < 0.2 && made.size == kind.size, "\(file) \(made.duration)")
            let colours = ["color_transfer", "color_primaries", "color_space"].map { made.streams[0][$0] as? String }
            #expect(!kind.isWide || colours == ["bt709", "bt709", "bt709"], "\(file) \(colours)")
            let times = try Self.times(workshop.path("work/\(file)"), arguments)
            let gaps = zip(times, times.dropFirst() + [kind.seconds]).map { $1 - $0 }
            #expect(times.count > 1 && times[0] < 0.15 && gaps.max()! <= 0.52, "\(file) \(gaps.max()!)")
        }
        #expect(try ContainerEndTests.complaints(workshop.path("work/video.mp4")) == "")
        let pieces = try workshop.text("work/hls/480/index.m3u8").split(separator: "\n")
            .filter { $0.hasPrefix("#EXTINF:") }.compactMap { Double($0.dropFirst(8).dropLast()) }
        #expect(abs(pieces.reduce(0, +) - kind.seconds) < 0.1 && pieces.max()! <= 8 && pieces.dropLast().min() ?? 6 > 4)
    }

    @Test(
        "all of it plays, whatever clock it has",
        arguments: [
            // Trimmed as telephones do it: the first key picture is decoded and not shown, and more come later.
            Kind(name: "trimmed.mp4", format: .mp4, seconds: 5.5, arguments: "-ss 2.5 -i WHOLE -c copy"),
            Kind(
                name: "slides.mp4", format: .mp4, seconds: 30.04,
                arguments: "-i WHOLE -filter_complex [0:v]select=not(mod(n\\,75)),setpts=N*15/TB[v];"
                    + "[0:a]atrim=end=4[a] -map [v] -map [a] -frames:v 3 -fps_mode vfr -enc_time_base 1:25 \(x264) "
                    + "-c:a aac"),
            Kind(
                name: "stands-still.flv", format: .flv, seconds: 8,
                arguments: "-i WHOLE -c copy -bsf:v setts=ts=0 -bsf:a setts=ts=0"),
        ])
    func clocks(kind: Kind) throws {
        let workshop = try Workshop()
        let whole = try workshop.makeVideo(
            "whole.mp4", seconds: 8,
            "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 100 -c:a aac".split(separator: " ").map(String.init))
        let source = workshop.path(kind.name)
        let arguments = kind.arguments.split(separator: " ").map { $0 == "WHOLE" ? whole : String($0) }
        try Workshop.ffmpeg(arguments + [source])
        let result = try workshop.run(source, kind.format)
        #expect(abs((result.source.duration ?? 0) - kind.seconds) < 0.1 && result.flaws == [])
        for (file, arguments) in [("video.mp4", []), ("hls/480/index.m3u8", ["-f", "hls"])] {
            let made = try Probed(workshop.path("work/\(file)"), arguments)
            #expect(abs(made.duration - kind.seconds) < 0.2, "\(file) \(made.duration)")
            let times = try Self.times(workshop.path("work/\(file)"), arguments).filter { $0 > -0.001 }
            let gaps = zip(times, times.dropFirst() + [kind.seconds]).map { $1 - $0 }
            #expect(times.count > 1 && gaps.min()! > 0 && gaps.max()! <= 0.52, "\(file) \(gaps.max()!)")
        }
        #expect(try ContainerEndTests.complaints(workshop.path("work/video.mp4")) == "")
    }

    /// When each picture is shown, in order.
    private static func times(_ path: String, _ arguments: [String]) throws -> [Double] {
        try Workshop.command(
            ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
                + arguments + [path]
        ).split(separator: "\n").compactMap { Double($0.prefix { $0 != "," }) }.sorted()
    }

    @Test("nothing is lost where the clock of a file of fragments begins again", arguments: [1, 10])
    func fragments(gop: Int) throws {
        let workshop = try Workshop()
        // Dark, then bright, in a file of fragments each: the fragments of both, behind the head of the first.
        func part(_ name: String, _ colour: String, _ seconds: Int) throws -> Data {
            let arguments =
                "-f lavfi -i color=\(colour):size=320x180:rate=25 \(Self.sound) -t \(seconds) \(Self.x264) "
                + "-g \(25 * gop) -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"
            try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [workshop.path(name)])
            return try Data(contentsOf: URL(fileURLWithPath: workshop.path(name)))
        }
        let first = try part("a.mp4", "black", 3)
        let second = try part("b.mp4", "white", 2)
        let start = try #require(second.firstRange(of: Data("moof".utf8))).lowerBound - 4
        let source = workshop.path("both.mp4")
        try (first + second[start...]).write(to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .mp4)
        #expect(abs((result.source.duration ?? 0) - 5) < 0.1 && result.flaws == [])
        #expect(!workshop.exists("work/\(StraightCopy.name)"))
        try expectBright(workshop, 3..<5, seconds: 5)
    }

    /// Expects dark pictures in all that was made, but in the middle or at the end bright ones.
    private func expectBright(_ workshop: Workshop, _ bright: Range<Double>, seconds: Double) throws {
        for file in ["video.mp4", "hls/480/index.m3u8"] {
            let lines = try Workshop.command([
                "ffmpeg", "-nostdin", "-v", "error", "-i", workshop.path("work/\(file)"), "-vf",
                "fps=25,signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-",
            ]).split(separator: "\n")
            let pictures = lines.compactMap { $0.hasPrefix("lavfi") ? Double($0.split(separator: "=").last!) : nil }
            #expect(abs(Double(pictures.count) - 25 * seconds) <= 3, "\(file): \(pictures.count) pictures")
            let wrong = pictures.enumerated().filter { number, luma in
                let isSeam = [bright.lowerBound, bright.upperBound].contains { abs(25 * $0 - Double(number)) <= 3 }
                return !isSeam && (luma > 128) != bright.contains(Double(number) / 25)
            }
            #expect(wrong.isEmpty, "\(file): \(wrong.map(\.offset))")
        }
    }

    /// Recordings one after the other, as a recorder of television leaves them.
    private func recording(_ workshop: Workshop, _ parts: [String]) throws -> String {
        var content = Data()
        for (number, arguments) in parts.enumerated() {
            let path = workshop.path("\(number).ts")
            try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + ["-f", "mpegts", path])
            content += try Data(contentsOf: URL(fileURLWithPath: path))
        }
        let path = workshop.path("recording.ts")
        try content.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test(
        "half pictures that change their size stay where they belong, whatever clock the file has",
        arguments: [false, true])
    func interlacedSizes(beginsAgain: Bool) throws {
        let workshop = try Workshop()
        func part(_ size: String, _ luma: String, _ more: String) -> String {
            "-f lavfi -i color=0x\(luma):size=\(size):rate=50,drawgrid=w=90:h=72:color=gray,null[back];"
                + "testsrc2=size=160x120:rate=50[thing];[back][thing]overlay=x='mod(t*400,W)-80':y=H/3:shortest=1,"
                + "tinterlace=interleave_top,setfield=tff,format=yuv420p -t 2 \(Self.sound) -t 2 "
                + "-c:v mpeg2video -flags +ildct+ilme -b:v 3M -g 12 -c:a mp2 \(more)"
        }
        let source = try recording(
            workshop,
            [
                part("720x576", "202020", ""),
                part("544x576", "f0f0f0", beginsAgain ? "" : "-output_ts_offset 2"),
                part("720x576", "202020", beginsAgain ? "" : "-output_ts_offset 4"),
            ])
        let result = try workshop.run(source, .mpegTS)
        #expect(abs((result.source.duration ?? 0) - 6) < 0.15)
        try expectBright(workshop, 2..<4, seconds: 6)
    }

    @Test(
        "a sound that begins late and changes its form is heard where it belongs",
        arguments: [false, true])
    func soundForms(beginsAgain: Bool) throws {
        let workshop = try Workshop()
        func part(_ tone: Int, _ filter: String, _ more: String) -> String {
            "-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=\(tone):sample_rate=48000 -t 3 "
                + "-filter_complex [1]\(filter)[a] -map 0 -map [a] \(Self.x264) -g 25 -c:a mp2 \(more)"
        }
        func offset(_ seconds: Int) -> String { beginsAgain ? "" : "-output_ts_offset \(seconds)" }
        let source = try recording(
            workshop,
            [
                part(500, "aformat=channel_layouts=stereo,asetpts=PTS+2/TB,atrim=end=3", ""),
                part(1000, "aformat=sample_rates=44100:channel_layouts=mono", offset(3)),
                part(2000, "aformat=sample_rates=48000:channel_layouts=stereo", offset(6)),
            ])
        _ = try workshop.run(source, .mpegTS)
        for (file, format) in [("video.mp4", "mov"), ("hls/480/index.m3u8", "hls")] {
            let path = workshop.path("work/\(file)")
            let times = try Workshop.command([
                "ffprobe", "-v", "error", "-f", format, "-select_streams", "a", "-show_entries", "packet=pts_time",
                "-of", "csv=p=0", path,
            ]).split(separator: "\n").compactMap { Double($0.prefix { $0 != "," }) }
            let steps = zip(times, times.dropFirst()).map { $1 - $0 }
            // One after the other, 21.3 ms each. What the filters keep back is lost at a seam.
            #expect(steps.min()! > 0.001 && steps.max()! < 0.3, "\(file): \(steps.min()!) to \(steps.max()!)")
            #expect(abs(times.count - 422) <= 16, "\(file): \(times.count) packets")
            let samples = try Workshop.samples(path)
            try #require(samples.count > 8 * 8000)
            // Waves a second in each half second, of which the middle is looked at, but not before a seam.
            let tones = stride(from: 0.25, to: 8.5, by: 0.5).map { middle in
                let part = samples[Int((middle - 0.1) * 8000)..<Int((middle + 0.1) * 8000)]
                return zip(part, part.dropFirst()).filter { $0 < 0 && $1 >= 0 }.count * 5
            }
            let right = [0, 0, 0, 0, 500, 500] + Array(repeating: 1000, count: 6) + Array(repeating: 2000, count: 6)
            for (place, (tone, right)) in zip(tones, right).enumerated() where place != 5 && place != 11 {
                #expect(abs(tone - right) <= 20, "\(file) \(place)")
            }
        }
    }

    @Test("a sound that has no decoder does not stand before one that has")
    func noDecoder() throws {
        let workshop = try Workshop()
        let source = workshop.path("two.mp4")
        try Workshop.ffmpeg(
            "-t 2 \(Self.picture) -t 2 \(Self.sound) -t 2 \(Self.sound) -map 0 -map 1 -map 2 \(Self.x264) -c:a aac -ac:a:1 2"
                .split(separator: " ").map(String.init) + [source])
        var content = try Data(contentsOf: URL(fileURLWithPath: source))
        let index = try #require(content.firstRange(of: Data("moov".utf8))).lowerBound
        let codec = try #require(content[index...].firstRange(of: Data("mp4a".utf8)))
        content.replaceSubrange(codec, with: Data("apac".utf8))
        let description = try #require(content[codec.upperBound...].firstRange(of: Data("esds".utf8)))
        content.replaceSubrange(description, with: Data("free".utf8))
        try content.write(to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.source.audio?.codec == "aac" && result.source.audio?.channels == 2)
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264/aac")
    }

    @Test(
        "a track that begins late is found",
        arguments: [
            ("picture.ts", VideoFormat.mpegTS, "-t 9 \(sound) -itsoffset 7 -t 2 \(picture)"),
            ("picture.mp4", .mp4, "-t 9 \(sound) -itsoffset 7 -t 2 \(picture)"),
            ("sound.ts", .mpegTS, "-t 9 \(picture) -itsoffset 7 -t 2 \(sound)"),
        ])
    func late(name: String, format: VideoFormat, inputs: String) throws {
        let workshop = try Workshop()
        let arguments = "\(inputs) -map 0 -map 1 \(Self.x264) -c:a aac"
        try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [workshop.path(name)])
        let result = try workshop.run(workshop.path(name), format, profile: Workshop.quick(.mp4))
        #expect(abs((result.source.duration ?? 0) - 9) < 0.1 && result.source.audio != nil && result.flaws == [])
        #expect(try Probed(workshop.path("work/video.mp4")).codecs == "h264/aac")
    }

    /// A transport stream of parts of 2 s, joined, in `both.ts`. Each part has options for ffmpeg, which gets a clock that goes on.
    private func broadcast(_ workshop: Workshop, _ parts: [String], camera: Bool = false) throws -> String {
        var whole = Data()
        for (number, more) in parts.enumerated() {
            let path = workshop.path("part\(number).\(camera ? "mts" : "ts")")
            var arguments = "-t 2 \(Self.picture) -t 2 \(Self.sound) \(Self.x264) -c:a aac \(more)"
            arguments += " -output_ts_offset \(2 * number)"
            try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [path])
            whole += try Data(contentsOf: URL(fileURLWithPath: path))
        }
        try whole.write(to: URL(fileURLWithPath: workshop.path("both.ts")))
        return workshop.path("both.ts")
    }

    @Test(
        "a broadcast whose tracks get other numbers goes on",
        arguments: [
            ["", "-mpegts_start_pid 512 -tables_version 1"],
            ["", "-mpegts_start_pid 512 -mpegts_pmt_start_pid 4352"],
            // Numbers of the other kind, and back.
            ["", "-mpegts_start_pid 257 -mpegts_pmt_start_pid 4352", ""],
            ["-mpegts_service_id 7", "-mpegts_service_id 8 -mpegts_start_pid 512 -mpegts_pmt_start_pid 4352"],
            // The same codec as America says it, and as Europe does.
            ["-c:a ac3", "-c:a ac3 -mpegts_flags system_b"],
            ["-c:a ac3", "-c:a ac3 -mpegts_flags system_b -mpegts_start_pid 512 -mpegts_pmt_start_pid 4352"],
        ], [false, true])
    func otherNumbers(parts: [String], camera: Bool) throws {
        let workshop = try Workshop()
        let source = try broadcast(workshop, parts, camera: camera)
        let result = try workshop.run(source, .mpegTS, profile: Workshop.quick(.mp4))
        let duration = try #require(result.source.duration)
        let seconds = Double(2 * parts.count)
        #expect(abs(duration - seconds) < 0.1 && result.flaws == [], "\(duration) \(result.flaws)")
        let pictures = try Self.times(workshop.path("work/video.mp4"), []).count
        #expect(abs(Double(pictures) - 25 * seconds) <= 2, "\(pictures)")
        #expect(!workshop.exists("work/\(RenumberedStream.name)"))
        let loudness = try Workshop.samples(workshop.path("work/video.mp4"))
        let quiet = stride(from: 0, to: loudness.count - 800, by: 800).filter { first in
            loudness[first..<first + 800].allSatisfy { abs(Int($0)) < 500 }
        }
        #expect(quiet.count <= 1, "\(quiet)")
    }

    @Test(
        "a track that goes on in another codec is a flaw",
        arguments: [
            "-mpegts_start_pid 512 -mpegts_pmt_start_pid 4352 -c:a mp2", "-c:a mp2", "-c:v mpeg2video",
        ])
    func otherCodec(more: String) throws {
        let workshop = try Workshop()
        let source = try broadcast(workshop, ["", more])
        let result = try workshop.run(source, .mpegTS, profile: Workshop.quick(.mp4))
        let duration = try #require(result.source.duration)
        #expect(abs(duration - 4) < 0.1 && result.flaws == [.damaged], "\(duration) \(result.flaws)")
    }

    @Test("so it is in FLV", arguments: ["-c:a libmp3lame", "-c:v flv1", "-c:a aac"])
    func otherCodecInTags(more: String) throws {
        let workshop = try Workshop()
        func part(_ name: String, _ more: String) throws -> Data {
            let arguments = "-t 2 \(Self.picture) -t 2 \(Self.sound) \(Self.x264) -c:a aac -ar 44100 \(more)"
            try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [workshop.path(name)])
            return try Data(contentsOf: URL(fileURLWithPath: workshop.path(name)))
        }
        let source = workshop.path("both.flv")
        let both = try part("a.flv", "") + part("b.flv", "\(more) -output_ts_offset 2").dropFirst(13)
        try both.write(to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .flv, profile: Workshop.quick(.mp4))
        let duration = try #require(result.source.duration)
        let flaws: Set<VideoFlaw> = more == "-c:a aac" ? [] : [.damaged]
        #expect(abs(duration - 4) < 0.1 && result.flaws == flaws, "\(duration) \(result.flaws)")
    }

    @Test("pictures whose order of showing is lost are not copied")
    func lostOrder() throws {
        let workshop = try Workshop()
        let source = workshop.path("order.mp4")
        try Workshop.ffmpeg(
            "-t 2 \(Self.picture) -c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p".split(separator: " ").map(
                String.init)
                + [source])
        #expect(try workshop.run(source, .mp4, profile: Workshop.quick(.mp4)).mp4?.hasCopiedVideo == true)
        var content = try Data(contentsOf: URL(fileURLWithPath: source))
        let order = try #require(content.firstRange(of: Data("ctts".utf8)))
        content.replaceSubrange(order, with: Data("free".utf8))
        try content.write(to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == false && abs((result.source.duration ?? 0) - 2) < 0.1)
    }

    @Test("a telephone that is turned has bars beside its pictures")
    func turned() throws {
        let workshop = try Workshop()
        func part(_ name: String, _ size: String) throws -> Data {
            let arguments = "-f lavfi -i color=white:size=\(size):rate=25 -t 2 \(Self.x264)"
            try Workshop.ffmpeg(arguments.split(separator: " ").map(String.init) + [workshop.path(name)])
            return try Data(contentsOf: URL(fileURLWithPath: workshop.path(name)))
        }
        let source = workshop.path("turned.flv")
        // Behind the head of 13 bytes.
        let both = try part("a.flv", "180x320") + part("b.flv", "320x180")[13...]
        try both.write(to: URL(fileURLWithPath: source))
        let result = try workshop.run(source, .flv, profile: Workshop.quick(.mp4))
        #expect(
            abs((result.source.duration ?? 0) - 4) < 0.1 && result.mp4?.size == PictureSize(width: 180, height: 320))
        // The brightness of the upper edge and of the middle.
        func bright(_ second: Double) throws -> [Bool] {
            let raw = workshop.path("raw")
            try Workshop.ffmpeg([
                "-ss", "\(second)", "-i", workshop.path("work/video.mp4"), "-frames:v", "1", "-vf",
                "scale=1:9:flags=area", "-pix_fmt", "gray", "-f", "rawvideo", raw,
            ])
            let rows = try Data(contentsOf: URL(fileURLWithPath: raw))
            return [rows[0] > 128, rows[4] > 128]
        }
        #expect(try bright(1) == [true, true])
        #expect(try bright(3) == [false, true])
    }

    /// A picture of one colour as it is seen, and the colour: red, green, blue.
    struct Colour: CustomTestStringConvertible, Sendable {
        let name: String
        var size = "1280x720"
        /// Its matrix, as `scale` reads it; `nil` for RGB.
        var matrix: String?
        var range = "tv"
        var isTagged = true
        /// What is encoded says that it has this one.
        let expected: String
        var testDescription: String { name }
    }

    @Test(
        "colours stay as they are, in what is encoded and in the small pictures",
        arguments: [
            Colour(name: "high.mp4", matrix: "bt709", expected: "bt709"),
            Colour(name: "high-untagged.mp4", matrix: "bt709", isTagged: false, expected: "bt709"),
            Colour(name: "low.mp4", size: "640x360", matrix: "smpte170m", expected: "smpte170m"),
            Colour(
                name: "low-untagged.mp4", size: "640x360", matrix: "smpte170m", isTagged: false, expected: "smpte170m"),
            Colour(name: "full.mp4", matrix: "bt709", range: "pc", expected: "bt709"),
            Colour(name: "rgb.mov", expected: "bt709"),
            Colour(name: "rgb-low.mov", size: "640x360", expected: "smpte170m"),
        ])
    func colours(colour: Colour) throws {
        let workshop = try Workshop()
        let source = workshop.path(colour.name)
        var arguments = ["-f", "lavfi", "-i", "color=0x00bf00:size=\(colour.size):rate=25:duration=2,format=rgb24"]
        if let matrix = colour.matrix {
            arguments += ["-vf", "scale=out_color_matrix=\(matrix):out_range=\(colour.range),format=yuv420p"]
            arguments += ["-c:v", "libx264", "-preset", "ultrafast"]
            if colour.isTagged { arguments += ["-colorspace", matrix, "-color_range", colour.range] }
        } else {
            arguments += ["-c:v", "qtrle"]
        }
        try Workshop.ffmpeg(arguments + [source])
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.hls, .poster, .thumbnails))
        let height = colour.size.split(separator: "x")[1] == "720" ? "720" : "480"
        for file in ["hls/\(height)/index.m3u8", "poster.jpg", "thumbnails.jpg"] {
            let path = workshop.path("work/\(file)")
            let raw = path + ".raw"
            try Workshop.ffmpeg([
                "-i", path, "-frames:v", "1", "-vf", "crop=16:16:0:0", "-pix_fmt", "rgb24", "-f", "rawvideo", raw,
            ])
            let seen = try Data(contentsOf: URL(fileURLWithPath: raw)).prefix(3).map(Int.init)
            #expect(zip(seen, [0, 0xBF, 0]).allSatisfy { abs($0 - $1) < 8 }, "\(file): \(seen)")
            guard file.hasSuffix("m3u8") else { continue }
            let stream = try #require(try Probed(path).streams.first)
            #expect(stream["color_space"] as? String == colour.expected && stream["color_range"] as? String == "tv")
        }
    }

    @Test("what is found out about a file can be shown, and nothing of the look is left")
    func facts() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("a.mp4", seconds: 1)
        let facts = try Transcoder(logger: .init(label: "test")).facts(
            of: SourceFile(path: source, format: .mp4), in: workshop.work)
        let values = Dictionary(uniqueKeysWithValues: facts.map { ($0.name, $0.value) })
        #expect(values["container"] == "mov" && values["fields"] == "whole pictures" && values["end"] == "there")
        #expect(values["picture"]?.contains("h264") == true && values["picture as it is"] == "can be copied")
        #expect(values["mp4"] == "picture copied, sound copied" && values["stream"] == "320x180")
        #expect(values["sound"]?.contains("aac") == true && !workshop.exists("work"))
    }
}
