import FileBackup
import ArgumentParser
import Model
import ChunkStore
import Foundation
import Glibc
import Intake
import System

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the catalogue and the files of the videos to a new directory.",
        discussion: """
            Safe while `serve` and workers run. Everything below upload/ is in the backup, each file as a second name for \
            the same bytes if that is possible (one file system: no protection against a disk that fails), else as a copy; \
            unfinished uploads and set-aside are not. Each file is read back. Until all is in it, the directory is called \
            DIRECTORY.unfinished, and the same command goes on with it. Exits with 1 if a file is not as its record says; \
            the backup is whole then, and has it as it is.
            """)

    @Argument(help: "The directory to make.") var directory: String
    @Flag(help: "Copy the catalogue alone; the files below upload/ are kept in another way.") var catalogueOnly = false
    @Option(
        help: ArgumentHelp(
            "A backup, on the same file system, whose unchanged files are not copied again.",
            valueName: "directory"))
    var previous: String?
    @OptionGroup var options: SettingOptions

    func run() throws {
        let settings = try options.settings()
        let catalogue = try settings.openCatalogueForMaintenance()
        let bar = ProgressBar()
        let report = try orExit {
            try Backup(
                catalogue, settings.openStore(), dataDirectory: settings.dataDirectory,
                contents: catalogueOnly ? .catalogue : .all,
                version: programVersion, now: Int64(Date().timeIntervalSince1970), progress: bar.showBytes
            ).run(to: directory, previous: previous)
        }
        bar.clear()
        for path in report.leftOut {
            complain("\(path.printable()) is no file, or its name is not UTF-8: it is not in the backup")
        }
        for finding in report.findings { complain(finding.printable()) }
        print(
            "\(directory): the catalogue"
                + (catalogueOnly
                    ? "" : " and \(report.files) files (\(sizeText(report.bytes))), read back"))
        if !report.findings.isEmpty {
            complain("\(report.findings.count) files are not as their records say: see `video-intake check --deep`")
            throw ExitCode(1)

        }
    }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a data directory without a catalogue that of a backup.",
        discussion: """
            Compares every file of the backup with its list first, and changes nothing if one differs. Files that are in the \
            data directory already stay. Numbers that were given out after the backup do not come again: those of videos go \
            on 100,000 higher, those of events from the time in milliseconds, with another epoch. Unfinished uploads begin \
            anew. Stop `serve` and `worker` before. Run it as root, or as the user of `serve`: root gives the files to the \
            owner of the data directory.
            """)

    @Argument(help: "The backup's directory.") var directory: String
    @Option(help: ArgumentHelp("Number new videos above this instead.", valueName: "number")) var above: Int64?
    @Flag(help: "Leave files out that are not as the list says, in place of no restore at all.") var leaveOutDamaged =
        false
    @OptionGroup var options: SettingOptions

    func validate() throws {
        guard above ?? 0 >= 0 else { throw ValidationError("--above must be a whole number") }
    }

    func run() throws {
        let settings = try options.settings()
        guard !ResponderClient.isAnybodyListening(on: settings.socket) else {
            complain(
                "`serve` still runs, or systemd listens for it, on \(settings.socket): stop it and the worker first, "
                    + "`systemctl stop video-intake.socket video-intake.service video-intake-worker.service`")
            throw ExitCode(1)
        }
        let bar = ProgressBar()
        let report = try orExit {
            defer { bar.clear() }
            return try Restore(from: directory, to: settings.dataDirectory, progress: bar.showBytes).run(
                aboveVideo: above, leavesOutDamaged: leaveOutDamaged, now: Int64(Date().timeIntervalSince1970))
        }
        let next = report.continuation
        for line in report.leftOut { complain(line.printable()) }
        print(
            """
            \(settings.dataDirectory): the catalogue and \(report.files) files \
            (\(sizeText(report.bytes)))
            videos go on above number \(next.videoNumber), events above id \(next.eventID), with epoch \(next.epoch)
            \(next.droppedUploads) unfinished uploads were dropped, \(next.eventsPending) events are still to be delivered
            now start `serve` and `worker`; `video-intake check --deep` reads everything once more
            """)
        if !report.leftOut.isEmpty {
            complain(
                "\(report.leftOut.count) files were left out; the same video, uploaded again, brings its file back")
            throw ExitCode(1)
        }
    }
}
