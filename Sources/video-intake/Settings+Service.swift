import Catalogue
import ChunkStore
import Foundation
import Glibc
import IntakeService
import Logging
import Webhooks

extension Settings {
    /// The SQLite file of the catalogue.
    var cataloguePath: String { dataDirectory + "/video-intake.db" }

    /// The catalogue, made if it is missing.
    func openCatalogue() throws(CatalogueError) -> SQLiteCatalogue {
        try SQLiteCatalogue(
            path: cataloguePath, queuesJobs: intake.queuesTranscoding, writesEvents: intake.webhookURL != nil)
    }

    /// Where events are delivered to; `nil` if nowhere.
    var webhook: Webhook? {
        intake.webhookURL.map {
            Webhook(
                url: $0, secret: webhookSecret, allowsPrivateAddresses: allowsPrivateWebhook,
                agent: "video-intake/\(VideoIntake.version)")
        }
    }

    /// The service that these settings describe; its directories are made if they are missing.
    func makeService(_ logger: Logger) throws -> IntakeService {
        try Self.makeDirectory(dataDirectory, mode: 0o755)
        let catalogue = try openCatalogue()
        if let body = intake.bodyDirectory { try Self.makeDirectory(body, mode: 0o700) }
        // Opened second, because it syncs the directory: SQLite does not look whether its log's name was synced.
        let store = try FileChunkStore(
            directory: dataDirectory, bodyDirectory: intake.bodyDirectory, reserve: reserve,
            durability: intake.durability)
        if let room = try store.room().body {
            logger.notice(
                "request bodies are on a file system of their own, which needs room for all requests under way",
                metadata: [
                    "directory": "\(intake.bodyDirectory ?? "")", "largest body": "\(intake.bodyLimit)",
                    "bytes above its reserve": "\(room)",
                ])
        }
        return IntakeService(
            catalogue: catalogue, store: store, settings: intake, logger: logger, bootID: Self.bootID,
            version: VideoIntake.version)
    }

    /// The kernel's name for the time since it was started; where there is none, everything counts as from before.
    private static var bootID: String {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let id = text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        return id.isEmpty ? UUID().uuidString : id
    }

    static func makeDirectory(_ path: String, mode: mode_t) throws {
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw StoreError("cannot create the directory \(path)", code: errno)
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw StoreError("cannot write to the directory \(path)", code: errno)
        }
    }
}
