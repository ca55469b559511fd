import Foundation
import Testing
@testable import Transcoding

@Suite struct HandedTests {
    @Test(.enabled(if: ProcessInfo.processInfo.environment["MEDIA_DIR"] != nil)) func handed() throws {
        let directory = ProcessInfo.processInfo.environment["MEDIA_DIR"]!
        let only = ProcessInfo.processInfo.environment["MEDIA_ONLY"] ?? ""
        for name in try FileManager.default.contentsOfDirectory(atPath: directory).sorted() where only.isEmpty || name.contains(only) {
            let kinds: [String: SourceFile.Demuxer] = ["mp4": .mov, "flv": .flv, "avi": .avi, "mkv": .matroska, "ts": .mpegts, "mov": .mov]
            let demuxer = name.hasPrefix("ts_") ? .mpegts : kinds[String(name.split(separator: ".").last!)] ?? .mov
            let workshop = try Workshop()
            do {
                let result = try workshop.run(directory + "/" + name, demuxer)
                let mp4 = try Probed(workshop.path("work/video.mp4"))
                let stream = try Probed(workshop.path("work/hls/\(result.renditions.last!.height)/index.m3u8"), ["-f", "hls"])
                let list = try workshop.text("work/hls/\(result.renditions.last!.height)/index.m3u8").split(separator: "\n").filter { $0.hasPrefix("#EXTINF") }
                let complaints = try Workshop.command(["sh", "-c", "ffmpeg -v error -i \(workshop.path("work/video.mp4")) -f null - 2>&1 | head -3"])
                print("OK", name, result.source.duration ?? 0, "mp4", mp4.duration, mp4.size, mp4.codecs, result.mp4!.hasCopiedVideo, result.mp4!.hasCopiedAudio, "hls", stream.duration, list.map { $0.dropFirst(8).dropLast() }, "poster", result.hasPoster, result.thumbnails?.count ?? 0, complaints)
            } catch { print("FAIL", name, error) }
            if let keep = ProcessInfo.processInfo.environment["MEDIA_KEEP"] { try? FileManager.default.moveItem(atPath: workshop.work, toPath: keep + "/" + name) }
        }
    }
}
