import ArgumentParser

/// The command line.
@main
struct VideoIntake: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "video-intake",
        abstract: "Takes big video uploads in small chunks, behind nginx over FastCGI.",
        discussion: """
            Every setting is a flag, an environment variable VIDEO_INTAKE_<NAME>, or a line of the settings file, \
            /etc/default/video-intake unless --config or VIDEO_INTAKE_CONFIG names another one; a flag wins over the \
            environment, and that over the file. `video-intake config check` shows what is in effect.
            """,
        subcommands: [
            InitCommand.self, ServeCommand.self, WorkerCommand.self, ConfigCommand.self, ClassCommand.self,
            VideoCommand.self, JobCommand.self, GCCommand.self, CheckCommand.self, BackupCommand.self,
            RestoreCommand.self, StatusCommand.self, VersionCommand.self,
        ])
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() { print("video-intake \(programVersion)") }
}
