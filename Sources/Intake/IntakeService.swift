import Maintenance
import Model
import Catalogue
import ChunkStore
import Foundation
import LoadingCache
import Logging
import Synchronization
import System

/// What the actions work with, and what they have in common. Thread-safe.
///
/// They are its extensions; each file calls what is below it only: `Routes`, then an action, then what that is made of.
package final class IntakeService: Sendable {
    let catalogue: Catalogue
    let store: any ChunkStore
    let log: ServiceLog
    /// Bytes that requests are writing and have not recorded yet.
    let unrecorded = Atomic(0)
    /// A request waits for room.
    let waitsForRoom = Atomic(false)
    let recordRate: RecordRate
    let promisedBytes: PromisedBytes
    let refusedGuids = RefusedGuids()
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
    let durations: Durations
    /// Files are completed beside the threads of requests, and so are those looked through that a reboot has put in doubt.
    let completions: WorkPool
    /// determine_chunk_exist, in turns by client.
    let questions = WorkPool(threadLimit: ResourceLimits.questions, clientLimit: ResourceLimits.questions / 2)
    /// Calls that wait without a thread and without their bodies.
    let held: HeldCalls
    /// Those that keep their bodies.
    let heldBodies: HeldCalls
    package let maintainer: Maintainer
    /// Is told of each step of sealing and of deletion, for tests.
    let atStep: @Sendable (Step) -> Void
    private let clock: @Sendable () -> Int64
    /// What requests that begin now go by.
    private let current: Locked<(settings: IntakeSettings, format: ReplyFormat)>
    private let isStoppingNow = Atomic(false)

    /// - Parameters:
    ///   - clock: seconds since 1970.
    ///   - ticker: what the caches' times follow.
    ///   - probe: finds out how long a video is.
    package init(
        catalogue: Catalogue, store: any ChunkStore, settings: IntakeSettings, logger: Logger, version: String,
        limits: ResourceLimits = ResourceLimits(),
        clock: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }, ticker: Ticker = .system,
        probe: @escaping Durations.Probe = Durations.ffprobe,
        atStep: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        self.catalogue = catalogue
        self.store = store
        log = ServiceLog(logger, clock: clock, ticker: ticker)
        self.version = version
        recordRate = RecordRate(ticker: ticker)
        promisedBytes = PromisedBytes(ticker: ticker)
        self.clock = clock
        self.atStep = atStep
        bodyMemory = MemoryPool(blockSize: settings.memoryBodyLimit + 1)
        self.limits = limits
        completions = WorkPool(threadLimit: limits.completions, clientLimit: 4)
        held = HeldCalls(limit: limits.heldCalls, clientLimit: limits.heldCalls / 2)
        heldBodies = HeldCalls(limit: limits.heldBodies, clientLimit: limits.heldBodies / 4)
        uploads = ActiveUploads(limit: limits.openUploads, ticker: ticker)
        videos = KnownVideos(catalogue, cacheTime: settings.cacheTime, ticker: ticker)
        durations = Durations(catalogue, store, videos, log, slots: limits.probes, ffprobe: probe)
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

    var isStopping: Bool { isStoppingNow.load(ordering: .relaxed) }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// Seconds of the catalogue's clock, which does not jump: what the ages of uploads are measured with.
    var uploadTime: Int64 { catalogue.clock }

    /// When uploads expire, by the same clock.
    var expiry: UploadExpiry { maintainer.expiry }

    func readForm(_ call: Call) throws(Failure) -> RequestForm {
        try FormReader(
            settings: call.settings, memory: bodyMemory, metrics: log.metrics,
            closeIdleFile: { self.uploads.closeIdle() }
        ).read(call.exchange)
    }

    // MARK: - Faults

    /// Runs a call of the store; its error becomes a reply.
    ///
    /// For want of descriptors idle uploads give theirs back, and the call is made again.
    func storing<Result: ~Copyable>(_ call: @autoclosure () throws(StoreError) -> Result) throws(Failure) -> Result {
        while true {
            do throws(StoreError) {
                return try call()
            } catch  where error.reason == .tooManyOpen && uploads.closeIdle() {
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
            if error.isSyncFailure { log.noteSyncFailure() }
            throw Failure(error)
        }
    }

    func failure(_ error: StoreError) -> Failure {
        if error.isSyncFailure { log.noteSyncFailure() }
        return Failure(error)
    }
}

// MARK: - The bytes of uploads

extension IntakeService {
    /// Runs a call that changes an upload's bytes. One that fails to sync them puts them in doubt.
    func changing<Result>(_ upload: ActiveUpload, _ call: () throws(StoreError) -> Result) throws(Failure) -> Result {
        do throws(StoreError) {
            return try call()
        } catch {
            if error.isSyncFailure { doubt(upload) }
            throw failure(error)
        }
    }

    /// After a failed sync it is unknown what is on the medium, and another sync could succeed falsely: the upload's
    /// chunks must be compared with their checksums, and written again, before they count.
    func doubt(_ upload: ActiveUpload) {
        do throws(CatalogueError) {
            try catalogue.distrust(upload: upload.record.id)
        } catch {
            log.logger.critical("cannot note that an upload is in doubt", metadata: ["cause": "\(error)"])
        }
        uploads.remove(upload)
    }

    /// Opens an upload's bytes and resumes what is there of it; `nil` if the upload is over.
    func open(_ upload: ActiveUpload) throws(Failure) -> (any UploadBytes)? {
        let (record, catalogue, store) = (upload.record, catalogue, store)
        return try upload.bytes { () throws(Failure) in
            let chunks = try recording(catalogue.chunks(ofUpload: record.id))
            var known: [String] = []
            if record.isKnown, let size = record.key.size {
                known = try recording(catalogue.knownFiles(owner: record.key.owner, md5: record.key.md5, size: size))
            }
            let opened = try storing(store.open(record, chunks: chunks, comparedWith: known))
            guard opened.isNew else { return (opened.bytes, try trusted(chunks, lost: opened.lost, of: record)) }
            // There was none: because it is a video by now, for example.
            guard try recording(catalogue.states(ofUploads: [record.id]))[record.id] == .open else {
                store.removeUpload(record.id)
                return nil
            }
            for chunk in opened.lost { try recording(catalogue.forget(chunk: chunk.number, upload: record.id)) }
            return (opened.bytes, [])
        }
    }

    /// The chunks of an upload that can be relied upon, of those that are recorded; those that are lost are forgotten.
    private func trusted(
        _ chunks: [StoredChunk], lost: [StoredChunk], of upload: Upload
    ) throws(Failure) -> [StoredChunk] {
        guard upload.bootID != store.incarnation else { return chunks }
        if !lost.isEmpty {
            log.logger.warning(
                "chunks are lost and must come again",
                metadata: ["upload": "\(upload.id)", "lost": "\(lost.count)", "kept": "\(chunks.count - lost.count)"])
        }
        guard try recording(catalogue.trust(upload, bootID: store.incarnation, lost: lost)) else {
            return try recording(catalogue.chunks(ofUpload: upload.id))
        }
        let lost = Set(lost)
        return chunks.filter { !lost.contains($0) }
    }
}
