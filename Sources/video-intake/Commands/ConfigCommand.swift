import ArgumentParser
import Glibc
import Media

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Look at the configuration.", subcommands: [Check.self, Describe.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the configuration in effect and what is wrong with it.",
            discussion: """
                The output is a valid file for --config, but for a secret, which is not printed. Exits with 64 if a \
                setting is wrong.
                """)

        @OptionGroup var options: SettingOptions
        @Option(
            help: ArgumentHelp(
                "Where nginx's configuration is, whose files of this program must be of the same version.",
                valueName: "path"))
        var nginxDirectory = "/etc/nginx"

        func run() throws {
            let settings = try options.settings(isChecked: false)
            print(
                "# The settings file: \(settings.file ?? "none, \(SettingSources.defaultPath(site: "")) does not exist")"
            )
            for (name, value, origin) in settings.effective {
                print("# \(origin)\n" + (value.map { "\(name)=\($0)" } ?? "# \(name) (set)"))
            }
            var problems = settings.errors
            for (name, path) in [
                ("DATA_DIRECTORY", settings.dataDirectory), ("BODY_DIRECTORY", settings.bodyDirectory),
            ] where access(path, R_OK | W_OK | X_OK) != 0 && errno != ENOENT {
                problems.append("\(SettingSources.prefix)\(name)=\(path): \(String(cString: strerror(errno)))")
            }
            if let profile = settings.profile {
                do throws(TranscodingProfileError) {
                    _ = try TranscodingProfile(path: profile)
                } catch {
                    problems.append("\(SettingSources.prefix)PROFILE: \(error)")
                }
            }
            problems += NginxFiles.problems(in: nginxDirectory)
            if !SelfTest.isInPath("ffprobe") {
                problems.append("ffprobe is not in PATH: durations will be 0 (Debian: apt-get install ffmpeg)")
            }
            if !problems.isEmpty { throw SettingOptions.complain(about: problems) }
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print all settings, their defaults and what they may be, as Markdown.")

        func run() { print(Setting.markdown) }
    }
}

extension Setting {
    /// The table, as the article about the configuration has it.
    static var markdown: String {
        let defaults = Settings()
        let rows = table.map { row in
            let value = row.text(defaults)
            let standard = row.defaultInWords ?? (value.isEmpty ? "empty" : "`\(value)`")
            let flag = row.isSecret ? "none: all can read a process's arguments" : "`--\(flag(row.name))`"
            let help = row.help.hasSuffix(".") ? row.help : row.help + "."
            let meaning = [help, row.note].filter { !$0.isEmpty }.joined(separator: " ")
            return [
                flag, "`\(row.name)`\(row.isReloadable ? " ↻" : "")", standard, marked(row.allowed), marked(meaning),
            ]
        }
        return
            (["| flag | name | default | may be | meaning |", "|---|---|---|---|---|"]
            + rows.map { "| " + $0.joined(separator: " | ") + " |" }).joined(separator: "\n")
    }

    /// Addresses are no links here.
    private static func marked(_ text: String) -> String {
        text.replacing(/https?:[^ ,;]*[^ ,;.]/) { "`\($0.output)`" }
    }
}
