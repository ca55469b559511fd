import Logging

/// What was logged. Thread-safe.
package final class LogRecord: Sendable {
    package struct Line: Sendable {
        package let level: Logger.Level
        package let message: String
        package let values: [String: String]
    }

    private let recorded: Locked<[Line]> = Locked([])

    package init() {}

    package var lines: [Line] { recorded.withLock(\.self) }

    /// A logger that writes here, from a level on.
    package func logger(_ level: Logger.Level) -> Logger {
        var logger = Logger(label: "test") { _ in Handler(record: self) }
        logger.logLevel = level
        return logger
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
            let line = Line(level: event.level, message: "\(event.message)", values: values)
            record.recorded.withLock { $0.append(line) }
        }
    }
}
