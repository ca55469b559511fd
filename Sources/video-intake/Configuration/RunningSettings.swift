import Logging

/// The settings of a process that runs, until SIGHUP lets them be read again. For one thread at a time.
struct RunningSettings {
    /// As they were read last. What needs a restart is in effect as it was at the start.
    private var current: Settings
    private let started: Settings
    private let options: SettingOptions
    private let logger: Logger
    private let level: LogLevel

    init(_ settings: Settings, _ options: SettingOptions, _ logger: Logger, _ level: LogLevel) {
        (current, started, self.options, self.logger, self.level) = (settings, settings, options, logger, level)
    }

    /// Reads them again. What is wrong is logged, and all stays as it was.
    ///
    /// - Parameter apply: puts the new ones into effect, but for the log level.
    mutating func reload(_ apply: (Settings) -> Void) {
        let new: Settings
        do throws(SettingErrors) {
            new = try options.read()
            if !new.errors.isEmpty { throw SettingErrors(lines: new.errors) }
        } catch {
            for line in error.lines { logger.error("a setting is wrong", metadata: ["cause": "\(line)"]) }
            logger.error("the settings stay as they were, because some are wrong")
            return
        }
        for row in new.rows(differingFrom: started) where !row.isReloadable {
            logger.warning("a setting has changed that needs a restart", metadata: ["setting": "\(row.name)"])
        }
        let changed = new.rows(differingFrom: current).filter(\.isReloadable).map(\.name)
        apply(new)
        current = new
        level.current = new.logLevel
        logger.notice("settings read again", metadata: ["changed": "\(changed.joined(separator: ","))"])
    }
}
