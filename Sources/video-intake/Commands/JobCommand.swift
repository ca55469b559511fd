import System
import ArgumentParser
import Model
import Catalogue
import SQLiteCatalogue
import Foundation
import Intake
import Logging
import Media
import Worker

struct JobCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job",
        abstract: "Look at the queue of videos to be transcoded, and steer it.",
        discussion: """
            A file that is to be transcoded has one job, however many videos point to it. Its state is queued (waits \
            for a worker), running, done or failed. A job that fails is tried again after 1 minute, then after 5, if \
            another attempt may help; after the third it is failed until `job retry`. The death of a worker does not \
            count, nor does a full disk. Safe while \
            `serve` runs; run it as the same user.
            """,
        subcommands: [List.self, Show.self, Add.self, Wait.self, Retry.self, Cancel.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the jobs, the newest first.")

        @Option(help: "Only those in this state.") var state: Job.State?
        @OptionGroup var limit: LimitOption
        @Flag(help: "Print a JSON array for programs.") var json = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let (catalogue, output) = try options.openCatalogue(isJSON: json)
            let rows = try orExit { () throws(CatalogueError) in
                try catalogue.jobs(state: state, limit: limit.limit).map { job throws(CatalogueError) in
                    (
                        job: job, media: try catalogue.media(ofFile: job.path),
                        videos: try catalogue.videoIDs(ofFile: job.path)
                    )
                }
            }
            output.show(
                rows, json: { $0.job.json($0.media, $0.videos) },
                table: { table, row in
                    let job = row.job
                    let flaws = [VideoFlaw](job.state == .done ? row.media?.flaws ?? [] : [])
                    table.add([
                        "\(job.id)", JobCommand.numbers(row.videos), job.state.rawValue,
                        job.state == .running ? JobCommand.percent(job.progress) : "",
                        "\(job.attempts)", output.time(job.updateTime), job.path, job.errorCode ?? "",
                        job.failure?.text ?? flaws.map(\.text).joined(separator: " "),
                    ])
                }, header: ["JOB", "VIDEO", "STATE", "DONE", "TRIES", "CHANGED", "FILE", "ERROR", "REMARK"],
                rightAligned: [0, 1, 3, 4],
                none: state.map { "there is no \($0.rawValue) job" } ?? "there is no job")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show all that is known of a job.",
            discussion: """
                With --probe its file is looked at now, as a worker does before it converts it, in the same sandbox: \
                which tracks are taken, what they are, how long they play, what would be made of them. Nothing is changed.
                """)

        @Argument(help: "The job's number.") var id: Int64
        @Flag(help: "Look at the file, too, and print what a worker finds.") var probe = false
        @Flag(help: "Print a JSON object for programs.") var json = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let (catalogue, output) = try options.openCatalogue(isJSON: json)
            guard let job = try orExit({ try catalogue.job(id: id) }) else { throw ending(1, JobCommand.noSuchJob(id)) }
            let media = try orExit { try catalogue.media(ofFile: job.path) }
            let videos = try orExit { try catalogue.videoIDs(ofFile: job.path) }
            let isWaiting = job.state == .queued && job.notBefore > Int64(Date().timeIntervalSince1970)
            let facts = try probe ? Self.facts(of: job, output.settings) : []
            var json = job.json(media, videos)
            let found: [JSONObject] = facts.map { ["name": $0.name, "value": $0.value] }
            if probe { json.add("facts", found) }
            output.show(
                json: json,
                [
                    ("job", "\(job.id)"), ("video", videos.map(String.init).joined(separator: " ")),
                    ("file", job.path), ("state", job.state.rawValue),
                    ("done", job.state == .running ? JobCommand.percent(job.progress) : nil),
                    ("tries", "\(job.attempts)"),
                    ("tried again", isWaiting ? output.time(job.notBefore) : nil), ("worker", job.worker),
                    ("lease until", job.leaseUntil.map(output.time)), ("queued", output.time(job.createTime)),
                    ("changed", output.time(job.updateTime)), ("flaws", media?.flawLines),
                    ("failure", job.failure?.description), ("error", job.error),
                ].filter { $0.1 != nil } + facts.map { ($0.name, $0.value) })
        }

        /// What a worker finds in a job's file; why it takes nothing of it, if that is so.
        private static func facts(of job: Job, _ settings: Settings) throws -> [(name: String, value: String)] {
            let directory = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
                .appendingPathComponent("video-intake-probe.\(UUID().uuidString)").path
            let store = try orExit { try settings.openStore(withBodies: false) }
            let transcoder = Transcoder(logger: Logger(label: "video-intake") { _ in SwiftLogNoOpLogHandler() })
            let profile = try orExit { try settings.transcodingProfile() }
            return try orExit {
                do throws(TranscodingError) {
                    return try transcoder.facts(of: SourceFile(of: job, in: store), in: directory, profile: profile)
                } catch  where error.isOfFile {
                    return [("not transcoded", error.description)]
                }
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Queue videos that were recorded while transcoding was off.",
            discussion: "What has a job already is left alone: `job retry` does it again.")

        @Argument(help: "The videos' numbers.") var ids: [Int64] = []
        @Flag(help: "All videos.") var all = false
        @OptionGroup var options: SettingOptions

        func validate() throws {
            guard all == ids.isEmpty else { throw ValidationError("name videos, or all of them with --all") }
        }

        func run() throws {
            let catalogue = try options.settings().openCatalogueForMaintenance()
            let now = Int64(Date().timeIntervalSince1970)
            var (count, isComplete) = (0, true)
            for id in all ? [nil] : ids.map(Optional.some) {
                if let id, try orExit({ try catalogue.video(id: id) }) == nil {
                    isComplete = false
                    complain(VideoCommand.noSuchVideo(id))
                    continue
                }
                count += try orExit { try catalogue.queueJobs(video: id, now: now) }
            }
            print(count == 1 ? "1 job queued" : "\(count) jobs queued")
            if !isComplete { throw ExitCode(1) }
        }
    }

    struct Wait: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait until jobs have ended, all that are queued or running if none is named.",
            discussion: "Shows how far they are on a terminal. Exits with 0 if all are done, with 1 if one has failed.")

        @Argument(help: "The jobs' numbers.") var ids: [Int64] = []
        @OptionGroup var options: SettingOptions

        func run() throws {
            let catalogue = try options.settings().openCatalogueForMaintenance()
            let ids = try self.ids.isEmpty ? orExit { try Self.unended(catalogue) } : self.ids
            let bar = ProgressBar()
            defer { bar.clear() }
            while true {
                let jobs = try ids.map { id in
                    guard let job = try orExit({ try catalogue.job(id: id) }) else {
                        bar.clear()
                        throw ending(1, JobCommand.noSuchJob(id))
                    }
                    return job
                }
                let ended = jobs.filter { $0.state == .done || $0.state == .failed }
                let running = jobs.filter { $0.state == .running }
                if ended.count == jobs.count { return try Self.report(jobs, bar) }
                let progress = running.reduce(Double(ended.count)) { $0 + $1.progress } / Double(jobs.count)
                bar.show(progress, "\(ended.count) of \(jobs.count) ended, \(running.count) running")
                usleep(500_000)
            }
        }

        private static func unended(_ catalogue: Catalogue) throws -> [Int64] {
            try [.queued, .running].flatMap { try catalogue.jobs(state: $0, limit: .max).map(\.id) }
        }

        private static func report(_ jobs: [Job], _ bar: ProgressBar) throws {
            bar.clear()
            let failed = jobs.filter { $0.state == .failed }
            for job in failed { complain("job \(job.id) has failed: \(job.errorCode ?? "")") }
            print("\(jobs.count - failed.count) of \(jobs.count) jobs are done")
            if !failed.isEmpty { throw ExitCode(1) }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Queue jobs that are failed or done again, with all their attempts.",
            discussion: "What was made of a video stays until the new is there: of use when the profile has changed.")

        @Argument(help: "The jobs' numbers.") var ids: [Int64]
        @OptionGroup var options: SettingOptions

        func run() throws {
            try JobCommand.change(ids, options, done: "queued", needed: "failed or done") {
                try $0.retryJob(id: $1, now: $2)
            }
        }
    }

    struct Cancel: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End jobs that are queued or running as failed.",
            discussion: """
                A worker that has one stops within seconds. `job retry` queues it again. What was made of a video \
                before stays and plays. It is told by webhook if this command has the service's webhook in its settings.
                """)

        @Argument(help: "The jobs' numbers.") var ids: [Int64]
        @OptionGroup var options: SettingOptions

        func run() throws {
            try JobCommand.change(ids, options, done: "cancelled", needed: "queued or running") {
                try $0.cancelJob(id: $1, now: $2)
            }
        }
    }

    fileprivate static func noSuchJob(_ id: Int64) -> String {
        "there is no job \(id); `video-intake job list` shows them"
    }

    /// The number of a file's first video, and how many others there are.
    fileprivate static func numbers(_ videos: [Int64]) -> String {
        guard let first = videos.first else { return "" }
        return videos.count == 1 ? "\(first)" : "\(first) +\(videos.count - 1)"
    }

    fileprivate static func percent(_ progress: Double) -> String { "\(Int(progress * 100)) %" }

    /// Does something with each job; exit code 1 if one is not there or not in a state for it.
    fileprivate static func change(
        _ ids: [Int64], _ options: SettingOptions, done: String, needed: String,
        _ body: (Catalogue, Int64, _ now: Int64) throws -> Bool
    ) throws {
        let catalogue = try options.settings().openCatalogueForMaintenance()
        var isComplete = true
        for id in ids {
            if try orExit({ try body(catalogue, id, Int64(Date().timeIntervalSince1970)) }) {
                print("job \(id): \(done)")
                continue
            }
            isComplete = false
            if let job = try orExit({ try catalogue.job(id: id) }) {
                complain("job \(id) is \(job.state.rawValue), not \(needed)")
            } else {
                complain(noSuchJob(id))
            }
        }
        if !isComplete { throw ExitCode(1) }
    }
}

extension Job.State: ExpressibleByArgument {}
