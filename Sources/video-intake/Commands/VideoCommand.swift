import ArgumentParser
import Foundation
import Intake
import Maintenance
import Model
import System

struct VideoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "video",
        abstract: "Look at the finished videos, and delete some.",
        discussion: """
            Several videos may point to one file, because the same content is kept once. The state is stored (nothing \
            is done with it), queued, running, ready (transcoded) or failed. Safe while `serve` runs; run it as the \
            same user.
            """,
        subcommands: [List.self, Show.self, Delete.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the videos, the newest first.")

        @Option(help: "Only those of this owner; empty: of the one shared owner.") var owner: String?
        @OptionGroup var limit: LimitOption
        @Flag(help: "Print a JSON array for programs.") var json = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let (catalogue, output) = try options.openCatalogue(isJSON: json)
            let videos = try orExit { try catalogue.videos(owner: owner, limit: limit.limit) }
            output.show(
                videos, json: \.json,
                table: { table, video in
                    table.add([
                        "\(video.id)", video.name, sizeText(video.size),
                        CommandOutput.duration(video.duration) ?? "", video.state.rawValue,
                        output.time(video.createTime), video.owner, video.path,
                    ])
                }, header: ["VIDEO", "NAME", "SIZE", "LENGTH", "STATE", "CREATED", "OWNER", "FILE"],
                rightAligned: [0, 2, 3],
                none: owner == nil ? "there is no video" : "there is no video of this owner")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all that is known of a video.")

        @Argument(help: "The video's number.") var id: Int64
        @Flag(help: "Print a JSON object for programs.") var json = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let (catalogue, output) = try options.openCatalogue(isJSON: json)
            guard let video = try orExit({ try catalogue.video(id: id) }) else {
                throw ending(1, VideoCommand.noSuchVideo(id))
            }
            let job = try orExit { try catalogue.job(ofFile: video.path) }
            output.show(json: video.json, VideoCommand.values(video, job, output))
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete videos: their records, and the files that no other record points to.",
            discussion: """
                A file goes with the last video that points to it, and with it what transcoding made of it and its \
                job. Asks first; if there is nobody to ask, --yes is needed. If one of the videos does not exist, \
                none is deleted.
                """)

        @Argument(help: "The videos' numbers.") var ids: [Int64]
        @Flag(help: "Delete without asking.") var yes = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let maintainer = try options.settings().makeMaintainer()
            let videos = try orExit { try find(maintainer) }
            guard try yes || confirm(videos) else {
                print("nothing was deleted")
                return
            }
            var (freed, isComplete) = (0, true)
            for video in videos {
                // Another process may have been faster.
                guard let deleted = try orExit({ try maintainer.deleteVideo(id: video.id) }) else { continue }
                freed += deleted.freed
                print(Self.line(deleted))
                for (path, cause) in deleted.left {
                    isComplete = false
                    complain("\(path.printable()) is still there: \(cause)")
                }
            }
            if videos.count > 1 { print("\(sizeText(freed)) freed in all") }
            if !isComplete { throw ExitCode(1) }
        }

        /// The videos, each once.
        private func find(_ maintainer: Maintainer) throws -> [Video] {
            var (videos, isComplete) = ([Video](), true)
            for id in ids where !videos.contains(where: { $0.id == id }) {
                if let video = try maintainer.catalogue.video(id: id) {
                    videos.append(video)
                } else {
                    isComplete = false
                    complain(VideoCommand.noSuchVideo(id))
                }
            }
            if !isComplete { throw ExitCode(1) }
            return videos
        }

        private func confirm(_ videos: [Video]) throws -> Bool {
            guard isatty(STDIN_FILENO) == 1 else {
                complain("nobody can be asked here whether to delete \(Self.count(videos)): add --yes to delete them")
                throw ExitCode(64)

            }
            var table = TextTable(["VIDEO", "NAME", "SIZE", "FILE"], rightAligned: [0, 2])
            for video in videos {
                table.add(["\(video.id)", video.name, sizeText(video.size), video.path])
            }
            table.lines.forEach { print($0) }
            print("Delete \(Self.count(videos))? [y/N] ", terminator: "")
            fflush(nil)
            return ["y", "yes"].contains(readLine()?.lowercased().trimmingCharacters(in: .whitespaces))
        }

        private static func count(_ videos: [Video]) -> String {
            videos.count == 1 ? "1 video" : "\(videos.count) videos"
        }

        private static func line(_ deleted: DeletedVideo) -> String {
            let what = "video \(deleted.video.id), \(deleted.video.name.printable()): deleted"
            if deleted.isFileShared { return what + "; other videos point to its file, which stays" }
            return what + (deleted.left.isEmpty ? " with its file" : "")
                + ", \(sizeText(deleted.freed)) freed"
        }
    }

    static func noSuchVideo(_ id: Int64) -> String { "there is no video \(id); `video-intake video list` shows them" }

    /// What there is to say of a video, by name.
    fileprivate static func values(
        _ video: Video, _ job: Job?, _ output: CommandOutput
    ) -> [(name: String, value: String?)] {
        let media = video.media
        let size = (media?.width).flatMap { width in (media?.height).map { "\(width)×\($0)" } }
        let all: [(name: String, value: String?)] = [
            ("video", "\(video.id)"), ("name", video.name), ("owner", video.owner.isEmpty ? nil : video.owner),
            ("category", video.className.isEmpty ? nil : video.className),
            ("game", video.gameName.isEmpty ? nil : video.gameName), ("file", video.path),
            ("size", "\(sizeText(video.size)) (\(video.size) bytes)"),
            ("length", CommandOutput.duration(video.duration)), ("md5", video.md5), ("guid", video.guid),
            ("created", output.time(video.createTime)), ("changed", output.time(video.updateTime)),
            ("state", video.state.rawValue),
            ("done", video.progress.map { "\(Int($0 * 100)) %" }), ("job", job.map { "\($0.id)" }),
            ("failure", video.failure?.description), ("error", job?.error), ("flaws", media?.flawLines),
            ("picture", size), ("video codec", media?.videoCodec),
            ("audio codec", media?.audioCodec), ("bits per second", (media?.bitRate).map { "\($0)" }),
            ("mp4", media?.mp4Path), ("stream", media?.hlsPath), ("poster", media?.posterPath),
            ("thumbnails", media?.thumbnailsPath),
        ]
        return all.filter { $0.value != nil }
    }
}
