import FileBackup
import ArgumentParser
import Catalogue
import SQLiteCatalogue
import Foundation
import Glibc
import Intake
import Logging
import System

/// `video-intake gc`
struct GC: ParsableCommand {
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
        let service = try options.settings().makeServiceForMaintenance()
        let report = try orExit { try service.sweep(isDryRun: dryRun) }
        for (what, amount) in report.lines { print("\(what): \(amount)") }
        if report.lines.isEmpty {
            print("nothing to remove")
        } else if dryRun {
            print("nothing was removed (--dry-run)")
        }
    }
}

/// `video-intake check`
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
        let service = try options.settings().makeServiceForMaintenance()
        let progress = ProgressBar()
        progress.isShown = progress.isShown && deep
        let report = try orExit {
            try Check(service, isDeep: deep, isRepairing: repair, progress: progress.showBytes).run()
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

extension Settings {
    /// The service on a data directory that must be there already.
    func makeServiceForMaintenance() throws -> IntakeService {
        let (logger, _) = LogStreamHandler.bootstrap(max(logLevel, .warning))
        try requireCatalogue()
        return try orExit { try makeService(logger) }
    }

    /// The catalogue of a data directory that must be there already.
    func openCatalogueForMaintenance() throws -> Catalogue {
        try requireCatalogue()
        let catalogue = try orExit { try openCatalogue() }
        if let upgrade = catalogue.upgrade { complain(upgrade) }
        return catalogue
    }

    /// - Throws: exit code 64 if there is none, after one line.
    func requireCatalogue() throws {
        if let missingCatalogue {
            complain(missingCatalogue)
            throw ExitCode(64)
        }
        guard access(cataloguePath, R_OK | W_OK) == 0 else {
            complain("\(cataloguePath): \(String(cString: strerror(errno))); run this as the user of `serve`")
            throw ExitCode(1)
        }
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
