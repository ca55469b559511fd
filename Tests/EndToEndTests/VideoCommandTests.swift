import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// `video-intake video` and `job`, on the data directory of a service in this process.
    @Suite struct VideoCommands {
        private let site: InProcessSite
        private let ids: [Int]

        /// Three videos: 1 and 2 have the same content.
        init() throws {
            let site = try InProcessSite { $0.queuesTranscoding = true }
            let content = videoBytes(200_000)
            var page = PageUpload(content: content)
            page.title = "斗罗大陆 1"
            var ids = [try site.send(page.wholeRequest()).videoID]
            ids.append(
                try site.send(page.determineRequest([("file_name", "copy")])).videoID)
            page = PageUpload(content: videoBytes(3000))
            page.title = "evil\u{1B}[2Jname\n"
            page.owner = "alice"
            ids.append(try site.send(page.wholeRequest()).videoID)
            self.site = site
            self.ids = ids.compactMap(\.self)
            try #require(self.ids.count == 3)
        }

        private func run(_ arguments: String...) throws -> (end: ChildProcess.End?, output: String, errors: String) {
            try ChildProcess.run(
                NginxSite.binary, arguments + ["--data-directory", site.dataDirectory.path, "--time-zone", "UTC"])
        }

        private func json<Value>(_ text: String) throws -> Value {
            try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? Value)
        }

        @Test func videosAreListedInColumns() throws {
            let result = try run("video", "list")
            #expect(result.end == .exit(0) && result.errors.isEmpty)
            let lines = result.output.split(separator: "\n").map(String.init)
            #expect(lines.count == 4 && lines[0].hasPrefix("VIDEO  NAME"))
            #expect(lines[3].contains("\(ids[0])  斗罗大陆 1") && lines[3].contains("195.31K"))
            // A Chinese character takes two columns: as many fewer characters stand before the next column.
            func start(_ line: String, _ text: String) throws -> Int {
                line.distance(from: line.startIndex, to: try #require(line.range(of: text)).lowerBound)
            }
            #expect(try start(lines[3], "queued") + 4 == start(lines[2], "queued"))
            // A name cannot command the terminal, nor make a second line.
            #expect(!result.output.contains("\u{1B}") && lines[1].contains("evil\u{FFFD}[2Jname\u{FFFD}"))
            #expect(try run("video", "list", "--owner", "alice").output.split(separator: "\n").count == 2)
            #expect(try run("video", "list", "--limit", "1").output.split(separator: "\n").count == 2)
            #expect(try run("video", "list", "--owner", "bob").output == "there is no video of this owner\n")
            #expect(try run("video", "list", "--limit", "0").end == .exit(64))
        }

        @Test func programsGetJSON() throws {
            let videos: [[String: Any]] = try json(try run("video", "list", "--json").output)
            #expect(videos.map { $0["video_id"] as? Int } == ids.reversed())
            #expect(videos[0]["video_name"] as? String == "evil\u{1B}[2Jname\n")
            #expect(videos[2]["size"] as? Int == 200_000 && videos[2]["mp4_path"] is NSNull)
            let video: [String: Any] = try json(try run("video", "show", "\(ids[0])", "--json").output)
            #expect(video["state"] as? String == "queued" && video["owner"] as? String == "")
            let jobs: [[String: Any]] = try json(try run("job", "list", "--json").output)
            #expect(jobs.map { $0["state"] as? String } == ["queued", "queued"])
            #expect(jobs[1]["path"] as? String == video["path"] as? String)
            // Whose they are: one file may be that of more than one video.
            let numbers = jobs.map { $0["video_ids"] as? [Int] ?? [] }
            #expect(numbers.flatMap(\.self).sorted() == ids.sorted() && numbers[1].first == ids[0], "\(numbers)")
            let none: [[String: Any]] = try json(try run("job", "list", "--state", "done", "--json").output)
            #expect(none.isEmpty)
        }

        @Test func oneIsShownWithAllThatIsKnown() throws {
            let video = try run("video", "show", "\(ids[0])")
            #expect(video.end == .exit(0))
            #expect(video.output.contains("斗罗大陆 1") && video.output.contains("(200000 bytes)"))
            #expect(video.output.contains("job") && video.output.contains("queued"))
            let job = try run("job", "show", "1")
            #expect(job.end == .exit(0) && job.output.contains("original/"), "\(job)")
            #expect(job.output.contains(/video +\d+/), "\(job)")
            #expect(try run("job", "list").output.hasPrefix("JOB  VIDEO"))
        }

        @Test(arguments: [("video", "show"), ("job", "show"), ("job", "retry"), ("job", "cancel")])
        func whatIsNotThereIsExitCode1(noun: String, verb: String) throws {
            let result = try run(noun, verb, "99")
            #expect(result.end == .exit(1) && result.output.isEmpty)
            #expect(result.errors.contains("there is no \(noun) 99; `video-intake \(noun) list`"))
        }

        @Test func jobsAreCancelledAndRetried() throws {
            let cancelled = try run("job", "cancel", "1", "2", "77")
            #expect(cancelled.end == .exit(1) && cancelled.output == "job 1: cancelled\njob 2: cancelled\n")
            #expect(cancelled.errors.contains("there is no job 77"))
            let again = try run("job", "cancel", "1")
            #expect(again.end == .exit(1) && again.errors.contains("job 1 is failed, not queued or running"))
            #expect(try run("job", "list", "--state", "failed").output.contains("cancelled"))
            #expect(try run("job", "show", "1").output.contains("An operator has cancelled it."))
            #expect(try run("job", "retry", "1").output == "job 1: queued\n")
            #expect(try run("job", "retry", "1").errors.contains("job 1 is queued, not failed"))
            let wrong = try run("job", "list", "--state", "lost")
            #expect(wrong.end == .exit(64) && wrong.errors.contains("queued") && wrong.errors.contains("failed"))
        }

        @Test func nothingIsDeletedWithoutAWord() throws {
            let refused = try run("video", "delete", "\(ids[0])")
            #expect(refused.end == .exit(64) && refused.errors.contains("add --yes"), "\(refused)")
            let unknown = try run("video", "delete", "\(ids[0])", "99", "--yes")
            #expect(unknown.end == .exit(1) && unknown.errors.contains("there is no video 99"))
            #expect(try site.recordCount() == 3)
            #expect(try run("video", "delete", "--yes").end == .exit(64))
        }

        @Test func aFileGoesWithItsLastVideo() throws {
            let first = try run("video", "delete", "\(ids[0])", "--yes")
            #expect(first.end == .exit(0) && first.output.contains("other videos point to its file"), "\(first)")
            #expect(site.publishedFiles().count == 2)
            let both = try run("video", "delete", "\(ids[1])", "\(ids[2])", "\(ids[1])", "--yes")
            #expect(both.end == .exit(0), "\(both)")
            #expect(both.output.contains("video \(ids[1]), copy: deleted with its file, 196K freed"), "\(both)")
            #expect(both.output.hasSuffix("200K freed in all\n"), "\(both)")
            #expect(site.publishedFiles() == [])
            #expect(try run("video", "list").output == "there is no video\n")
            #expect(try run("job", "list").output == "there is no job\n")
        }

        @Test(arguments: [("y\n", 2), ("\n", 3), ("n\n", 3)])
        func aTerminalIsAsked(answer: String, left: Int) throws {
            var (master, terminal): (Int32, Int32) = (-1, -1)
            try #require(openpty(&master, &terminal, nil, nil, nil) == 0)
            defer {
                close(master)
                close(terminal)
            }
            _ = Array(answer.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
            let output = site.dataDirectory.path + "/output"
            let child = try ChildProcess(
                NginxSite.binary,
                ["video", "delete", "\(ids[2])", "--data-directory", site.dataDirectory.path],
                environment: ChildProcess.plainEnvironment, directory: "/", input: terminal, output: output,
                errors: output)
            #expect(child.wait(within: 30) == .exit(0), "\(textOfFile(output))")
            #expect(textOfFile(output).contains("Delete 1 video? [y/N]"))
            #expect(try site.recordCount() == left)
        }

        @Test(arguments: ["video", "job"])
        func aDirectoryWithoutACatalogueIsNamed(command: String) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let result = try ChildProcess.run(NginxSite.binary, [command, "list", "--data-directory", directory.path])
            #expect(result.end == .exit(64) && result.errors.contains("\(directory.path): is the disk mounted?"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        }
    }
}
