import ArgumentParser
import Glibc
import Intake
import Logging
import SQLiteCatalogue

/// What commands work on that look after a site.
extension Settings {
    /// The service on a data directory that must be there already.
    func makeServiceForMaintenance() throws -> IntakeService {
        let (logger, _) = LogStreamHandler.bootstrap(max(logLevel, .warning))
        try requireCatalogue()
        return try orExit { try makeService(logger) }
    }

    /// The catalogue of a data directory that must be there already.
    func openCatalogueForMaintenance() throws -> SQLiteCatalogue {
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

extension SettingOptions {
    /// The catalogue of a data directory that must be there already, and how to show what it knows.
    func openCatalogue(isJSON: Bool) throws -> (SQLiteCatalogue, CommandOutput) {
        let settings = try settings()
        return (try settings.openCatalogueForMaintenance(), CommandOutput(settings: settings, isJSON: isJSON))
    }
}
