import Maintenance
import FileBackup
import ArgumentParser
import Intake
import System

struct GCCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove what is over: expired uploads and what crashes have left.",
        discussion: """
            `serve` does the same every 10 minutes. Files that belong to no upload are moved to set-aside in the data \
            directory and never deleted. Safe while `serve` runs; run it as the same user.
            """)

    @Flag(help: "Only say what would be removed.") var dryRun = false
    @OptionGroup var options: SettingOptions

    func run() throws {
        let maintainer = try options.settings().makeMaintainer()
        let report = try orExit { try maintainer.sweep(isDryRun: dryRun) }
        for (what, amount) in report.lines { print("\(what): \(amount)") }
        if report.lines.isEmpty {
            print("nothing to remove")
        } else if dryRun {
            print("nothing was removed (--dry-run)")
        }
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Verify the catalogue against the files.",
        discussion: """
            Prints one line for each finding, and what --repair would do about it. Exits with 0 if all is well or \
            repaired, with 1 if not. Safe while `serve` runs; run it as the same user.
            """)

    @Flag(help: "Read every byte: the videos' md5, the unfinished uploads' checksums.") var deep = false
    @Flag(help: "Do what can be done without losing anything.") var repair = false
    @OptionGroup var options: SettingOptions

    func run() throws {
        let maintainer = try options.settings().makeMaintainer()
        let progress = ProgressBar()
        progress.isShown = progress.isShown && deep
        let report = try orExit {
            try Check(maintainer, isDeep: deep, isRepairing: repair, progress: progress.showBytes).run()
        }
        progress.clear()
        for finding in report.findings {
            let remedy = finding.repair.map { repair ? " (repaired: \($0))" : " (--repair: \($0))" } ?? ""
            print("\(finding.kind.rawValue): \(finding.text.printable())\(remedy)")
        }
        print(
            "\(report.videos) videos (\(report.bytes) bytes), \(report.uploads) unfinished uploads: "
                + "\(report.findings.count) findings, \(report.findings.count - report.left) repaired")
        if report.left > 0 { throw ExitCode(1) }
    }
}
