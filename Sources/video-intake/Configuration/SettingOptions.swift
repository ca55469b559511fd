import ArgumentParser
import Logging

/// The flags of the settings, made of their table. All are text here: `Settings` checks them wherever they come from.
///
/// ArgumentParser finds options by reflection and has them decoded by their labels; both are answered from the table.
struct SettingOptions: ParsableArguments, CustomReflectable {
    /// The flags that were given, by the setting's name.
    private(set) var given: [String: String] = [:]

    // swift-format-ignore
    private static let flags: [(name: String, valueName: String?, help: String)] = [
        ("CONFIG", "file",
         "A file of VIDEO_INTAKE_<NAME>=value lines; /dev/null for none (/etc/default/video-intake, if it exists)."),
        ("SITE", "name",
         "One of several sites on this machine: its own settings file, data directory and socket end in -<name>."),
    ] + Setting.table.filter { !$0.isSecret }.map { ($0.name, $0.valueName, $0.help) }

    init() {}

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Label.self)
        for (name, _, _) in Self.flags {
            given[name] = try values.decodeIfPresent(String.self, forKey: Label(stringValue: name))
        }
    }

    var customMirror: Mirror {
        let options = Self.flags.map { name, valueName, help in
            let help = ArgumentHelp(help, valueName: valueName)
            return (name, Option<String?>(name: .customLong(Setting.flag(name)), help: help))
        }
        return Mirror(self, children: options)
    }

    private struct Label: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// The settings in effect.
    /// - Parameter isChecked: whether none may be wrong; else those that are have their defaults.
    /// - Throws: exit code 64 after one line about each mistake on standard error.
    func settings(isChecked: Bool = true) throws -> Settings {
        do throws(SettingErrors) {
            let settings = try read()
            if isChecked, !settings.errors.isEmpty { throw SettingErrors(lines: settings.errors) }
            return settings
        } catch {
            throw Self.complain(about: error.lines)
        }
    }

    /// Reads all sources, again if need be. Settings that are wrong are in `errors`.
    func read() throws(SettingErrors) -> Settings {
        Settings(try SettingSources(flags: given, file: given["CONFIG"], site: given["SITE"]))
    }

    static func complain(about lines: [String]) -> ExitCode {
        for line in lines { video_intake.complain(line) }
        return ExitCode(64)
    }
}

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
