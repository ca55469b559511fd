import Testing

@testable import Media

private typealias Candidate = TrackChoice.Candidate

@Suite struct TrackChoiceTests {
    private func picture(_ number: Int, _ change: (inout Candidate) -> Void = { _ in }) -> Candidate {
        var candidate = Candidate(number: number, kind: .picture, codec: "h264", extent: 320 * 180, packets: 75)
        candidate.duration = 3
        change(&candidate)
        return candidate
    }

    private func sound(_ number: Int, _ change: (inout Candidate) -> Void = { _ in }) -> Candidate {
        var candidate = Candidate(number: number, kind: .sound, codec: "aac", extent: 2, packets: 140)
        candidate.duration = 3
        change(&candidate)
        return candidate
    }

    @Test("of equal tracks the first is taken")
    func first() {
        let choice = TrackChoice([sound(0), picture(1), picture(2), sound(3)])
        #expect(choice.picture == 1 && choice.sound == 0)
    }

    @Test("what cannot be decoded, is empty, encrypted or a cover is not taken")
    func unusable() {
        for change: (inout Candidate) -> Void in [
            { $0.codec = nil }, { $0.packets = 0 }, { $0.encrypted = 1 }, { $0.isCover = true }, { $0.extent = 0 },
        ] {
            let choice = TrackChoice([picture(0, change), picture(1), sound(2, change), sound(3)])
            #expect(choice.picture == 1 && choice.sound == 3)
            let none = TrackChoice([picture(0, change), sound(1, change)])
            #expect(none.picture == nil && none.sound == nil)
        }
    }

    @Test("a still does not stand before a moving picture, nor a preview before a large one, whatever is default")
    func stills() {
        let still = picture(0) { ($0.packets, $0.extent, $0.isDefault) = (1, 1 << 24, true) }
        #expect(TrackChoice([still, picture(1)]).picture == 1)
        #expect(TrackChoice([still]).picture == 0)
        #expect(TrackChoice([picture(0) { $0.extent = 64 * 36 }, picture(1)]).picture == 1)
    }

    @Test("a preview, and what is far shorter, comes after the others, whatever is default")
    func previews() {
        let preview = picture(0) { ($0.extent, $0.isDefault) = (64 * 36, true) }
        #expect(TrackChoice([preview, picture(1)]).picture == 1)
        let half = picture(0) { ($0.extent, $0.isDefault) = (160 * 90, true) }
        #expect(TrackChoice([half, picture(1)]).picture == 0)
        let short = picture(0) { ($0.extent, $0.packets, $0.duration, $0.isDefault) = (1280 * 720, 10, 0.4, true) }
        #expect(TrackChoice([short, picture(1)]).picture == 1)
        #expect(TrackChoice([preview]).picture == 0 && TrackChoice([short]).picture == 0)
        let stinger = sound(2) { ($0.duration, $0.isDefault) = (0.5, true) }
        #expect(TrackChoice([picture(1), stinger, sound(3)]).sound == 3)
        #expect(TrackChoice([picture(1), sound(2) { ($0.duration, $0.isDefault) = (1.5, true) }, sound(3)]).sound == 2)
        #expect(TrackChoice([picture(1), sound(2) { ($0.extent, $0.isDefault) = (1, true) }, sound(3)]).sound == 2)
    }

    @Test("the sound is of the picture's program, if that has one")
    func programs() {
        let small = [
            picture(0) { ($0.extent, $0.programs) = (160 * 90, [1]) },
            sound(1) { ($0.extent, $0.programs) = (6, [1]) },
        ]
        let large = [picture(2) { $0.programs = [2] }, sound(3) { $0.programs = [2, 3] }]
        let choice = TrackChoice(small + large)
        #expect(choice.picture == 2 && choice.sound == 3)
        #expect(TrackChoice(small + large.prefix(1)).sound == 1)
        #expect(TrackChoice([small[1], picture(2), sound(3)]).sound == 1)
    }

    @Test("ffprobe's programs and codec tags are read")
    func report() throws {
        let text = """
            {"programs": [{"program_id": 1, "streams": [{"index": 0}, {"index": 1}]}, {"program_id": 2, "streams":
            [{"index": 2}, {"index": 3}]}], "streams": [
            {"index": 0, "codec_type": "video", "codec_name": "h264", "pix_fmt": "yuv420p", "width": 160, "height": 90},
            {"index": 1, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "sample_fmt": "fltp", "channels": 6},
            {"index": 2, "codec_type": "video", "codec_name": "h264", "pix_fmt": "yuv420p", "width": 320, "height": 180},
            {"index": 3, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "sample_fmt": "fltp", "channels": 2},
            {"index": 4, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "sample_fmt": "fltp", "channels": 6,
             "codec_tag_string": "drms"}]}
            """
        let report = try ProbeReport(Array(text.utf8))
        var packets = TrackPackets()
        for number in 0..<75 {
            packets.take(Packet(time: Double(number) / 25, duration: 0.04, position: number, isKey: true))
        }
        packets.finish()
        func choice(_ numbers: [Int]) -> TrackChoice {
            let streams = Dictionary(uniqueKeysWithValues: numbers.map { ($0, report.streams[$0]) })
            return TrackChoice(report, streams, streams.mapValues { _ in packets })
        }
        #expect(choice([0, 1, 2, 3, 4]) == choice([2, 3]) && choice([2, 3]).sound == 3)
        #expect(choice([2, 4]).sound == nil)
    }

    @Test("the default comes before larger ones, a commentary after all")
    func dispositions() {
        #expect(TrackChoice([sound(0) { $0.extent = 6 }, sound(1) { $0.isDefault = true }]).sound == 1)
        let commentary = sound(0) { ($0.isSpecial, $0.isDefault, $0.extent) = (true, true, 6) }
        #expect(TrackChoice([commentary, sound(1)]).sound == 1)
        #expect(TrackChoice([commentary]).sound == 0)
    }

    @Test("of sounds the one with the most channels, but not a short one")
    func channels() {
        #expect(TrackChoice([sound(0), sound(1) { $0.extent = 6 }]).sound == 1)
        #expect(TrackChoice([sound(0), sound(1) { ($0.extent, $0.duration) = (6, 0.5) }]).sound == 0)
    }
}
