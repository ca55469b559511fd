import Maintenance
import FileStore
import ArgumentParser
import Catalogue
import ChunkStore
import Foundation
import Glibc
import Intake
import Logging
import Media
import Model
import SQLiteCatalogue
import System
import Webhooks

extension Settings {
    /// The SQLite file of the catalogue.
    var cataloguePath: String { dataDirectory + "/video-intake.db" }

    /// Why there is nothing to work with, `nil` if there is a catalogue. Only `video-intake init` makes one.
    var missingCatalogue: String? {
        guard access(cataloguePath, F_OK) != 0, errno == ENOENT || errno == ENOTDIR else { return nil }
        return """
            no catalogue in \(dataDirectory): is the disk mounted? Mount it, or restore a backup; `video-intake init` is \
            only for a site that never had one
            """
    }

    /// Seconds in which a disk may come, before the next start looks for it: only that one has it among its mounts.
    static let diskPatience = 5.0

    /// The catalogue, which must be there.
    func openCatalogue() throws(CatalogueError) -> Catalogue {
        let (reserve, directory) = (reserve, dataDirectory)
        return try Catalogue(
            sqlite: cataloguePath, queuesJobs: intake.queuesTranscoding, writesEvents: intake.webhookURL != nil,
            hasRoom: { reserve.isFree(at: directory) })
    }

    /// Where jobs are done.
    var workDirectory: String { dataDirectory + "/transcoding" }

    func transcodingProfile() throws -> TranscodingProfile {
        try profile.map { try TranscodingProfile(path: $0) } ?? TranscodingProfile()
    }

    /// Where events are delivered to; `nil` if nowhere.
    var webhook: Webhook? {
        intake.webhookURL.map {
            Webhook(
                url: $0, secret: webhookSecret, allowsPrivateAddresses: allowsPrivateWebhook,
                agent: "video-intake/\(programVersion)")
        }
    }

    /// The service that these settings describe, on a data directory that must be there. The directory of bodies is made if
    /// it is missing.
    func makeService(_ logger: Logger) throws -> IntakeService {
        let (catalogue, store) = try open(logger)
        var intake = intake
        intake.spoolDirectory = "\(dataDirectory)/incoming"
        return IntakeService(
            catalogue: catalogue, store: store, settings: intake, logger: logger, version: programVersion,
            limits: limits)
    }

    /// Catalogue and store. The latter is opened second, because it syncs the directory: SQLite does not look whether its
    /// log's name was synced.
    func open(_ logger: Logger, withBodies: Bool = true) throws -> (Catalogue, FileChunkStore) {
        let catalogue = try openCatalogue()
        if let upgrade = catalogue.upgrade { logger.warning("\(upgrade)") }
        if withBodies, let body = intake.bodyDirectory { try Self.makeDirectory(body, mode: 0o700) }
        return (catalogue, try openStore(withBodies: withBodies))
    }

    /// What the service may take of the machine; the descriptors are those of this process.
    var limits: ResourceLimits {
        let drivers = [SQLiteCatalogue.footprint, FileChunkStore.footprint]
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return ResourceLimits(threads: threads, drivers: drivers)
        }
        return ResourceLimits(threads: threads, descriptors: Int(clamping: limit.rlim_cur), drivers: drivers)
    }

    /// - Parameter withBodies: whether the reserve of the bodies' file system counts too. A worker writes none.
    func openStore(withBodies: Bool = true) throws(SystemError) -> FileChunkStore {
        try FileChunkStore(
            directory: dataDirectory, bodyDirectory: withBodies ? intake.bodyDirectory : nil,
            bodiesLimit: NginxFiles.requestsLimit * intake.bodyLimit, reserve: reserve, durability: intake.durability)
    }

    /// Whether bodies lie on another file system than the data.
    var areBodiesElsewhere: Bool {
        var (ours, theirs) = (stat(), stat())
        guard let body = intake.bodyDirectory else { return false }
        return stat(dataDirectory, &ours) == 0 && stat(body, &theirs) == 0 && ours.st_dev != theirs.st_dev
    }

    static func makeDirectory(_ path: String, mode: mode_t) throws {
        let isNew = mkdir(path, mode) == 0
        guard isNew || errno == EEXIST else { throw SystemError("cannot create the directory \(path)", code: errno) }
        // What root makes, when an operator looks after the site, the service has to be able to write.
        var above = stat()
        if isNew, geteuid() == 0, stat(path + "/..", &above) == 0, above.st_uid != 0 {
            try SystemError.check("chown \(path)") { chown(path, above.st_uid, above.st_gid) }
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw SystemError("cannot write to the directory \(path)", code: errno)
        }
    }

    /// For commands, on a data directory that must be there already.
    func makeMaintainer() throws -> Maintainer {
        let (logger, _) = LogStreamHandler.bootstrap(max(logLevel, .warning))
        try requireCatalogue()
        let (catalogue, store) = try orExit { try open(logger) }
        let lifetime = intake.uploadLifetime
        return Maintainer(
            catalogue, store, logger: logger, bodyDirectory: intake.bodyDirectory, lifetime: { lifetime },
            clock: { MachineClock.system.wall() })
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
        if let missingCatalogue { throw ending(64, missingCatalogue) }
        guard access(cataloguePath, R_OK | W_OK) == 0 else {
            throw ending(1, "\(cataloguePath): \(String(cString: strerror(errno))); run this as the user of `serve`")
        }
    }
}

extension SettingOptions {
    /// The catalogue of a data directory that must be there already, and how to show what it knows.
    func openCatalogue(isJSON: Bool) throws -> (Catalogue, CommandOutput) {
        let settings = try settings()
        return (try settings.openCatalogueForMaintenance(), CommandOutput(settings: settings, isJSON: isJSON))
    }
}
