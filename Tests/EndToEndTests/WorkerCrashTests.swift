import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// Workers that are killed, and more work than they can do at once.
    @Suite struct WorkerCrashes {
        /// How often a worker is killed.
        private static let kills = 10

        @Test func killedWorkersLoseNothingAndLeaveNothing() throws {
            let site = try TranscodingSite()
            let ids = try (0..<4).map { index in
                try site.upload(FFmpegVideo(index.isMultiple(of: 2) ? .h264 : .avi, size: "854x480", seconds: 6).upload)
            }
            let flags = ["--lease-time", "2"]
            var worker = try site.site.startWorker(flags)
            for _ in 0..<Self.kills {
                // Somewhere in a job: while it looks at the file, encodes, makes pictures, publishes.
                let isWorking = eventually(within: 60) { (try? site.count("job WHERE state = 'running'")) ?? 0 > 0 }
                try #require(isWorking, "\(site.site.workerLog)")
                usleep(.random(in: 0...2_000_000))
                worker.signal(SIGKILL)
                try #require(worker.wait(within: 10) == .signal(SIGKILL))
                #expect(eventually(within: 5) { site.tools.isEmpty }, "\(site.tools)")
                try site.expectOnlyWholeResults()
                // There must be something to do until the last one.
                if try site.count("job WHERE state <> 'done'") == 0 {
                    _ = try site.upload(FFmpegVideo(.avi, size: "854x480", seconds: 6).upload)
                }
                worker = try site.site.startWorker(flags)
            }
            for id in ids { #expect(site.wait(for: id, state: "ready") != nil, "\(site.site.workerLog)") }
            #expect(eventually(within: 240) { (try? site.count("job WHERE state <> 'done'")) == 0 })
            #expect(worker.stop() == .exit(0))

            let jobs = try site.count("job")
            let killed = try site.count("job WHERE deaths > 0")
            #expect(try site.count("media") == jobs && jobs >= ids.count && killed > 0)
            #expect(try site.doneJobs().count == jobs && Set(site.doneJobs()).count == jobs, "\(site.site.workerLog)")
            try site.expectOnlyWholeResults()
            #expect(try site.command("check", "--deep").contains("0 findings"))
            let left = try FileManager.default.contentsOfDirectory(
                atPath: site.site.dataDirectory.path + "/transcoding")
            #expect(left == [] && site.tools.isEmpty)
            print(
                "\(Self.kills) kills: \(jobs) jobs done, \(try site.count("job WHERE deaths > 1")) of them killed twice"
            )
        }

        @Test func manyJobsAndTwoWorkers() throws {
            let site = try TranscodingSite()
            let profile = site.site.dataDirectory.path + "/profile.json"
            try Data(#"{"outputs": ["poster"]}"#.utf8).write(to: URL(fileURLWithPath: profile))
            let video = try FFmpegVideo(.h264, size: "64x64", seconds: 0.2)
            for index in 0..<100 {
                // The index stands in a box of its own, which is left out.
                let box = [0, 0, 0, 12] + Array("free".utf8) + withUnsafeBytes(of: UInt32(index)) { Array($0) }
                _ = try site.upload(PageUpload(fileName: "v\(index).mp4", content: video.content + box))
            }
            #expect(try site.count("job WHERE state = 'queued'") == 100)
            let workers = try (0..<2).map { _ in try site.site.startWorker(["--profile", profile, "--jobs", "1"]) }
            #expect(eventually(within: 300) { (try? site.count("job WHERE state = 'done'")) == 100 })
            for worker in workers { #expect(worker.stop() == .exit(0)) }
            #expect(try site.doneJobs().sorted() == Array(1...100))
            #expect(try site.count("job WHERE claims <> 1") == 0)
            #expect(
                Set(try site.site.catalogueFile.all("SELECT poster_path FROM media", as: String.self)).count
                    == 100)
        }
    }
}

extension TranscodingSite {
    func count(_ table: String) throws -> Int {
        try site.catalogueFile.count(table)
    }

    /// The numbers of the jobs that workers say are done, each as often as they say it.
    func doneJobs() throws -> [Int] {
        try site.workerLog.split(separator: "\n").filter { $0.contains("job is done") }.map { line in
            let job = line.split(separator: " ").first { $0.hasPrefix("job=") }
            return try #require(job.flatMap { Int($0.dropFirst("job=".count)) })
        }
    }

    /// The command lines of ffmpeg and its like that work for this site.
    var tools: [String] { processes(workingBelow: site.dataDirectory.appendingPathComponent("transcoding")) }

    /// Whatever has a final name has everything, and every segment that a playlist names.
    func expectOnlyWholeResults() throws {
        let uploads = site.dataDirectory.appendingPathComponent("upload")
        for file in site.publishedFiles() where file.contains("/transcoded/") && file.hasSuffix(".m3u8") {
            let playlist = uploads.appendingPathComponent(file)
            for line in textOfFile(playlist.path).split(separator: "\n") where !line.hasPrefix("#") {
                let path = playlist.deletingLastPathComponent().appendingPathComponent(String(line)).path
                #expect(access(path, R_OK) == 0, "\(file) names \(line)")
            }
        }
        let results = Set(
            site.publishedFiles().filter { $0.contains("/transcoded/") }.map {
                $0.split(separator: "/").prefix(6).joined(separator: "/")
            })
        for result in results {
            for name in ["video.mp4", "hls/master.m3u8", "poster.jpg", "thumbnails.jpg", "thumbnails.vtt"] {
                #expect(access("\(uploads.path)/\(result)/\(name)", R_OK) == 0, "\(result)/\(name)")
            }
        }
    }
}
