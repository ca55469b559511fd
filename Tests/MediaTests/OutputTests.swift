import Foundation
import System
import TestTools
import Testing

@testable import Media

/// How much a job writes: bounded before it begins, and while it runs.
@Suite struct OutputTests {
    /// The file of a `Workshop` with this content.
    private func write(_ content: [UInt8], _ workshop: Workshop) throws -> String {
        let file = workshop.path("source.mp4")
        try Data(content).write(to: URL(fileURLWithPath: file))
        return file
    }

    private func size(of path: String) -> Int {
        ((try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int) ?? 0
    }

    @Test("a file whose copy would be many times as large is unsupported, and nothing of it is written")
    func amplified() throws {
        let workshop = try Workshop()
        let (content, pictureBytes) = try HostileVideo.oneKeyPicture(width: 640, height: 360, samples: 300)
        #expect(300 * pictureBytes > 50 * content.count)
        var asked: [Int] = []
        let error = workshop.failure(
            try write(content, workshop), .mp4,
            takeRoom: {
                asked.append($0)
                return true
            })
        #expect(error?.code == .tooMuch, "\(String(describing: error))")
        #expect(error?.reason.contains("\(300 * pictureBytes) bytes") == true)
        #expect(asked.isEmpty && !workshop.exists("work/video.mp4"))
    }

    @Test("packets of any kind are copied up to the length of the file")
    func copied() throws {
        let workshop = try Workshop()
        let (content, pictureBytes) = try HostileVideo.oneKeyPicture(width: 640, height: 360, samples: 300)
        let file = SourceFile(path: try write(content, workshop), format: .mp4)
        let directory = try ResultDirectory(emptying: workshop.work)
        // As a sound would be, whose packets nothing has counted.
        var cost = TranscodingCost(size: PictureSize(width: 640, height: 360), bytes: content.count)
        cost.pictures = 300
        let size = OutputSize.copied(cost, duration: 12)
        #expect(size.limit == size.room && size.limit < 8 * pictureBytes)
        var asked: [Int] = []
        let limits = TranscodingLimits()
        let tools = ToolRunner(
            limits: limits, walls: .present, source: file.path, directory: directory,
            watch: ToolWatch(limits, limit: 60), isCancelled: { false },
            takeRoom: {
                asked.append($0)
                return true
            })
        do throws(TranscodingError) {
            try tools.run(
                FFmpeg.command + file.arguments(sideLimit: 8192) + ["-c", "copy", "-f", "mp4", "file:copy.mp4"],
                writing: size)
            Issue.record("all of it was copied")
        } catch {
            #expect(error.code == .tooMuch, "\(error)")
        }
        #expect(asked.first == size.room && asked.last == 0)
        #expect(self.size(of: workshop.work + "/copy.mp4") <= size.limit)
    }

    @Test("what a tool writes to many files is bounded too")
    func many() throws {
        let workshop = try Workshop()
        let directory = try ResultDirectory(emptying: workshop.work)
        let limits = TranscodingLimits()
        let tools = ToolRunner(
            limits: limits, walls: .present, source: nil, directory: directory,
            watch: ToolWatch(limits, limit: 60), isCancelled: { false })
        // Those of earlier steps do not count.
        _ = FileManager.default.createFile(atPath: workshop.work + "/before", contents: Data(count: 1 << 20))
        // With a pause, and at its end: 100 files of 10 KB each.
        for pause in ["sleep 0.05", ":"] {
            let script =
                "mkdir -p d; i=0; while [ $i -lt 100 ]; do head -c 10000 /dev/zero > d/$i; i=$((i+1)); \(pause); done"
            do throws(TranscodingError) {
                try tools.run(
                    ["sh", "-c", script], writing: OutputSize(limit: 200_000, room: 0), startsProcesses: true)
                Issue.record("it was not ended")
            } catch {
                #expect(error.code == .tooMuch, "\(error)")
            }
            if pause != ":" { #expect(try directory.size() < 700_000 + 1 << 20) }
            #expect(throws: Never.self) { try ResultDirectory.remove(workshop.work + "/d") }
        }
        #expect(throws: Never.self) {
            try tools.run(
                ["sh", "-c", "head -c 100000 /dev/zero > few"], writing: OutputSize(limit: 200_000, room: 0),
                startsProcesses: true)
        }
    }

    @Test("room is there before each step, or the step is not begun")
    func room() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4")
        let length = size(of: source)
        // The number of the step that there is no room for.
        for refused in 0...3 {
            var steps: [Int] = []
            var isWithin = false
            let takeRoom = { (bytes: Int) in
                if bytes == 0 {
                    isWithin = false
                    return true
                }
                if isWithin { return true }
                steps.append(bytes)
                isWithin = steps.count <= refused
                return isWithin
            }
            if refused == 3 {
                let result = try workshop.run(
                    source, .mp4, profile: Workshop.quick(.mp4, .hls, .poster), takeRoom: takeRoom)
                #expect(result.mp4?.hasCopiedVideo == true && steps.count == 3)
                // A stream: less than its bit rate for its length. A copy: not much more than the file.
                #expect(steps[0] > 1_200_000 / 8 * 2 && steps[0] < 32 << 20)
                #expect(steps[1] >= length && steps[1] < length + 2 << 20)
                #expect(size(of: workshop.work + "/video.mp4") <= steps[1])
            } else {
                let error = workshop.failure(
                    source, .mp4, profile: Workshop.quick(.mp4, .hls, .poster), takeRoom: takeRoom)
                #expect(error?.code == .noSpace && steps.count == refused + 1, "\(String(describing: error))")
                #expect(workshop.exists("work/hls/480/index.m3u8") == (refused > 0))
                #expect(workshop.exists("work/video.mp4") == (refused > 1))
            }
        }
    }

    @Test("long recordings are within what may be written, and a step asks for room in proportion to the file")
    func honest() {
        // 12 h of 1080p with 3 Mbit/s.
        var cost = TranscodingCost(size: PictureSize(width: 1920, height: 1080), bytes: 16_000_000_000)
        cost.pictures = 25 * 12 * 3600
        let copied = OutputSize.copied(cost, duration: 12 * 3600)
        #expect(copied.limit > cost.bytes && copied.limit < cost.bytes / 100 * 102)
        let profile = TranscodingProfile()
        let bitRate = profile.renditions.reduce(0) { $0 + $1.videoBitRate + $1.audioBitRate }
        let encoded = OutputSize.encoded(bitRate: bitRate, cost, duration: 12 * 3600)
        #expect(encoded.room < 33_000_000_000 && encoded.limit > bitRate / 8 * 12 * 3600)
        // 10 s of a telephone.
        let short = TranscodingCost(size: PictureSize(width: 1920, height: 1080), bytes: 17_000_000)
        #expect(OutputSize.encoded(bitRate: bitRate, short, duration: 10).room < 40 << 20)
    }
}
