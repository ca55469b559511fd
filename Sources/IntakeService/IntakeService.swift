import Catalogue
import ChunkStore
import Dispatch
import Foundation
import LoadingCache
import Logging

/// The actions: parameters in, replies out. (protocol.md)
///
/// Thread-safe; `handle` runs on as many threads as the server has.
package final class IntakeService: Sendable {
    let catalogue: any Catalogue
    let store: any ChunkStore
    let settings: IntakeSettings
    let logger: Logger
    let format: ReplyFormat
    let uploads: ActiveUploads
    let videos: KnownVideos
    /// The boot of the machine: what was written in another one may not have reached the disk.
    let bootID: String
    /// What bodies that come over FastCGI are read into.
    let bodyMemory: MemoryPool
    /// Chunks that are recorded at about the same time share one commit.
    let records: GroupCommit<ChunkRecord, Int?, CatalogueError>
    /// Durations that no reply waits for are found out one after the other.
    let probing = DispatchQueue(label: "probing")
    private let clock: @Sendable () -> Int64

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
        self.settings = settings
        self.logger = logger
        self.bootID = bootID
        self.clock = clock
        bodyMemory = MemoryPool(blockSize: settings.memoryBodyLimit + 1)
        uploads = ActiveUploads(ticker: ticker)
        videos = KnownVideos(catalogue, cacheTime: .seconds(settings.cacheTime), ticker: ticker)
        let durably = settings.durability == .power
        records = GroupCommit { chunks throws(CatalogueError) in try catalogue.record(chunks, durably: durably) }
        format = ReplyFormat(settings)
    }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// An upload whose last chunk came before is gone.
    var expiry: Int64 { now - settings.uploadLifetime }

    /// Answers one request, now or later.
    package func handle(_ exchange: any Exchange) {
        let path = Self.path(exchange)
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let call = Call(exchange, action: slash.map { String(path[$0...].dropFirst()) } ?? path, logger: logger)
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
        try FormReader(store: store, settings: settings, memory: bodyMemory).read(call.exchange)
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
