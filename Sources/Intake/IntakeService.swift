import Maintenance
import Model
import Catalogue
import ChunkStore
import FormData
import Foundation
import LoadingCache
import Logging
import Media
import Synchronization
import System

/// The actions: parameters in, replies out.
///
/// Thread-safe; `handle` runs on as many threads as the server has.
package final class IntakeService: Sendable {
    let catalogue: Catalogue
    let store: any ChunkStore
    let logger: Logger
    let metrics: Metrics
    /// Bytes that requests are writing and have not recorded yet.
    let unrecorded = Atomic(0)
    /// A request waits for room.
    let waitsForRoom = Atomic(false)
    let refusals: RefusalLog
    /// Of chunks that came again with other bytes.
    let replacements: LineLimit
    let slowRequests: LineLimit
    let proxies: ProxyWatch
    let recordRate: RecordRate
    let promisedBytes: PromisedBytes
    let refusedGuids: RefusedGuids
    let guidRequests = GuidRequests()
    /// Of the program.
    let version: String
    let limits: ResourceLimits
    let uploads: ActiveUploads
    let videos: KnownVideos
    let writability: Writability
    /// What bodies that come over FastCGI are read into.
    let bodyMemory: MemoryPool
    /// Chunks that are recorded at about the same time share one commit.
    let records: GroupCommit<ChunkRecord, Int?, CatalogueError>
    let durability: Durability
    /// Files whose durations are found out.
    let probes: ProbeQueue
    /// Files are completed beside the threads of requests, and so are those looked through that a reboot has put in doubt.
    let completions: WorkPool
    /// determine_chunk_exist, in turns by client.
    let questions = WorkPool(threadLimit: ResourceLimits.questions, clientLimit: ResourceLimits.questions / 2)
    /// Calls that wait without a thread and without their bodies.
    let held: HeldCalls
    /// Those that keep their bodies.
    let heldBodies: HeldCalls
    package let maintainer: Maintainer
    let probe: Probe
    /// Is told of each step, for tests.
    let atStep: @Sendable (Step) -> Void
    private let clock: @Sendable () -> Int64
    /// What requests that begin now go by.
    private let current: Locked<(settings: IntakeSettings, format: ReplyFormat)>
    private let isStoppingNow = Atomic(false)

    /// A file, seconds on the wall, niceness. Throws if it cannot begin.
    package typealias Probe = @Sendable (SourceFile, Double, Int) throws(SystemError) -> DurationProbe.Result

    /// - Parameters:
    ///   - version: of the program, for monitors.
    ///   - limits: what it may take of the machine.
    ///   - clock: seconds since 1970.
    ///   - ticker: what the caches' times follow.
    ///   - probe: finds out how long a video is.
    ///   - atStep: is called between the steps of sealing and of deletion.
    package init(
        catalogue: Catalogue, store: any ChunkStore, settings: IntakeSettings, logger: Logger, version: String,
        limits: ResourceLimits = ResourceLimits(),
        clock: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }, ticker: Ticker = .system,
        probe: @escaping Probe = IntakeService.ffprobe,
        atStep: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        self.catalogue = catalogue
        self.store = store
        self.logger = logger
        self.version = version
        metrics = Metrics(startTime: clock())
        refusals = RefusalLog(clock: clock)
        replacements = LineLimit(clock: clock)
        slowRequests = LineLimit(clock: clock)
        proxies = ProxyWatch(ticker: ticker)
        recordRate = RecordRate(ticker: ticker)
        promisedBytes = PromisedBytes(ticker: ticker)
        refusedGuids = RefusedGuids()
        self.clock = clock
        self.probe = probe
        self.atStep = atStep
        bodyMemory = MemoryPool(blockSize: settings.memoryBodyLimit + 1)
        self.limits = limits
        probes = ProbeQueue(slots: limits.probes)
        completions = WorkPool(threadLimit: limits.completions, clientLimit: 4)
        held = HeldCalls(limit: limits.heldCalls, clientLimit: limits.heldCalls / 2)
        heldBodies = HeldCalls(limit: limits.heldBodies, clientLimit: limits.heldBodies / 4)
        uploads = ActiveUploads(limit: limits.openUploads, ticker: ticker)
        videos = KnownVideos(catalogue, cacheTime: settings.cacheTime, ticker: ticker)
        writability = Writability(catalogue, ticker: ticker)
        durability = settings.durability
        let durably = durability == .power
        records = GroupCommit { chunks throws(CatalogueError) in try catalogue.record(chunks, durably: durably) }
        current = Locked((settings, ReplyFormat(settings)))
        let (current, videos) = (current, videos)
        maintainer = Maintainer(
            catalogue, store, logger: logger, bodyDirectory: settings.bodyDirectory,
            lifetime: { current.withLock { $0.settings.uploadLifetime } }, clock: clock,
            whenDeleted: { videos.noteRecorded($0) }, atStep: atStep)
    }

    /// What is done without a request goes by the settings of the moment.
    var settings: IntakeSettings { currentSettings.settings }

    var currentSettings: (settings: IntakeSettings, format: ReplyFormat) { current.withLock { $0 } }

    /// Takes over new settings, as far as they can change while requests are served; those under way keep the old ones.
    ///
    /// What stays as it was at the start: `memoryBodyLimit`, `durability`, `cacheTime`, `queuesTranscoding` and
    /// `bodyDirectory`.
    package func reload(_ new: IntakeSettings) {
        current.withLock {
            $0.settings = $0.settings.reloaded(from: new)
            $0.format = ReplyFormat($0.settings)
        }
        catalogue.setWritesEvents(new.webhookURL != nil)
    }

    /// From now on the service reports not ready, so that a load balancer drains it. Requests are still served.
    package func beginStopping() { isStoppingNow.store(true, ordering: .relaxed) }

    /// Logs the refusals that no line has reported yet. Call it when all requests are answered.
    package func stopped() { logRefusals(all: true) }

    var isStopping: Bool { isStoppingNow.load(ordering: .relaxed) }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// Seconds of the catalogue's clock, which does not jump: what the ages of uploads are measured with.
    var uploadTime: Int64 { catalogue.clock }

    /// When uploads expire, by the same clock.
    var expiry: UploadExpiry { maintainer.expiry }

    /// Bytes of an owner's name.
    private static let ownerLimit = 255

    /// Answers one request, now or later.
    package func handle(_ exchange: any Exchange) {
        let action = Action(path: Self.path(exchange))
        let call = Call(exchange, action, self)
        do throws(Failure) {
            guard action == .other || action.methods.contains(exchange.parameter("REQUEST_METHOD") ?? "") else {
                throw .methodNotAllowed(allow: action.methods.joined(separator: ", "))
            }
            guard call.owner.utf8.count <= Self.ownerLimit else {
                throw .malformed("UPLOAD_OWNER", .atMost(bytes: Self.ownerLimit))
            }
            // Two owners must not become one by what is done to their names to read them.
            guard FormText.read(exchange.parameterBytes("UPLOAD_OWNER") ?? []) != nil else {
                throw .malformed("UPLOAD_OWNER", .text)
            }
            switch action {
            case .uploadFile: try uploadFile(call)
            case .determineVideoExist: call.answer(try determineVideoExist(call))
            case .determineChunkExist: try determineChunkExist(call)
            case .listClass: call.answer(try listClass(call))
            case .videoInfo: call.answer(try videoInfo(call))
            case .play: call.answer(try playPage(call))
            case .healthz: call.answer(healthReply(call))
            case .metrics: call.answer(metricsReply())
            case .other: throw .unknownAction
            }
        } catch {
            call.answer(error)
        }
    }

    func readForm(_ call: Call) throws(Failure) -> RequestForm {
        try FormReader(
            settings: call.settings, memory: bodyMemory, metrics: metrics,
            closeIdleFile: { self.uploads.closeIdle() }
        ).read(call.exchange)
    }

    /// The address as the client sent it: an application behind a front controller has another `SCRIPT_NAME`.
    static func path(_ exchange: any Exchange) -> String {
        let uri = exchange.parameter("REQUEST_URI") ?? exchange.parameter("DOCUMENT_URI") ?? ""
        return uri.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(uri[..<$0]) } ?? uri
    }
}

// MARK: - Faults

extension IntakeService {
    /// Runs a call of the store; its error becomes a reply.
    ///
    /// For want of descriptors idle uploads give theirs back, and the call is made again.
    func storing<Result: ~Copyable>(_ call: @autoclosure () throws(SystemError) -> Result) throws(Failure) -> Result {
        while true {
            do throws(SystemError) {
                return try call()
            } catch  where error.isLackOfDescriptors && uploads.closeIdle() {
            } catch {
                throw failure(error)
            }
        }
    }

    /// Runs a call of the catalogue; its error becomes a reply.
    func recording<Result>(_ call: @autoclosure () throws(CatalogueError) -> Result) throws(Failure) -> Result {
        do throws(CatalogueError) {
            return try call()
        } catch {
            if error.isSyncFailure { noteSyncFailure() }
            throw Failure(error)
        }
    }

    func failure(_ error: SystemError) -> Failure {
        if error.isSyncFailure { noteSyncFailure() }
        return Failure(error)
    }

    func noteSyncFailure() { metrics.syncFailures.add(1, ordering: .relaxed) }

    /// Notes that a file is not there though a record says so. What is asked for again and again is logged once.
    func noteLost(_ path: String) {
        if metrics.noteLost(path) { logger.error("a file is lost", metadata: ["file": "\(path)"]) }
    }
}
