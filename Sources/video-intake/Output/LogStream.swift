import Foundation
import Glibc
import Logging
import Synchronization
import System

/// Standard error as lines: with a priority for systemd's journal if that reads them, else with a time.
///
/// https://www.freedesktop.org/software/systemd/man/252/systemd.exec.html#%24JOURNAL_STREAM
/// https://www.freedesktop.org/software/systemd/man/252/sd-daemon.html
enum LogStream {
    /// Whether standard error is the very stream that systemd has connected with the journal.
    static let isJournal: Bool = {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }()

    /// The journal has a time and the program's name with each line already.
    static func write(_ level: Logger.Level, _ text: String) {
        write((isJournal ? "<\(priority(level))>" : "\(time()) \(level): ") + singleLine(text) + "\n")
    }

    /// A line about why the process ends or does not do what it was asked to.
    static func complain(_ text: String) { write((isJournal ? "<3>" : "video-intake: ") + singleLine(text) + "\n") }

    /// Writes a text as it is, if anybody is there to read it; in one call, so that lines of several threads and processes do
    /// not get mixed up.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN {
                guard waitForReader() else { return }
            } else {
                guard count > 0 || count < 0 && errno == EINTR else { return }
                done += max(0, count)
            }
        }
    }

    /// Waits until a reader has made room in a pipe that does not block its writers; not for long, because there may be none
    /// that reads.
    private static func waitForReader() -> Bool {
        var stream = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        return poll(&stream, 1, 1000) > 0
    }

    /// Those of syslog(3).
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private static func time() -> String {
        var (seconds, local) = (Glibc.time(nil), tm())
        localtime_r(&seconds, &local)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
            strftime(text.baseAddress!, text.count, "%Y-%m-%dT%H:%M:%S%z", &local)
            return String(cString: text.baseAddress!)
        }
    }

    /// Unicode scalars of a line, and of a value in it.
    private static let lineLimit = 4000
    fileprivate static let valueLimit = 1000

    /// What strangers have named must not be able to begin another line, to command a terminal, or to fill the log.
    private static func singleLine(_ text: String) -> String {
        let line = shortened(text, to: lineLimit)
        guard line.unicodeScalars.contains(where: \.isControl) else { return line }
        return line.unicodeScalars.reduce(into: "") { line, scalar in
            if scalar.isControl {
                line += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: false) : "\u{FFFD}"
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }

    fileprivate static func shortened(_ text: String, to limit: Int) -> String {
        // Without a count of scalars that all lines would pay for.
        guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return text }
        return String(text.unicodeScalars.prefix(limit)) + "…"
    }
}

/// What is logged from now on, in all of the process.
final class LogLevel: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) { index = Atomic(Self.index(level)) }

    var current: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(newValue), ordering: .relaxed) }
    }

    private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// Writes what is logged to standard error: the message, then what there is to know by name.
///
/// The level is one for all loggers of the process, so that it can be changed while they are in use.
struct LogStreamHandler: LogHandler {
    let level: LogLevel
    var metadata: Logger.Metadata = [:]

    var logLevel: Logger.Level {
        get { level.current }
        set { level.current = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let values = all.sorted { $0.key < $1.key }.map { key, value in
            " \(Self.quoted(key))=\(Self.quoted(LogStream.shortened("\(value)", to: LogStream.valueLimit)))"
        }
        LogStream.write(event.level, event.message.description + values.joined())
    }

    /// So that it can be told where a value ends.
    private static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.contains(where: { " \"=".contains($0) }) else { return value }
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// The process's logger, and what changes its level.
    static func bootstrap(_ level: Logger.Level) -> (Logger, LogLevel) {
        let shared = LogLevel(level)
        LoggingSystem.bootstrap { _ in LogStreamHandler(level: shared) }
        return (Logger(label: "video-intake"), shared)
    }
}

/// Writes one line about a mistake to standard error.
func complain(_ line: String) { LogStream.complain(line) }
