import Model
import Foundation
import Glibc
import Logging
import Testing
import TestTools

@testable import Media

/// A directory with videos, and what is made of them.
final class Workshop {
    let directory: URL

    init() throws {
        directory = try makeTemporaryDirectory().resolvingSymlinksInPath()
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// What is in the work directory that `run` uses.
    var work: String { path("work") }

    func exists(_ name: String) -> Bool { access(path(name), F_OK) == 0 }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    /// Makes a video with a moving picture, and a sound if it is to have one.
    func makeVideo(
        _ name: String, size: String = "320x180", seconds: Double = 2, rate: Int = 25, sound: Bool = true,
        _ arguments: [String] = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    ) throws -> String {
        try Self.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=\(rate)"]
                + (sound ? ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"] : []) + ["-t", "\(seconds)"]
                + arguments + [path(name)])
        return path(name)
    }

    static func ffmpeg(_ arguments: [String]) throws {
        _ = try command(["ffmpeg", "-nostdin", "-v", "error", "-y"] + arguments)
    }

    /// Runs a program and returns what it wrote.
    static func command(_ words: [String]) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(words)")
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The sound of a file in one channel, 8000 samples a second, from the beginning of the file on.
    static func samples(_ path: String) throws -> [Int16] {
        let raw = path + ".raw"
        try ffmpeg(["-i", path, "-vn", "-af", "aresample=8000:async=1:first_pts=0", "-ac", "1", "-f", "s16le", raw])
        return try Data(contentsOf: URL(fileURLWithPath: raw)).withUnsafeBytes { Array($0.bindMemory(to: Int16.self)) }
    }

    /// Converts a video. Nothing is reported or cancelled unless said so.
    func run(
        _ file: String, _ format: VideoFormat, profile: TranscodingProfile = quick,
        limits: TranscodingLimits = TranscodingLimits(), takeRoom: @escaping (Int) -> Bool = { _ in true },
        progress: @escaping (Double) -> Void = { _ in }, isCancelled: @escaping () -> Bool = { false }
    ) throws(TranscodingError) -> TranscodingResult {
        try Transcoder(limits: limits, logger: Logger(label: "test")).run(
            SourceFile(path: file, format: format), in: work, profile: profile, takeRoom: takeRoom,
            progress: progress, isCancelled: isCancelled)
    }

    /// The error of a conversion that must fail.
    func failure(
        _ file: String, _ format: VideoFormat, profile: TranscodingProfile = quick,
        limits: TranscodingLimits = TranscodingLimits(), takeRoom: @escaping (Int) -> Bool = { _ in true },
        isCancelled: @escaping () -> Bool = { false }
    ) -> TranscodingError? {
        do throws(TranscodingError) {
            _ = try run(file, format, profile: profile, limits: limits, takeRoom: takeRoom, isCancelled: isCancelled)
            Issue.record("it did not fail")
            return nil
        } catch {
            return error
        }
    }

    /// Processes that have this workshop's path in their command line.
    func processes() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let mark = Data(directory.path.utf8)
        return names.filter { Int($0) != nil }.compactMap { id in
            guard let line = FileManager.default.contents(atPath: "/proc/\(id)/cmdline"),
                line.firstRange(of: mark) != nil
            else { return nil }
            return "\(id) " + String(decoding: line.map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
        }
    }

    /// Waits until the processes are as they should be; fails after 10 s.
    func waitForProcesses(_ condition: ([String]) -> Bool) {
        for _ in 0..<1000 {
            if condition(processes()) { return }
            usleep(10_000)
        }
        Issue.record("the processes are \(processes())")
    }

    /// All outputs, encoded as fast as it goes.
    static let quick: TranscodingProfile = {
        var profile = TranscodingProfile()
        profile.preset = .ultrafast
        profile.thumbnails = TranscodingProfile.Thumbnails(interval: 1, width: 80)
        return profile
    }()

    /// Only these outputs.
    static func quick(_ outputs: TranscodingProfile.Output...) -> TranscodingProfile {
        var profile = quick
        profile.outputs = Set(outputs)
        return profile
    }
}

/// What ffprobe tells about a file, without the code that is tested.
struct Probed {
    let streams: [[String: Any]]
    let duration: Double

    init(_ path: String, _ arguments: [String] = []) throws {
        let text = try Workshop.command(
            ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json"] + arguments + [path])
        let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        streams = json["streams"] as? [[String: Any]] ?? []
        duration = Double((json["format"] as? [String: Any])?["duration"] as? String ?? "") ?? -1
    }

    /// Like `h264/aac`.
    var codecs: String { streams.map { $0["codec_name"] as? String ?? "?" }.joined(separator: "/") }

    /// Of the picture, like `320x180`.
    var size: String { "\(streams[0]["width"] ?? 0)x\(streams[0]["height"] ?? 0)" }

    var pixelFormat: String { streams[0]["pix_fmt"] as? String ?? "" }

    /// The checksum of each packet of a stream, in their order.
    static func packets(_ path: String, _ stream: String) throws -> [Substring] {
        // Each line: stream, dts, pts, duration, size, checksum. As annex B, which is the same from every container.
        try Workshop.command(
            [
                "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:\(stream)", "-c", "copy",
                "-f", "framemd5", "-",
            ]
        ).split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: ",").last! }
    }
}
