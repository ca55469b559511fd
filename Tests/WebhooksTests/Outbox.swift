import Catalogue
import SQLiteCatalogue
import Foundation
import Logging
import TestSupport
import Model

@testable import Webhooks

/// A catalogue in a directory of its own, with events to deliver, and a clock that stands still until it is moved.
final class Outbox: Sendable {
    static let secret = "0123456789abcdef"

    let catalogue: Catalogue
    /// Seconds since 1970.
    let clock = Locked<Int64>(1_732_160_000)
    /// What was logged.
    let log = Locked<[String]>([])
    private let directory: URL

    init() throws {
        directory = try makeTemporaryDirectory()
        catalogue = try Catalogue(
            sqlite: directory.path + "/video-intake.db", creates: true, queuesJobs: true, writesEvents: true)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    var now: Int64 { clock.withLock(\.self) }

    func advance(_ seconds: Int64) { clock.withLock { $0 += seconds } }

    /// Records a video, with its first event, and transcodes it, with its second, if it is to be ready.
    @discardableResult
    func record(_ name: String, isReady: Bool = false) throws -> Video {
        let digits = String(try count("SELECT count(*) FROM video_info") + 1, radix: 16)
        let md5 = String(repeating: "0", count: 32 - digits.count) + digits
        let start = try catalogue.beginUpload(
            UploadKey(owner: "", md5: md5, extent: .size(100), chunks: 1, chunkSize: 100), isFirst: true,
            draft: VideoDraft(name: name, guid: digits, path: "upload/\(digits).mp4", classID: nil), bootID: "",
            terms: UploadTerms(
                client: .unknown, limits: UploadLimits(total: 1000, perClient: 1000), room: { DiskRoom(free: .max) }),
            expiry: UploadExpiry(now: now, lifetime: now))
        guard case .unfinished(let upload, _, _) = start,
            case .sealed(let video, _) = try catalogue.seal(
                upload: upload.id,
                as: VideoDraft(name: name, guid: digits, path: "upload/\(digits).mp4", classID: nil), size: 100,
                duration: 1.5, knowing: [], now: now, uploadTime: now, isPublished: { _, _ in true }),
            let job = try catalogue.claimJob(worker: "w", lease: 100, now: now)
        else { throw CatalogueError(.failed, "no new video") }
        if isReady { _ = try catalogue.finishJob(job, media: MediaFacts(), duration: nil, now: now) }
        return video
    }

    private func count(_ sql: String) throws -> Int64 {
        try CatalogueFile(directory.path + "/video-intake.db").all(sql, as: Int64.self).first ?? 0
    }

    /// How many events are not delivered.
    var undelivered: Int64 {
        get throws { try count("SELECT count(*) FROM event WHERE delivered_time IS NULL") }
    }

    /// Seconds until the first undelivered event is due.
    var delay: Int64 {
        get throws { try count("SELECT min(not_before) FROM event WHERE delivered_time IS NULL") - now }
    }

    /// A webhook that may be on this machine.
    static func webhook(_ url: String, isPrivate: Bool = true, timeout: Double = 10) -> Webhook {
        _ = proxy
        return Webhook(
            url: url, secret: secret, allowsPrivateAddresses: isPrivate, agent: "video-intake/0", timeout: timeout)
    }

    /// What is the proxy for every program that asks the environment for one. It is set once, because others may be
    /// reading the environment.
    static let proxy: Receiver = {
        do {
            let proxy = try Receiver()
            setenv("http_proxy", "http://127.0.0.1:\(proxy.port)", 1)
            return proxy
        } catch {
            fatalError("\(error)")
        }
    }()

    func delivery(_ webhook: Webhook, pace: EventDelivery.Pace = Outbox.quick) -> EventDelivery {
        delivery(CurrentWebhook(webhook), pace: pace)
    }

    func delivery(_ webhook: CurrentWebhook, pace: EventDelivery.Pace = Outbox.quick) -> EventDelivery {
        EventDelivery(
            catalogue: catalogue, webhook: webhook, logger: Logger(label: "test") { _ in Log(lines: self.log) },
            pace: pace, now: { self.now })
    }

    /// Waits no longer than it has to.
    static let quick: EventDelivery.Pace = {
        var pace = EventDelivery.Pace()
        pace.idle = 0.02
        pace.pauses = 0.02...0.1
        return pace
    }()

    /// Delivers one event after the other until nothing is due. Returns what became of them.
    func deliverAll(_ webhook: Webhook) -> [EventDelivery.Step] {
        let connection = WebhookConnection(webhook)
        let delivery = delivery(webhook)
        var steps: [EventDelivery.Step] = []
        while case let step = delivery.deliverNext(over: connection), step != .nothing { steps.append(step) }
        return steps
    }

    /// What the log says of the last failure.
    var cause: String? {
        log.withLock(\.last).flatMap { $0.firstMatch(of: /cause=(.*?)( [a-z_]+=|$)/).map { String($0.1) } }
    }
}

/// An `EventDelivery` that runs in a thread.
final class RunningDelivery: Sendable {
    private let isStopped = Locked(false)
    private let hasEnded = Locked(false)

    init(_ delivery: EventDelivery) {
        Thread.detachNewThread { [isStopped, hasEnded] in
            delivery.run { isStopped.withLock(\.self) }
            hasEnded.withLock { $0 = true }
        }
    }

    deinit { isStopped.withLock { $0 = true } }

    /// Stops it. Returns whether it ended within so many seconds.
    func stop(within seconds: Double) -> Bool {
        isStopped.withLock { $0 = true }
        return eventually(within: seconds) { hasEnded.withLock(\.self) }
    }
}

/// Keeps what is logged.
private struct Log: LogHandler {
    let lines: Locked<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: Locked<[String]>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let values = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
        lines.withLock { $0.append("\(event.level) \(event.message) \(values)") }
    }
}
