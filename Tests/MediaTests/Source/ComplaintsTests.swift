import Testing

@testable import Media

@Suite struct ComplaintsTests {
    private static let seam =
        "[null @ 0x55a] Application provided invalid, non monotonically increasing dts to muxer in stream 0: 85 >= 85"
    private static let undecoded = "Error while decoding stream #0:1: Invalid data found when processing input"

    @Test(
        "what is whole from a cut on is not damaged",
        arguments: [
            "", "[h264 @ 0x55b] mmco: unref short failure", "\(seam)\n\(seam)\n    Last message repeated 1 times",
            "[mp2 @ 0x55c] Header missing\n[mp2 @ 0x55d] Header missing\n\(undecoded)\n\(seam)",
            "[mp3float @ 0x55c] Header missing\n\(undecoded)",
        ])
    func whole(text: String) {
        #expect(!Complaints.tellOfDamage(text))
    }

    @Test(
        "what cannot be decoded is",
        arguments: [
            undecoded, "[h264 @ 0x55b] mmco: unref short failure\n[h264 @ 0x55b] error while decoding MB 5 3",
            "[mp2 @ 0x55c] Header missing\n\(undecoded)\n\(undecoded)",
            "[mp2 @ 0x55c] Header missing\n[mp2 @ 0x55c] Header missing\n[mp2 @ 0x55c] Header missing",
        ])
    func damaged(text: String) {
        #expect(Complaints.tellOfDamage(text))
    }
}
