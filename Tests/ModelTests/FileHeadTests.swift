import Foundation
import TestTools
import Testing
import Model

/// What a file is, by its first bytes.
@Suite struct FileHeadTests {
    private static let kinds: [ContainerSample: VideoFormat] = [
        .avi: .avi, .flv: .flv, .matroska: .matroska, .webM: .matroska, .transportStream: .mpegTS, .m2ts: .mpegTS,
        .withCheckSums: .mpegTS, .cutTransportStream: .mpegTS, .cutM2TS: .mpegTS,
        .pictureBeforeTransportStream: .mpegTS, .programStream: .mpegPS, .mpeg1: .mpegPS, .cutProgramStream: .mpegPS,
        .systemHeaderFirst: .mpegPS, .asf: .asf,
    ]

    @Test("every form of every kind is told", arguments: ContainerSample.allCases)
    func kind(sample: ContainerSample) throws {
        #expect(FileHead(try sample.bytes).format == Self.kinds[sample] ?? .mp4)
    }

    /// Of each kind some beginnings that are refused: files that ffmpeg makes, and texts.
    private static let others: [(content: OtherContent, name: String, ffmpeg: [String])] = [
        (.image, "JPEG", ["-frames:v", "1", "-f", "mjpeg"]), (.image, "GIF", ["-frames:v", "1", "-f", "gif"]),
        (.image, "PNG", ["-frames:v", "1", "-c:v", "png", "-f", "image2pipe"]),
        (.image, "BMP", ["-frames:v", "1", "-c:v", "bmp", "-f", "image2pipe"]),
        (.image, "TIFF", ["-frames:v", "1", "-c:v", "tiff", "-f", "image2pipe"]),
        (.image, "WebP", ["-frames:v", "1", "-f", "webp"]), (.sound, "MP3", ["-vn", "-f", "mp3"]),
        (.sound, "MP3 without tags", ["-vn", "-id3v2_version", "0", "-write_xing", "0", "-f", "mp3"]),
        (.sound, "MP3 at half the rate", ["-vn", "-id3v2_version", "0", "-ar", "22050", "-f", "mp3"]),
        (.sound, "AAC", ["-vn", "-c:a", "aac", "-f", "adts"]), (.sound, "WAV", ["-vn", "-f", "wav"]),
        (.sound, "FLAC", ["-vn", "-f", "flac"]), (.otherVideo, "Ogg", ["-vn", "-c:a", "libvorbis", "-f", "ogg"]),
        (.otherVideo, "MXF", ["-an", "-c:v", "mpeg2video", "-f", "mxf"]),
        (.otherVideo, "IVF", ["-an", "-c:v", "libvpx", "-f", "ivf"]),
        (.realMedia, "RealMedia", ["-an", "-c:v", "rv10", "-f", "rm"]),
        (.elementaryStream, "H.264", ["-an", "-c:v", "libx264", "-f", "h264"]),
        (.elementaryStream, "H.265", ["-an", "-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc"]),
        (.elementaryStream, "MPEG-2", ["-an", "-c:v", "mpeg2video", "-f", "mpeg2video"]),
        (.elementaryStream, "MPEG-4", ["-an", "-c:v", "mpeg4", "-f", "m4v"]),
    ]

    @Test("what ffmpeg makes that is no such file is named", arguments: others.indices)
    func namesMade(index: Int) throws {
        let (content, name, arguments) = Self.others[index]
        let head = FileHead(try ContainerSample.ffmpeg(arguments))
        #expect(head.format == nil && OtherContent(head) == content, "\(name)")
    }

    private static let written: [(content: OtherContent, bytes: [UInt8])] =
        [
            (.pdf, "%PDF-1.7\n%…"), (.zip, "PK\u{3}\u{4}\u{14}\0\0\0"), (.archive, "Rar!\u{1A}\u{7}\0"),
            (.playlist, "#EXTM3U\n#EXT-X-VERSION:3\n"), (.playlist, "\u{FEFF}#EXTM3U\n"),
            (.playlist, "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">"),
            (.playlist, "<asx version=\"3.0\">"), (.webPage, "\r\n<!DOCTYPE HTML PUBLIC>"), (.webPage, "<html>"),
            (.image, "<?xml version=\"1.0\"?><svg>"), (.text, "<?php phpinfo(); ?>"), (.text, "1\n00:00:01,000 --> "),
            (.text, "第一集"), (.program, "\u{7F}ELF\u{2}\u{1}"), (.zeros, String(repeating: "\0", count: 8192)),
            // Words where a box has its type.
            (.text, "I'm free at last, and so is everybody else who has read this."), (.text, "You skip this one."),
            (.unknown, "\u{1}\u{2}\u{3}\u{4}nope"), (.image, "\0\0\0\u{18}ftypheic\0\0\0\0mif1heic"),
        ].map { ($0, Array($1.utf8)) } + [
            // GBK; UTF-16.
            (.text, [UInt8](repeating: 0xD6, count: 100)), (.text, [0xFF, 0xFE, 0x2D, 0x4E, 0x0A, 0x00]),
            (.archive, [0x1F, 0x8B, 0x08, 0]), (.document, [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]),
            // No packets: only bytes like theirs.
            (.text, [UInt8](repeating: 0x47, count: 8192)),
        ]

    @Test("what is written by hand is named", arguments: written.indices) func namesWritten(index: Int) {
        let (content, bytes) = Self.written[index]
        let head = FileHead(bytes)
        #expect(head.format == nil && OtherContent(head) == content, "\(String(decoding: bytes, as: UTF8.self))")
    }

    @Test("pieces of a stream without its beginning are told from a whole one")
    func fragment() throws {
        let file = try ContainerSample.fragments.bytes
        let start = try #require(Data(file).range(of: Data("moof".utf8))).lowerBound - 4
        let styp = Array(try ContainerSample.stypFirst.bytes.prefix(24))
        for bytes in [Array(file[start...]), styp + file[start...]] {
            let head = FileHead(bytes)
            #expect(head.format == nil && OtherContent(head) == .fragment)
        }
    }

    @Test("every kind of content is named by some file")
    func all() {
        let named = Set(Self.others.map(\.content) + Self.written.map(\.content) + [.fragment])
        #expect(named == Set(OtherContent.allCases))
    }

    @Test("a packet that is damaged, or four of them, are no stream; the rest of a damaged one is")
    func damaged() throws {
        var packets = try ContainerSample.transportStream.bytes
        #expect(FileHead(Array(packets.prefix(4 * 188))).format == nil)
        #expect(FileHead(Array(packets.prefix(5 * 188))).format == .mpegTS)
        packets[188] = 0
        #expect(FileHead(packets).format == .mpegTS)
        for place in stride(from: 0, to: 8192, by: 3 * 188) { packets[place] = 0 }
        #expect(FileHead(packets).format == nil)
    }

    @Test("a file that could be two kinds is the one that stands at a fixed place")
    func polyglots() throws {
        let packets = try ContainerSample.transportStream.bytes
        #expect(FileHead([0, 0, 0, 12] + Array("ftypisom".utf8) + packets).format == .mp4)
        #expect(FileHead(Array("RIFF0000AVI ".utf8) + packets).format == .avi)
        #expect(FileHead(Array("#EXTM3U\n".utf8) + packets).format == .mpegTS)
    }

    @Test("no beginning makes it crash, and none that is random is a video")
    func random() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed)
        for round in 0..<300 {
            let length = round < 100 ? round : Int.random(in: 0...9000, using: &generator)
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let head = FileHead(bytes)
            _ = OtherContent(head)
            #expect(head.format == nil, "seed \(seed)")
        }
        // Beginnings of every kind, cut off and with bytes changed; sizes that are wrong lead nowhere.
        let heads =
            try ContainerSample.allCases.map { Array(try $0.bytes.prefix(FileHead.length)) }
            + Self.written.map(\.bytes)
        for head in heads {
            for _ in 0..<40 {
                var bytes = Array(head.prefix(Int.random(in: 0...head.count, using: &generator)))
                for _ in 0..<Int.random(in: 0...4, using: &generator) where !bytes.isEmpty {
                    let place = Int.random(in: 0..<min(bytes.count, 64), using: &generator)
                    bytes[place] = [0, 1, 8, 0x7F, 0xFF, UInt8.random(in: 0...255, using: &generator)]
                        .randomElement(using: &generator)!
                }
                let changed = FileHead(bytes)
                if changed.format == nil { _ = OtherContent(changed) }
            }
        }
        print("seed \(seed)")
    }
}
