import FileStore
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Foundation
import Glibc
import Intake
import Testing
import TestSupport
import Media
import Model

@testable import Worker

/// A site with videos that wait to be transcoded, and workers for them.
final class Shop {
    let site: InProcessSite
    private let directory: String
    var settings: WorkerSettings
    var limits = TranscodingLimits()
    private let log = LogRecord()

    /// - Parameter disk: a directory to be in, which stays; `nil` for one of its own.
    init(disk: URL? = nil) throws {
        let change = { (settings: inout IntakeSettings) in
            settings.queuesTranscoding = true
            settings.bodyLimit = 256 << 20
            settings.webhookURL = "http://127.0.0.1:9/"
        }
        site = try disk.map { try InProcessSite(directory: $0, bootID: "first", change) } ?? InProcessSite(change)
        directory = site.dataDirectory.resolvingSymlinksInPath().path
        settings = WorkerSettings(name: "test", jobs: 1, workDirectory: directory + "/transcoding")
        settings.lease = 2
        settings.profile.preset = .ultrafast
        try FileManager.default.createDirectory(atPath: settings.workDirectory, withIntermediateDirectories: true)
    }

    var catalogue: Catalogue { site.catalogue }

    func now() -> Int64 { Int64(Date().timeIntervalSince1970) }

    /// Where something of the store lies.
    func path(_ name: String) -> String { "\(directory)/\(name)" }

    @discardableResult
    func upload(_ video: FFmpegVideo) throws -> Int64 { try upload(video.upload) }

    /// Returns the video's number.
    func upload(_ page: PageUpload) throws -> Int64 {
        var page = page
        page.chunkSize = max(1, page.content.count)
        return Int64(try #require(try site.send(page.wholeRequest()).videoID))
    }

    func video(_ id: Int64) throws -> Video { try #require(try catalogue.video(id: id)) }

    func job(_ id: Int64) throws -> Job { try #require(try catalogue.job(ofFile: try video(id).path)) }

    /// A command of a profile that waits for `open`: it sees nothing but the uploaded file and its own directory.
    static let gate = ["sh", "-c", "while ! [ -x {input} ]; do sleep 0.1; done"]

    /// Lets the video's jobs through `gate`.
    func open(_ id: Int64) throws { #expect(chmod(path(try video(id).path), 0o700) == 0) }

    /// Where the job of a video is done.
    func workDirectory(_ id: Int64) throws -> String {
        let job = try job(id)
        return "\(settings.workDirectory)/\(job.id).\(job.claims)"
    }

    /// Whether anything of the video is under its final name.
    func published(_ id: Int64) -> Bool? {
        (try? video(id)).map { access(path(StorageLayout.results(ofOriginal: $0.path)), F_OK) == 0 }
    }

    var workDirectories: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: settings.workDirectory)) ?? ["?"]).sorted()
    }

    /// The command lines of ffmpeg and its like that work for this site.
    var tools: [String] { processes(workingBelow: URL(fileURLWithPath: settings.workDirectory)) }

    /// What workers have logged, each with the job's number.
    var messages: [String] { log.lines.map { "\($0.message) \($0.values["job"] ?? "")" } }

    func count(_ table: String) throws -> Int {
        try CatalogueFile(path("video-intake.db")).count(table)
    }

    func execute(_ sql: String) throws {
        try CatalogueFile(path("video-intake.db")).run(sql)
    }

    /// Long: ffmpeg has little priority, and other tests may keep the processors busy.
    func waitUntil(within seconds: Double = 150, _ condition: () throws -> Bool) -> Bool {
        eventually(within: seconds) { (try? condition()) ?? false }
    }

    func makeWorker(
        catalogue: (any JobQueue)? = nil, reserve: FileChunkStore.Reserve = .bytes(0),
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) },
        uptime: @escaping @Sendable () -> Double = TranscodingWorker.uptime
    ) throws -> TranscodingWorker {
        let logger = log.logger(.info)
        return TranscodingWorker(
            catalogue: catalogue ?? self.catalogue,
            store: try FileChunkStore(directory: directory, reserve: reserve),
            transcoder: Transcoder(limits: limits, logger: logger), settings: settings, logger: logger, now: now,
            uptime: uptime)
    }

    func startWorker(reserve: FileChunkStore.Reserve = .bytes(0)) throws -> StartedWorker {
        StartedWorker(try makeWorker(reserve: reserve))
    }
}

/// A worker that runs on a thread until it is stopped, or goes.
final class StartedWorker {
    private let signal = StopSignal()
    private let ended = StopSignal()

    init(_ worker: TranscodingWorker) {
        Thread.detachNewThread { [signal, ended] in
            worker.run(until: signal)
            ended.stop()
        }
    }

    func stop() {
        signal.stop()
        while ended.wait(10) {}
    }

    deinit { stop() }
}
