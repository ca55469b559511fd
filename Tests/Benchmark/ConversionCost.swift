import Foundation
import TestSupport

/// What a worker's conversion of a video costs in processor time: of 1080p, all that is made by default, and of the same file
/// when only its packets are copied.
struct ConversionCost {
    /// Seconds of processor time for a minute of video.
    struct Figures {
        var conversion: [Double] = []
        var remux: [Double] = []
    }

    /// Binaries, by the names that they have in the output.
    let binaries: [(name: String, path: String)]
    let rounds: Int
    /// Of the video.
    let seconds: Int
    let directory: String

    /// Measures the binaries in turns and prints a line for each. The remux is told in parts of what ffmpeg takes to decode the
    /// file, too.
    func run() throws {
        let video = try FFmpegVideo(.h264, size: "1920x1080", seconds: Double(seconds), rate: 30)
        var figures = binaries.map { _ in Figures() }
        var decoding: [Double] = []
        for round in 0..<rounds {
            for (index, binary) in binaries.enumerated() {
                progress("round \(round + 1) of \(rounds), a conversion by \(binary.name)")
                let site = try NginxSite(
                    .handOff, flags: ["--transcode", "yes"], binary: binary.path,
                    directory: URL(fileURLWithPath: "\(directory)/conversion-\(round)-\(index)"))
                figures[index].conversion.append(
                    try cost(at: site, profile: #"{}"#) {
                        let codes = try (0..<video.upload.chunks).map { try site.send(video.upload.request($0)).code }
                        guard codes.contains(1) else { throw BenchmarkError("an upload failed: \(codes)") }
                    })
                figures[index].remux.append(
                    try cost(at: site, profile: #"{"outputs": ["mp4"]}"#) {
                        let again = try ChildProcess.run(
                            binary.path, ["job", "retry", "1", "--data-directory", site.dataDirectory.path])
                        guard again.end == .exit(0) else { throw BenchmarkError("job retry: \(again.errors)") }
                    })
                // Once a round: it is the same file for all.
                if index == 0 { decoding.append(try decode(at: site)) }
            }
        }
        for (binary, figures) in zip(binaries, figures) {
            let (conversion, remux) = (figures.conversion.median, figures.remux.median)
            print(
                """
                \(binary.name), processor time for a minute of 1080p at 30/s: \(text(conversion)) s, \
                remux \(text(remux)) s (\(text(remux / decoding.median)) × ffmpeg -f null)
                """)
        }
        for other in figures.dropFirst() {
            let conversions = zip(figures[0].conversion, other.conversion).map { $0 / $1 }
            let remuxes = zip(figures[0].remux, other.remux).map { $0 / $1 }
            print("ratio: conversion \(text(conversions.median)), remux \(text(remuxes.median))")
        }
    }

    /// What a worker takes for the job that `queue` queues.
    private func cost(at site: NginxSite, profile: String, _ queue: () throws -> Void) throws -> Double {
        let path = "\(site.dataDirectory.path)/profile.json"
        try profile.write(toFile: path, atomically: true, encoding: .utf8)
        func count(_ line: String) -> Int { site.workerLog.components(separatedBy: line).count }
        // It tries its tools at first, and another one of the same log has done so before.
        let (line, started) = ("ffmpeg is kept in", count("ffmpeg is kept in"))
        let worker = try site.startWorker(["--profile", path, "--jobs", "1"])
        defer { worker.stop() }
        guard eventually(within: 30, { count(line) > started }) else {
            throw BenchmarkError("the worker does not start: \(site.workerLog)")
        }
        Usage.settle([worker.id])
        let before = Usage.cpuSeconds([worker.id])
        let done = count("job is done")
        try queue()
        guard eventually(within: 1200, { count("job is done") > done || worker.poll() != nil }), worker.poll() == nil
        else {
            throw BenchmarkError("the job is not done: \(site.workerLog)")
        }
        Usage.settle([worker.id])
        return (Usage.cpuSeconds([worker.id]) - before) * 60 / Double(seconds)
    }

    private func decode(at site: NginxSite) throws -> Double {
        let originals = try FileManager.default.subpathsOfDirectory(atPath: site.dataDirectory.path)
            .filter { $0.contains("/original/") && $0.hasSuffix(".mp4") }
        guard let original = originals.first else { throw BenchmarkError("the upload is not there") }
        let before = Usage.endedChildrenCPUSeconds
        let ended = try ChildProcess.run(
            "ffmpeg", ["-nostdin", "-v", "error", "-i", "\(site.dataDirectory.path)/\(original)", "-f", "null", "-"],
            within: 600)
        guard ended.end == .exit(0) else { throw BenchmarkError("ffmpeg: \(ended.errors)") }
        return (Usage.endedChildrenCPUSeconds - before) * 60 / Double(seconds)
    }

    private func text(_ number: Double) -> String { String(format: "%.2f", number) }
}
