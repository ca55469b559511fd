import Foundation
import Testing

@testable import Media

/// Combs, which headers say nothing of.
@Suite struct InterlacingTests {
    @Test(
        "halves that come in one steady order are interlaced, others are not",
        arguments: [
            (25, 0, 0, Interlacing.topFirst), (0, 25, 0, .bottomFirst), (0, 0, 25, .none), (24, 0, 2, .topFirst),
            (14, 1, 10, .none), (16, 1, 8, .topFirst), (13, 12, 0, .none), (18, 7, 0, .none), (2, 21, 2, .bottomFirst),
            (7, 0, 0, .none), (0, 0, 0, .none),
        ])
    func counts(top: Int, bottom: Int, whole: Int, kind: Interlacing) {
        #expect(Interlacing(top: Double(top), bottom: Double(bottom), whole: Double(whole)) == kind)
    }

    @Test("the last counts of a picture are those of all", arguments: [true, false])
    func read(isEmpty: Bool) {
        let text = """
            frame:0    pts:0       pts_time:0
            lavfi.idet.multiple.tff=1.00
            lavfi.idet.single.tff=9.00
            frame:1    pts:1       pts_time:0.04
            lavfi.idet.multiple.tff=2.00
            lavfi.idet.multiple.bff=3.00
            lavfi.idet.multiple.progressive=4.00
            """
        let found = Interlacing.counts(isEmpty ? [] : Array(text.utf8))
        #expect(found == (isEmpty ? (0, 0, 0) : (2, 3, 4)))
    }

    @Test("rows of two times are combs, whole pictures that move have none", arguments: [true, false])
    func combs(isWoven: Bool) {
        let height = 40
        var combs = Combs(height: height)
        for time in stride(from: 0, to: 16, by: 2) {
            combs.take(
                (0..<height).flatMap { row in
                    let moment = isWoven && row % 2 == 1 ? time + 1 : time
                    return (0..<Combs.width).map { UInt8(($0 + 7 * moment) / 14 % 2 == 0 ? 30 : 200) }
                })
        }
        #expect(combs.moving > 1000 && combs.areThere == isWoven)
    }

    @Test("a test card that moves by odd rows is not taken for half pictures")
    func testCard() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("card.mp4", size: "1280x720", seconds: 5)
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == true)
    }

    /// A bar that moves sideways, 50 times a second, in half pictures or in whole ones.
    private func video(_ workshop: Workshop, _ name: String, weave: String, seconds: Double) throws -> String {
        let scene =
            "color=gray:size=720x576:rate=50:d=\(seconds),drawgrid=w=90:h=72:color=white[back];"
            + "testsrc2=size=240x192:rate=50[thing];[back][thing]overlay=x='mod(t*400,W)-120':y=H/3:shortest=1"
        try Workshop.ffmpeg([
            "-f", "lavfi", "-i", "\(scene),\(weave),setfield=prog,format=yuv420p", "-c:v", "libx264", "-preset",
            "ultrafast", "-t", "\(seconds)", workshop.path(name),
        ])
        return workshop.path(name)
    }

    @Test(
        "half pictures are made whole where no header speaks of them, and whole ones stay as they are",
        arguments: [
            ("tinterlace=interleave_top", true, []), ("tinterlace=interleave_bottom", true, []),
            ("fps=25", false, []), ("tinterlace=interleave_top", true, ["b", "a", "a"]),
            ("tinterlace=interleave_top", true, ["a", "b", "b", "b", "b"]),
        ])
    func combs(weave: String, isInterlaced: Bool, order: [String]) throws {
        let workshop = try Workshop()
        var source = try video(workshop, "a.mp4", weave: weave, seconds: 2)
        if !order.isEmpty {
            _ = try video(workshop, "b.mp4", weave: "fps=25", seconds: 2)
            let list = workshop.path("list")
            let lines = order.map { "file '\(workshop.path($0)).mp4'\n" }
            try lines.joined().write(toFile: list, atomically: true, encoding: .utf8)
            source = workshop.path("mixed.mp4")
            try Workshop.ffmpeg(["-f", "concat", "-safe", "0", "-i", list, "-c", "copy", source])
        }
        let result = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(result.mp4?.hasCopiedVideo == !isInterlaced)
        let counts = try Workshop.command([
            "ffmpeg", "-nostdin", "-v", "error", "-i", workshop.path("work/video.mp4"), "-vf",
            "idet,metadata=mode=print:file=-", "-f", "null", "-",
        ])
        let left = Interlacing.counts(Array(counts.utf8))
        #expect(left.top + left.bottom < 0.2 * left.whole, "\(left)")
    }
}
