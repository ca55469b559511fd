import FileStore
import Model
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Foundation
import Glibc
import Intake
import LoadingCache
import Logging
import Media
import Synchronization
import System

/// The service without FastCGI and nginx, on real files and a real database in a directory of its own.
package final class InProcessSite: Site {
    /// How a body reaches the service.
    package enum BodyMode: CaseIterable, Sendable {
        /// As nginx's body file.
        case handOff
        /// Over the FastCGI connection, in pieces.
        case stream
    }

    package let service: IntakeService
    package let store: FileChunkStore
    package let catalogue: Catalogue
    package let clock: Clock
    /// How often this service has looked for a video in the database.
    package let lookups = Counter()
    /// How often this service has tried whether the database can be written.
    package let trials = Counter()
    /// How often this service has looked in the database for refusals, and written them.
    package let refusalLookups = Counter()
    package let log = LogRecord()
    private let directory: TemporaryDirectory
    private let mode: BodyMode
    private let settings: IntakeSettings

    package var dataDirectory: URL { directory.url }

    package convenience init(
        mode: BodyMode = .handOff, reserve: FileChunkStore.Reserve = .bytes(0),
        limits: ResourceLimits = ResourceLimits(), findsDurations: Bool = true,
        _ change: (inout IntakeSettings) -> Void = { _ in }, atStep: @escaping @Sendable (Step) -> Void = { _ in }
    ) throws {
        try self.init(
            TemporaryDirectory(try makeTemporaryDirectory()), mode, reserve, Clock(), bootID: Self.firstBoot,
            limits: limits, findsDurations: findsDurations, change, atStep: atStep)
    }

    /// A service on a directory that is there already, which stays when it goes.
    package convenience init(
        directory: URL, mode: BodyMode = .handOff, reserve: FileChunkStore.Reserve = .bytes(0), bootID: String,
        _ change: (inout IntakeSettings) -> Void = { _ in },
        atStatement: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        try self.init(
            TemporaryDirectory(keeping: directory), mode, reserve, Clock(), bootID: bootID, change,
            atStatement: atStatement)
    }

    private init(
        _ directory: TemporaryDirectory, _ mode: BodyMode, _ reserve: FileChunkStore.Reserve, _ clock: Clock,
        bootID: String, limits: ResourceLimits = ResourceLimits(),
        findsDurations: Bool = true, _ change: (inout IntakeSettings) -> Void,
        atStep: @escaping @Sendable (Step) -> Void = { _ in },
        atStatement: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        var settings = IntakeSettings()
        settings.bodyDirectory = directory.url.path + "/body"
        settings.spoolDirectory = directory.url.path + "/incoming"
        change(&settings)
        try FileManager.default.createDirectory(
            atPath: directory.url.path + "/body", withIntermediateDirectories: true)
        self.directory = directory
        self.mode = mode
        self.settings = settings
        self.clock = clock
        let (lookups, trials, refusalLookups) = (lookups, trials, refusalLookups)
        catalogue = try Catalogue(
            sqlite: directory.url.path + "/video-intake.db", creates: true, queuesJobs: settings.queuesTranscoding,
            writesEvents: settings.webhookURL != nil, machine: clock.machine(bootID: bootID),
            trace: { statement in
                if statement.contains("FROM video_info v") { lookups.add() }
                if statement.contains("SET last = last WHERE") { trials.add() }
                if statement.contains("refusal") { refusalLookups.add() }
                atStatement(statement)
            }, hasRoom: { reserve.isFree(at: directory.url.path) })
        store = try FileChunkStore(
            directory: directory.url.path, bodyDirectory: settings.bodyDirectory, reserve: reserve,
            durability: settings.durability, bootID: bootID)
        service = IntakeService(
            catalogue: catalogue, store: store, settings: settings, logger: log.logger(.info), version: "test",
            limits: limits,
            clock: { clock.now }, ticker: clock.ticker, probe: findsDurations ? Self.probe : Self.noProbe,
            atStep: atStep)
    }

    @Sendable private static func noProbe(_: SourceFile, _: Double, _: Int) -> DurationProbe.Result { .unknown }

    /// As in the product, but for what `videoBytes` made: ffprobe tells nothing of that, and its start costs more than a test.
    @Sendable private static func probe(
        _ source: SourceFile, _ seconds: Double, _ niceness: Int
    ) throws(SystemError) -> DurationProbe.Result {
        let head = try? FileHandle(forReadingAtPath: source.path)?.read(upToCount: 64)
        return isMadeUp(Array(head ?? Data())) ? .unknown : try Durations.ffprobe(source, seconds, niceness)
    }

    private static let firstBoot = "first"

    /// Another service on the same directory, as after a restart, or beside this one.
    ///
    /// - Parameters:
    ///   - bootID: of the machine; another than this one's after a reboot.
    ///   - reserve: of the disk, which this one may not have.
    ///   - atStep: as the service has it.
    ///   - atStatement: is told of each statement of its catalogue that is about to run.
    package func another(
        bootID: String? = nil, reserve: FileChunkStore.Reserve = .bytes(0),
        atStep: @escaping @Sendable (Step) -> Void = { _ in },
        atStatement: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> InProcessSite {
        try InProcessSite(
            directory, mode, reserve, clock, bootID: bootID ?? Self.firstBoot, { $0 = settings }, atStep: atStep,
            atStatement: atStatement)
    }

    /// Recovers as `serve` does at its start, and waits for what it does beside serving.
    package func recover() throws {
        service.takeUp(try service.maintainer.recover())
        service.findDurations()
    }

    /// A directory that goes with the last site that uses it.
    private final class TemporaryDirectory: Sendable {
        let url: URL
        private let isKept: Bool

        init(_ url: URL) {
            self.url = url
            isKept = false
        }

        init(keeping url: URL) {
            self.url = url
            isKept = true
        }

        deinit {
            if isKept { return }
            // SQLite may be removing its files at the same time.
            for _ in 0..<3 { try? FileManager.default.removeItem(at: url) }
        }
    }

    /// A number that only grows.
    package final class Counter: Sendable {
        private let value = Atomic(0)
        package var count: Int { value.load(ordering: .sequentiallyConsistent) }
        func add() { value.add(1, ordering: .sequentiallyConsistent) }
    }

    /// Seconds since 1970, moved by tests.
    package final class Clock: Sendable {
        private let offset = Atomic<Int64>(0)
        private let error = Atomic<Int64>(0)
        private var steady: Int64 { Int64(Date().timeIntervalSince1970) + offset.load(ordering: .relaxed) }
        package var now: Int64 { steady + error.load(ordering: .relaxed) }
        /// Lets time go by.
        package func advance(by seconds: Int64) { offset.add(seconds, ordering: .relaxed) }
        /// Sets the time of day to another one.
        package func jump(by seconds: Int64) { error.add(seconds, ordering: .relaxed) }
        /// The clocks of a machine that was started with 1970.
        func machine(bootID: String) -> MachineClock {
            MachineClock(bootID: bootID, wall: { [self] in now }, boot: { [self] in steady })
        }
        /// What the caches follow: it stands still but for `advance`.
        var ticker: Ticker { Ticker { [self] in offset.load(ordering: .relaxed) * 1_000_000_000 } }
    }

    package func send(_ request: SentRequest) throws -> ReceivedReply {
        try begin(request).wait()
    }

    /// Hands the request to the service, whose `handle` has returned when this does. The reply may come later.
    package func begin(_ request: SentRequest) throws -> MemoryExchange {
        let exchange = try exchange(request)
        service.handle(exchange)
        return exchange
    }

    /// A request that is still to be handed to the service.
    package func exchange(_ request: SentRequest) throws -> MemoryExchange {
        try MemoryExchange(request, mode: mode, bodyDirectory: dataDirectory.path + "/body")
    }
}

/// A request and its reply in memory.
package final class MemoryExchange: Exchange, @unchecked Sendable {
    private let parameters: [String: String]
    private let body: [UInt8]
    private let bodyFile: String?
    package let contentLength: Int?

    // SAFETY: `condition` guards the variables.
    private let condition = NSCondition()
    private var position = 0
    private var received: ReceivedReply?
    private var mayWrite = true
    private var isGone = false

    init(_ request: SentRequest, mode: InProcessSite.BodyMode, bodyDirectory: String) throws {
        let parts = request.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var parameters = [
            "REQUEST_METHOD": request.method, "REQUEST_URI": request.target,
            "QUERY_STRING": parts.count > 1 ? String(parts[1]) : "", "CONTENT_TYPE": request.contentType ?? "",
        ]
        parameters["UPLOAD_OWNER"] = request.owner
        parameters["REMOTE_ADDR"] = request.address ?? "192.0.2.1"
        parameters["HTTP_X_FORWARDED_FOR"] = request.headers.first { $0.0 == "X-Forwarded-For" }?.1
        contentLength = request.body.count
        if mode == .handOff, !request.body.isEmpty {
            let path = bodyDirectory + "/" + UUID().uuidString
            try Data(request.body).write(to: URL(fileURLWithPath: path))
            parameters["REQUEST_BODY_FILE"] = path
            bodyFile = path
            body = []
        } else {
            bodyFile = nil
            body = request.body
        }
        self.parameters = parameters
    }

    package func parameter(_ name: String) -> String? { parameters[name] }

    package func parameterBytes(_ name: String) -> [UInt8]? { parameters[name].map { Array($0.utf8) } }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        condition.withLock {
            // Pieces of a size that divides nothing, as a network makes them.
            let count = min(buffer.count, body.count - position, 7919)
            buffer.copyBytes(from: body[position..<position + count])
            position += count
            return count
        }
    }

    package func reply(status: Int, headers: [(String, String)], body: [UInt8]) -> Bool {
        condition.withLock {
            while !mayWrite { condition.wait() }
            precondition(received == nil, "answered twice")
            // nginx removes its file after the reply; here, whoever has the reply looks for it at once.
            if let bodyFile { unlink(bodyFile) }
            received = ReceivedReply(status: status, headers: headers, body: body)
            condition.broadcast()
            return !isGone
        }
    }

    /// Makes the reply one that cannot be written; `wait` tells what it would have been.
    package func leave() { condition.withLock { isGone = true } }

    /// Lets the reply's writing last until `allowWriting`, as a web server does that does not read.
    package func delayWriting() { condition.withLock { mayWrite = false } }

    package func allowWriting() {
        condition.withLock {
            mayWrite = true
            condition.broadcast()
        }
    }

    /// The reply, if there is one.
    package var reply: ReceivedReply? { condition.withLock { received } }

    /// Waits for the reply, at most 30 s.
    package func wait() throws -> ReceivedReply {
        try condition.withLock {
            let bound = Date(timeIntervalSinceNow: 30)
            while received == nil {
                guard condition.wait(until: bound) else { throw NoReply() }
            }
            return received!
        }
    }

    struct NoReply: Error {}
}
