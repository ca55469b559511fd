import ArgumentParser
import Foundation
import TestSupport

/// `Tests/bench transcoding`: what a conversion costs, what workers cost those who upload meanwhile, and whether they do each job
/// once.
struct TranscodingLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transcoding",
        abstract: "Measure a conversion, and uploads while workers transcode, against an idle machine.",
        discussion: """
            First the processor time of a conversion and of a remux, by this version and another one in turns. Then it \
            queues videos of 720p, then uploads the same amount with and without workers, in turns. At the end the \
            workers finish all jobs, and each must have been done once.
            """)

    @Option(help: "Videos that are queued; 0: only the conversion is measured.") var jobs = 100
    @Option(help: "Workers, each a process with its default number of jobs.") var workers = 2
    @Option(help: "How often everything is measured.") var rounds = 3
    @Option(help: "MiB of the video that is uploaded.") var size = 512
    @Option(help: "Seconds of the video whose conversion is measured; 0: none.") var seconds = 60
    @Option(help: "The binary of another version, whose conversion is measured, too.") var against: String?
    @Option(help: "Where everything is written meanwhile.") var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard jobs >= 0, workers > 0, rounds > 0, (3...2048).contains(size), (0...3600).contains(seconds) else {
            throw ValidationError(
                "workers and rounds are above 0, the size is from 3 to 2048, the seconds are from 0 to 3600")
        }
    }

    func run() throws {
        let place = "\(directory)/bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: place) }
        if seconds > 0 {
            let binaries = [("this version", NginxSite.binary)] + (against.map { [("the other one", $0)] } ?? [])
            try ConversionCost(binaries: binaries, rounds: rounds, seconds: seconds, directory: place).run()
        }
        guard jobs > 0 else { return }
        let site = try NginxSite(
            .handOff, flags: ["--transcode", "yes"], directory: URL(fileURLWithPath: place + "/site"))

        progress("making and queueing \(jobs) videos")
        let video = try FFmpegVideo(.mpeg4, size: "1280x720", seconds: 5)
        for index in 0..<jobs {
            // A box that players leave out.
            let box = [0, 0, 0, 12] + Array("free".utf8) + withUnsafeBytes(of: UInt32(index)) { Array($0) }
            let page = PageUpload(fileName: "\(index).mp4", content: video.content + box)
            let codes = try (0..<page.chunks).map { try site.send(page.request($0)).code }
            guard codes.contains(1) else { throw BenchmarkError("an upload failed: \(codes)") }
        }
        let file = try SampleFile(in: place, size: size << 20)
        let samples = try file.videos(Array(repeating: size << 20, count: 2 * rounds + 1))

        // The first one, which has everything done for the first time, does not count.
        _ = try Self.upload(samples[2 * rounds], to: site)
        var medians: (idle: [Double], busy: [Double]) = ([], [])
        for round in 0..<rounds {
            progress("round \(round + 1) of \(rounds), idle machine")
            medians.idle.append(try Self.upload(samples[2 * round], to: site))
            progress("round \(round + 1) of \(rounds), \(workers) workers")
            let running = try startWorkers(site)
            medians.busy.append(try Self.upload(samples[2 * round + 1], to: site))
            for worker in running { guard worker.stop() == .exit(0) else { throw BenchmarkError(site.workerLog) } }
        }
        progress("finishing all jobs")
        let start = ContinuousClock.now
        let running = try startWorkers(site)
        while try count("job WHERE state IN ('queued', 'running')", site) > 0 { usleep(200_000) }
        for worker in running { worker.stop() }
        let done = site.workerLog.split(separator: "\n").filter { $0.contains("job is done") }.compactMap {
            $0.split(separator: " ").first { $0.hasPrefix("job=") }
        }
        let ratios = zip(medians.busy, medians.idle).map { $0 / $1 }
        print(
            """
            median of a chunk, idle: \(Self.milliseconds(medians.idle)) ms
            with \(workers) workers: \(Self.milliseconds(medians.busy)) ms
            ratio: \(ratios.map { String(format: "%.2f", $0) }.joined(separator: ", ")); median \
            \(String(format: "%.2f", ratios.median))
            jobs: \(try count("job", site)), done \(try count("job WHERE state = 'done'", site)), said to be done \
            \(done.count) times, different \(Set(done).count); the rest in \
            \(Int((ContinuousClock.now - start).seconds)) s
            """)
        guard done.count == Set(done).count, try count("job WHERE state <> 'done'", site) == 0 else {
            throw ExitCode(1)
        }
    }

    /// Starts the workers and waits until each has a job.
    private func startWorkers(_ site: NginxSite) throws -> [ChildProcess] {
        let running = try (0..<workers).map { _ in try site.startWorker() }
        let isBusy = try eventually(within: 30) {
            try count("job WHERE state = 'running' AND progress > 0", site) >= workers
        }
        let left = try count("job WHERE state IN ('queued', 'running')", site)
        guard isBusy || left < 2 * workers else { throw BenchmarkError(site.workerLog) }
        return running
    }

    private func count(_ table: String, _ site: NginxSite) throws -> Int {
        try site.catalogueFile.count(table)
    }

    /// Uploads a video as the page does. Returns the median of its chunks' times in seconds.
    private static func upload(_ video: SampleVideo, to site: NginxSite) throws -> Double {
        let client = Client(video, port: site.port, connections: Load.connections)
        try PageForm.upload(client)
        return client.samples.filter(\.isPart).map(\.duration.seconds).median
    }

    private static func milliseconds(_ seconds: [Double]) -> String {
        seconds.map { String(format: "%.1f", $0 * 1000) }.joined(separator: ", ")
    }
}
