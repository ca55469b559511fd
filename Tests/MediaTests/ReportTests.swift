import Glibc
import System
import Testing
import TestTools
import class TestTools.Locked

@testable import Media

typealias Child = System.ChildProcess

/// Reading what tools write, with nothing run.
@Suite struct ReportTests {
    private func information(
        _ video: String, format: String = #"{"duration": "2.5", "bit_rate": "1000"}"#, sideLimit: Int = 8192
    ) throws(TranscodingError) -> MediaInformation {
        try MediaInformation(
            report: Array(#"{"streams": [{"codec_type": "video", \#(video)}], "format": \#(format)}"#.utf8),
            sideLimit: sideLimit)
    }

    private let plain = #""codec_name": "h264", "pix_fmt": "yuv420p", "width": 1440, "height": 1080"#

    @Test(
        "the size that is shown has square pixels and is upright",
        arguments: [
            ("", 1440, 1080),
            (#", "sample_aspect_ratio": "4:3""#, 1920, 1080),
            (#", "sample_aspect_ratio": "0:1""#, 1440, 1080),
            (#", "sample_aspect_ratio": "1:1000000""#, 1440, 1080),
            (#", "sample_aspect_ratio": "99999999:1""#, 1440, 1080),
            (#", "side_data_list": [{}, {"rotation": -90}]"#, 1080, 1440),
            (#", "side_data_list": [{"rotation": 180}]"#, 1440, 1080),
            (#", "side_data_list": [{"rotation": 270}], "sample_aspect_ratio": "4:3""#, 1080, 1920),
        ])
    func shownSize(more: String, width: Int, height: Int) throws {
        #expect(try information(plain + more).video.size == PictureSize(width: width, height: height))
    }

    @Test(
        "numbers that cannot be are as good as none",
        arguments: [
            "{}", #"{"duration": "N/A"}"#, #"{"duration": "-1"}"#, #"{"duration": "inf"}"#, #"{"duration": "nan"}"#,
        ])
    func noDuration(format: String) throws {
        #expect(try information(plain, format: format).duration == nil)
        #expect(try information(plain + #", "avg_frame_rate": "0/0""#).video.frameRate == nil)
        #expect(try information(plain + #", "avg_frame_rate": "30000/1001""#).video.frameRate.map { Int($0) } == 29)
    }

    @Test(
        "a picture that cannot be converted is an error that says why",
        arguments: [
            (#""codec_name": "h264", "width": 10, "height": 10"#, TranscodingError.Code.unknownCodec),
            (#""pix_fmt": "yuv420p", "width": 10, "height": 10"#, .unknownCodec),
            (#""codec_name": "h264", "pix_fmt": "yuv420p", "width": 0, "height": 10"#, .unknownCodec),
            (#""codec_name": "h264", "pix_fmt": "yuv420p", "width": 8193, "height": 10"#, .tooMuch),
            (
                #""codec_name": "mjpeg", "pix_fmt": "yuvj420p", "width": 9, "height": 9, "disposition": {"attached_pic": 1}"#,
                .noPicture
            ),
        ])
    func refused(video: String, code: TranscodingError.Code) {
        let error = #expect(throws: TranscodingError.self) { try information(video) }
        #expect(error?.code == code && error?.isOfFile == true)
    }

    @Test("what is not ffprobe's JSON is an error of the tool")
    func noJSON() {
        for text in ["", "{", "[]", #"{"streams": 3}"#] {
            let error = #expect(throws: TranscodingError.self) {
                try MediaInformation(report: Array(text.utf8), sideLimit: 100)
            }
            #expect(error?.code == .toolFailed)
        }
    }

    @Test(
        "sizes fit into the frame, are even, and never grow",
        arguments: [
            (1920, 1080, 1080, 1920, 1080), (1920, 1080, 480, 854, 480), (1080, 1920, 720, 720, 1280),
            (1920, 800, 1080, 1920, 800), (321, 181, 1080, 320, 180), (1, 1, 480, 2, 2), (8192, 100, 2160, 3840, 46),
            (100, 8192, 480, 10, 854), (3840, 2160, 2160, 3840, 2160), (4096, 2160, 2160, 3840, 2026),
        ])
    func fitted(width: Int, height: Int, frame: Int, fittedWidth: Int, fittedHeight: Int) {
        #expect(
            PictureSize(width: width, height: height).fitted(toFrame: frame)
                == PictureSize(width: fittedWidth, height: fittedHeight))
    }

    @Test(
        "renditions are those that are not larger than the video, or one of its own size",
        arguments: [
            (1920, 1080, [1080, 720, 480], 1920), (1280, 720, [720, 480], 1280), (1920, 800, [1080, 720, 480], 1920),
            (640, 360, [480], 640), (854, 480, [480], 854), (1080, 1920, [1080, 720, 480], 1080),
            (16, 16, [480], 16), (8192, 8192, [1080, 720, 480], 1080),
        ])
    func renditions(width: Int, height: Int, heights: [Int], firstWidth: Int) {
        let renditions = TranscodingJob.renditions(
            of: PictureSize(width: width, height: height), TranscodingProfile())
        #expect(renditions.map(\.0.height) == heights && renditions.first?.1.width == firstWidth)
    }

    private let playlist = """
        #EXTM3U
        #EXT-X-VERSION:7
        #EXT-X-TARGETDURATION:6
        #EXT-X-MAP:URI="init.mp4"
        #EXTINF:6.000000,
        00000.m4s
        #EXTINF:0.500000,
        00001.m4s
        #EXT-X-ENDLIST
        """

    @Test("a playlist is read, and the most bits per second are those of a long piece")
    func readPlaylist() throws {
        let read = try MediaPlaylist(playlist)
        #expect(read.segments.map(\.name) == ["00000.m4s", "00001.m4s"] && read.duration == 6.5)
        #expect(read.initialization == "init.mp4")
        #expect(read.bandwidth(sizes: [750_000, 20_000]) == (1_000_000, 947_693))
        #expect(read.bandwidth(sizes: [750_000, 500_000]) == (1_538_462, 1_538_462))
    }

    @Test(
        "the bandwidth is the most of segments in a row, and no segment is longer than the target duration",
        arguments: [
            // Two short ones together count where neither does alone.
            ([6.0, 2, 1.5, 6], [600_000, 500_000, 400_000, 600_000], 6, 2_057_142.86),
            ([6, 2, 6], [600_000, 500_000, 600_000], 6, 1_100_000), ([4.5], [450_000], 5, 800_000),
            ([5.5, 5.4999], [550_000, 549_990], 6, 800_000), ([0.04], [4000], 0, 800_000),
        ] as [([Double], [Int], Int, Double)])
    func peak(durations: [Double], sizes: [Int], target: Int, bandwidth: Double) throws {
        let segments = durations.enumerated().map { "#EXTINF:\($0.element),\n\($0.offset).m4s\n" }.joined()
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        let text = head + segments + "#EXT-X-ENDLIST\n"
        #expect(try MediaPlaylist(text).neededTarget == target)
        let right = MediaPlaylist.text(text, target: target)
        #expect(right == text.replacing("DURATION:4\n", with: "DURATION:\(target)\n"))
        #expect(abs(Double(try MediaPlaylist(right).bandwidth(sizes: sizes).peak) - bandwidth) <= 1)
    }

    @Test(
        "a playlist that is not whole, or names what is elsewhere, is refused",
        arguments: [
            ("#EXTM3U", "#EXT"), ("#EXT-X-ENDLIST", ""), ("00001.m4s", "../00001.m4s"), ("#EXTINF:6.000000,", ""),
            ("6.000000", "-1"), ("6.000000", "inf"), ("init.mp4", "/etc/passwd"), ("#EXT-X-MAP", "#EXT-X-MIP"),
        ])
    func refusedPlaylist(old: String, new: String) {
        #expect(throws: TranscodingError.self) { try MediaPlaylist(playlist.replacing(old, with: new)) }
    }

    @Test("the end of a long output is kept in whole lines, and cannot do anything but be seen")
    func tail() {
        var tail = OutputTail()
        for index in 0..<10_000 { Array("line \(index)\n".utf8).withUnsafeBytes { tail.append($0) } }
        let lines = tail.text.split(separator: "\n")
        #expect(tail.text.utf8.count <= OutputTail.limit && lines.count > 300)
        #expect(lines.first!.hasPrefix("line 9") && lines.last == "line 9999")
        var odd = OutputTail()
        Array("a\u{1B}[2Jb\r\u{202E}c\u{7}\u{2028}é".utf8 + [0xFF]).withUnsafeBytes { odd.append($0) }
        #expect(odd.text == "a?[2Jb??c??é\u{FFFD}")
    }

    @Test(
        "the code of an error tells whether the file, the machine or the tool is the cause",
        arguments: [
            (
                Child.End.exit(1), "x.mp4: Invalid data found when processing input",
                TranscodingError.Code.unsupported
            ),
            (.exit(1), "av_interleaved_write_frame(): No space left on device", .noSpace),
            (.exit(1), "x264 [error]: malloc of size 3133440 failed", .memoryLimit),
            (.exit(1), "Error while opening encoder for output stream #0:0 - maybe incorrect", .memoryLimit),
            (.exit(127), "ffprobe: error while loading shared libraries: l.so: failed to map segment", .memoryLimit),
            (.exit(255), "Exiting normally, received signal 24.", .timeLimit), (.signal(SIGXCPU), "", .timeLimit),
            (.signal(SIGXFSZ), "", .tooMuch), (.signal(SIGKILL), "", .memoryLimit),
            (.signal(SIGSEGV), "", .unsupported), (.exit(1), "", .unsupported),
        ])
    func codes(end: Child.End, output: String, code: TranscodingError.Code) {
        #expect(TranscodingError("ffprobe", end, output: output, otherwise: .unsupported).code == code)
    }

    @Test("progress never falls, and lines that come in pieces are read")
    func progress() {
        let seen = Locked<[Double]>([])
        var meter = ProgressMeter(total: 10) { value in seen.withLock { $0.append(value) } }
        meter.note(0.5, of: 4)
        meter.note(0.2, of: 4)
        meter.finish(4)
        meter.note(99, of: 6)
        meter.finish(6)
        meter.finishAll()
        meter.finishAll()
        #expect(seen.withLock { $0 } == [0.2, 0.4, 0.999, 1])

        var reader = ProgressReader()
        var times: [Double?] = []
        for text in ["frame=1\nout_ti", "me_us=1500000", "\nout_time_us=N/A\n", "out_time_us=2\nout_time_us=3000000\n"]
        {
            times.append(Array(text.utf8).withUnsafeBytes { reader.read($0) })
        }
        #expect(times == [nil, nil, 1.5, 3])
    }
}
