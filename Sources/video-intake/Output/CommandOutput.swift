import FileBackup
import ArgumentParser
import Foundation
import Intake
import Model
import SQLiteCatalogue
import System

/// How `video`, `job` and `status` show what they know: to people, or to programs.
struct CommandOutput {
    let settings: Settings
    let isJSON: Bool

    /// `yyyy-MM-dd HH:mm:ss` in the configured time zone.
    func time(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(
            Date.ISO8601FormatStyle(dateTimeSeparator: .space, timeZone: settings.intake.timeZone)
                .year().month().day().time(includingFractionalSeconds: false))
    }

    /// Rows as a JSON array, or as a table; a sentence where there are none.
    func show<Row>(
        _ rows: [Row], json: (Row) -> JSONObject, table: (inout TextTable, Row) -> Void, header: [String],
        rightAligned: Set<Int>, none: String
    ) {
        if isJSON {
            let objects = rows.map { String(decoding: json($0).bytes, as: UTF8.self) }
            return print("[" + objects.joined(separator: ",\n") + "]")
        }
        if rows.isEmpty { return print(none) }
        var lines = TextTable(header, rightAligned: rightAligned)
        for row in rows { table(&lines, row) }
        lines.lines.forEach { print($0) }
    }

    /// One thing as a JSON object, or as a line for each of its values.
    func show(json: JSONObject, _ values: [(name: String, value: String?)]) {
        if isJSON { return print(String(decoding: json.bytes, as: UTF8.self)) }
        let width = values.map(\.name.count).max() ?? 0
        for (name, value) in values {
            // What has several lines keeps them, each without what a terminal would take for a command.
            let lines = (value ?? "-").split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                let label = (index == 0 ? name : "").padding(toLength: width + 2, withPad: " ", startingAt: 0)
                print(label + String(line).printable())
            }
        }
    }

    /// Seconds as `1:02:03` or `2:03`.
    static func duration(_ seconds: Double?) -> String? {
        guard let seconds else { return nil }
        let whole = Int(seconds.rounded())
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return hours > 0 ? "\(hours):\(twoDigits(minutes)):\(twoDigits(rest))" : "\(minutes):\(twoDigits(rest))"
    }
}

/// Runs `body`; an error becomes lines on standard error and exit code 1.
func orExit<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let code as ExitCode {
        // What it is for has been said.
        throw code
    } catch {
        for line in (error as? BackupError)?.lines ?? ["\(error)"] { complain(line.printable()) }
        throw ExitCode(1)
    }
}

/// How many rows of a list are shown.
struct LimitOption: ParsableArguments {
    @Option(help: "Show so many at most, the newest first.") var limit = 50

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be a whole number above 0") }
    }
}

extension Video {
    /// Names as in the reply to video_info and in the catalogue; sizes are bytes, times seconds since 1970, paths
    /// relative to the data directory.
    var json: JSONObject {
        var object = JSONObject()
        object.add("video_id", id)
        object.add("owner", owner)
        object.add("guid", guid)
        object.add("video_name", name)
        object.add("path", path)
        object.add("size", size)
        object.add("duration", duration)
        object.add("md5", md5)
        object.add("class_id", classID)
        object.add("class_name", className)
        object.add("game_name", gameName)
        object.add("create_time", createTime)
        object.add("update_time", updateTime)
        object.add("state", state.rawValue)
        object.add("progress", progress)
        object.add("width", (media?.width).map(Int64.init))
        object.add("height", (media?.height).map(Int64.init))
        object.add("video_codec", media?.videoCodec)
        object.add("audio_codec", media?.audioCodec)
        object.add("bit_rate", (media?.bitRate).map(Int64.init))
        object.add("mp4_path", media?.mp4Path)
        object.add("hls_path", media?.hlsPath)
        object.add("poster_path", media?.posterPath)
        object.add("thumbnails_path", media?.thumbnailsPath)
        object.add("flaws", (media?.flaws).map { [VideoFlaw]($0).map(\.rawValue) })
        object.add("failure", failure?.rawValue)
        return object
    }
}

extension VideoFailure {
    /// The name and what it means.
    var description: String { "\(rawValue): \(text)" }
}

extension MediaFacts {
    /// A line for each flaw: its name and what it means; `nil` if there is none.
    var flawLines: String? {
        flaws.isEmpty ? nil : [VideoFlaw](flaws).map { "\($0.rawValue): \($0.text)" }.joined(separator: "\n")
    }
}

extension Job {
    /// Names as in the catalogue; times are seconds since 1970, the path is relative to the data directory.
    ///
    /// - Parameter media: what was made of its file.
    func json(_ media: MediaFacts?, _ videos: [Int64]) -> JSONObject {
        var object = JSONObject()
        object.add("job_id", id)
        object.add("video_ids", videos)
        object.add("path", path)
        object.add("state", state.rawValue)
        object.add("attempts", attempts)
        object.add("deaths", deaths)
        object.add("not_before", notBefore)
        object.add("worker", worker)
        object.add("lease_until", leaseUntil)
        object.add("progress", progress)
        object.add("error", error)
        object.add("create_time", createTime)
        object.add("update_time", updateTime)
        object.add("flaws", (media?.flaws).map { [VideoFlaw]($0).map(\.rawValue) })
        object.add("failure", failure?.rawValue)
        return object
    }
}
