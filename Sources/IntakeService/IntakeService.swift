import Catalogue
import ChunkStore
import Dispatch
import Foundation
import LoadingCache
import Logging
import Synchronization

/// The actions: parameters in, replies out. (protocol.md)
///
/// Thread-safe; `handle` runs on as many threads as the server has.
package final class IntakeService: Sendable {
    let catalogue: any Catalogue
    let store: any ChunkStore
    let logger: Logger
    let uploads: ActiveUploads
    let videos: KnownVideos
    /// The boot of the machine: what was written in another one may not have reached the disk.
    let bootID: String
    /// What bodies that come over FastCGI are read into.
    let bodyMemory: MemoryPool
    /// Chunks that are recorded at about the same time share one commit.
    let records: GroupCommit<ChunkRecord, Int?, CatalogueError>
    let durability: Durability
    /// Durations that no reply waits for are found out one after the other.
    let probing = DispatchQueue(label: "probing")
    private let clock: @Sendable () -> Int64
    /// What requests that begin now go by.
    private let current: Locked<(settings: IntakeSettings, format: ReplyFormat)>
    private let isStoppingNow = Atomic(false)

    /// - Parameters:
    ///   - bootID: tells one boot of the machine from another.
    ///   - clock: seconds since 1970.
    ///   - ticker: what the caches' times follow.
    package init(
        catalogue: any Catalogue, store: any ChunkStore, settings: IntakeSettings, logger: Logger, bootID: String,
        clock: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }, ticker: Ticker = .system
    ) {
        self.catalogue = catalogue
        self.store = store
        self.logger = logger
        self.bootID = bootID
        self.clock = clock
        bodyMemory = MemoryPool(blockSize: settings.memoryBodyLimit + 1)
        uploads = ActiveUploads(ticker: ticker)
        videos = KnownVideos(catalogue, cacheTime: .seconds(settings.cacheTime), ticker: ticker)
        durability = settings.durability
        let durably = durability == .power
        records = GroupCommit { chunks throws(CatalogueError) in try catalogue.record(chunks, durably: durably) }
        current = Locked((settings, ReplyFormat(settings)))
    }

    /// What is done without a request goes by the settings of the moment.
    var settings: IntakeSettings { current.withLock(\.settings) }

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

    /// Says that the service is about to end, so that a load balancer sends requests elsewhere. They are served still.
    package func beginStopping() { isStoppingNow.store(true, ordering: .relaxed) }

    var isStopping: Bool { isStoppingNow.load(ordering: .relaxed) }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// An upload whose last chunk came before is gone.
    var expiry: Int64 { now - settings.uploadLifetime }

    /// Answers one request, now or later.
    package func handle(_ exchange: any Exchange) {
        let path = Self.path(exchange)
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let (settings, format) = current.withLock { $0 }
        let call = Call(
            exchange, action: slash.map { String(path[$0...].dropFirst()) } ?? path, settings, format, logger)
        do throws(Failure) {
            switch path {
            case "/service/upload/upload_file", "/service/upload/ssl_upload_file":
                try require(["POST"], exchange)
                try uploadFile(call)
            case "/service/upload/determine_video_exist":
                try require(["POST"], exchange)
                call.answer(try determineVideoExist(call))
            case "/service/upload/determine_chunk_exist":
                try require(["POST"], exchange)
                call.answer(try determineChunkExist(call))
            case "/service/upload/list_class":
                try require(["POST"], exchange)
                call.answer(try listClass(call))
            case "/service/upload/video_info":
                try require(["POST"], exchange)
                call.answer(try videoInfo(call))
            case "/play/":
                try require(["GET", "HEAD"], exchange)
                call.answer(try playPage(call))
            case "/healthz":
                try require(["GET", "HEAD"], exchange)
                call.answer(Reply(code: 1, message: "ok"))
            default:
                throw .unknownAction
            }
        } catch {
            call.answer(error)
        }
    }

    func readForm(_ call: Call) throws(Failure) -> RequestForm {
        try FormReader(store: store, settings: call.settings, memory: bodyMemory).read(call.exchange)
    }

    /// The address as the client sent it: an application behind a front controller has another `SCRIPT_NAME`.
    private static func path(_ exchange: any Exchange) -> String {
        let uri = exchange.parameter("REQUEST_URI") ?? exchange.parameter("DOCUMENT_URI") ?? ""
        return uri.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(uri[..<$0]) } ?? uri
    }

    private func require(_ methods: [String], _ exchange: any Exchange) throws(Failure) {
        guard methods.contains(exchange.parameter("REQUEST_METHOD") ?? "") else {
            throw .methodNotAllowed(allow: methods.joined(separator: ", "))
        }
    }
}
