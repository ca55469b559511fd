import Testing

@testable import Transcoding

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
