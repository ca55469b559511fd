import ArgumentParser
import Model
import Intake
import System

/// `video-intake video list|show|delete`
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
                complain(VideoCommand.noSuchVideo(id))
                throw ExitCode(1)
            }
            let job = try orExit { try catalogue.job(ofFile: video.path) }
            output.show(json: video.json, VideoCommand.values(video, job, output))
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
