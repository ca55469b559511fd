import ArgumentParser
import FileBackup
import Foundation
import Glibc
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
        return hours > 0 ? "\(hours):\(twoDigits(minutes)):\(twoDigits(rest))" : "\(minutes):\(twoDigits(rest))"
    }
}

/// Says why the process ends. Returns with which code it does.
func ending(_ code: Int32, _ why: String) -> ExitCode {
    complain(why)
    return ExitCode(code)
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
        [
            "video_id": id, "owner": owner, "guid": guid, "video_name": name, "path": path, "size": size,
            "duration": duration, "md5": md5, "class_id": classID, "class_name": className, "game_name": gameName,
            "create_time": createTime, "update_time": updateTime, "state": state.rawValue, "progress": progress,
            "width": media?.width, "height": media?.height, "video_codec": media?.videoCodec,
            "audio_codec": media?.audioCodec, "bit_rate": media?.bitRate, "mp4_path": media?.mp4Path,
            "hls_path": media?.hlsPath, "poster_path": media?.posterPath, "thumbnails_path": media?.thumbnailsPath,
            "flaws": media?.flawNames, "failure": failure?.rawValue,
        ]
    }
}

extension VideoFailure {
    /// The name and what it means.
    var description: String { "\(rawValue): \(text)" }
}

extension MediaFacts {
    fileprivate var flawNames: [String] { [VideoFlaw](flaws).map(\.rawValue) }

    /// A line for each flaw: its name and what it means; `nil` if there is none.
    var flawLines: String? {
        flaws.isEmpty ? nil : [VideoFlaw](flaws).map { "\($0.rawValue): \($0.text)" }.joined(separator: "\n")
    }
}

extension Job {
    /// Names as in the catalogue; times are seconds since 1970, the path is relative to the data directory.
    /// - Parameter media: what was made of its file.
    func json(_ media: MediaFacts?, _ videos: [Int64]) -> JSONObject {
        [
            "job_id": id, "video_ids": videos, "path": path, "state": state.rawValue, "attempts": attempts,
            "deaths": deaths, "not_before": notBefore, "worker": worker, "lease_until": leaseUntil,
            "progress": progress, "error": error, "create_time": createTime, "update_time": updateTime,
            "flaws": media?.flawNames, "failure": failure?.rawValue,
        ]
    }
}

/// Rows of text in columns, for people in front of a terminal.
struct TextTable {
    private var rows: [[String]]
    private let rightAligned: Set<Int>

    init(_ header: [String], rightAligned: Set<Int> = []) {
        rows = [header]
        self.rightAligned = rightAligned
    }

    mutating func add(_ row: [String]) { rows.append(row.map { $0.printable() }) }

    /// One line for each row, the header first.
    var lines: [String] {
        var widths = Array(repeating: 0, count: rows[0].count)
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], Self.width(cell)) }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - Self.width(cell))
                let isLast = column == row.count - 1
                line += rightAligned.contains(column) ? padding + cell : cell + (isLast ? "" : padding)
                if !isLast { line += "  " }
            }
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// How many columns of a terminal the text takes: Chinese characters and the like take two.
    static func width(_ text: String) -> Int {
        // A character of several parts is as wide as its first one, the others join it.
        text.reduce(0) { width, character in width + (isWide(character.unicodeScalars.first!) ? 2 : 1) }
    }

    /// https://www.unicode.org/reports/tr11/
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
            0x1F900...0x1FAFF, 0x20000...0x3FFFD:
            true
        default: false
        }
    }
}

/// One line of standard error that tells how far something is, if that is a terminal. For one thread.
final class ProgressBar {
    var isShown = isatty(STDERR_FILENO) == 1
    private var last: ContinuousClock.Instant?

    /// Shows the bar, for a share from 0 to 1, with a text behind it; five times a second at most.
    func show(_ share: Double, _ text: String) {
        guard isShown, last.map({ .now - $0 > .milliseconds(200) }) ?? true else { return }
        last = .now
        let share = min(max(share, 0), 1)
        let bar = String(repeating: "#", count: Int(share * 30)).padding(toLength: 30, withPad: ".", startingAt: 0)
        LogStream.write("\r\u{1B}[K[\(bar)] \(Int(share * 100)) % \(text)")
    }

    /// Shows how many bytes have been read, of how many.
    func showBytes(_ read: Int, of all: Int) { show(Double(read) / Double(max(all, 1)), "of \(all / 1_048_576) MiB") }

    func clear() {
        if isShown { LogStream.write("\r\u{1B}[K") }
    }
}
