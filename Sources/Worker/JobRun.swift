import Catalogue
import ChunkStore
import Foundation
import Logging
import Media
import Model
import System

/// What a job takes from its file to its record. Thread-safe.
struct JobRun: Sendable {
    let catalogue: any JobQueue
    let store: any ChunkStore
    let transcoder: Transcoder
    let settings: WorkerSettings
    let logger: Logger
    /// Seconds since 1970.
    let now: @Sendable () -> Int64
    /// Seconds of a clock that never jumps.
    let uptime: @Sendable () -> Double

    /// What the lane of short jobs is for: pixels to decode, a minute of 1920x1080 at 60/s, and seconds on the clock. Where
    /// another client waits for the lane that has used less, they are `TranscodingWorker.sharedShortTime`.
    private static let shortDecoding = 8e9
    private static let shortTime = 600.0

    /// Does a job, and records what became of it.
    /// - Parameters:
    ///   - memory: bytes for each tool.
    ///   - takeRoom: as `Transcoder.run` has it.
    func work(
        on held: HeldJob, memory: Int, takeRoom: @escaping (Int) -> Bool, isStopped: @escaping () -> Bool
    ) {
        let job = held.job
        var logger = logger
        logger[metadataKey: "job"] = "\(job.id)"
        logger[metadataKey: "file"] = "\(job.path)"
        logger.info("job begins", metadata: ["attempt": "\(job.attempts)"])
        let start = ContinuousClock.now
        do {
            let result = try transcoder.run(
                try SourceFile(of: job, in: store), in: directory(of: job), profile: settings.profile,
                memory: memory, logger: logger,
                accept: {
                    if held.lane == .short, $0.decoding > Self.shortDecoding { held.giveBack(because: .tooLong) }
                    return held.isToReturn == nil
                },
                takeRoom: takeRoom, progress: { held.note(progress: $0) },
                isPaused: { held.standsStillSince != nil },
                isCancelled: { [uptime] in
                    if held.lane == .short, uptime() - held.start > Self.shortTime {
                        held.giveBack(because: .tooLong)
                    }
                    return isStopped() || held.isToReturn != nil || held.isLost(uptime: uptime())
                })
            guard try held.renew(catalogue, now: now(), uptime: uptime()) else { throw Lost() }
            try publish(result, of: job)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            logger.notice("job is done", metadata: ["seconds": "\(Int(seconds.rounded()))", "bytes": "\(result.size)"])
        } catch let error as TranscodingError {
            end(held, error, isStopped: isStopped(), logger)
        } catch is Lost {
            logger.notice("job ends: it is no longer this worker's")
        } catch {
            // Another worker does it again when the lease ends.
            logger.error("cannot record what became of a job", metadata: ["cause": "\(error)"])
        }
        do throws(TranscodingError) {
            try Transcoder.remove(directory(of: job))
        } catch {
            logger.warning("cannot remove a work directory", metadata: ["cause": "\(error)"])
        }
    }

    /// The directory that a job is done in: `DIRECTORY/<job>.<claim>`. No two workers ever have the same one, not even one that was
    /// thought to be dead.
    private func directory(of job: Job) -> String { "\(settings.workDirectory)/\(StorageLayout.name(of: job))" }

    /// Removes the directories that workers that died have left; what a worker has that may live stays.
    func removeAbandoned() {
        do {
            for name in try FileManager.default.contentsOfDirectory(atPath: settings.workDirectory) {
                guard let claim = StorageLayout.claim(named: name) else { continue }
                // A claim is recorded before its directory is made.
                if let job = try catalogue.job(id: claim.job), job.isHeld(by: claim.number) { continue }
                try Transcoder.remove("\(settings.workDirectory)/\(name)")
            }
        } catch {
            logger.warning("cannot remove what a worker has left", metadata: ["cause": "\(error)"])
        }
    }

    /// Nothing that is said of the job counts any more.
    private struct Lost: Error {}

    /// Puts what was made in its place, then records it.
    private func publish(_ result: TranscodingResult, of job: Job) throws {
        let (directory, above) = (StorageLayout.results(of: job), StorageLayout.results(ofOriginal: job.path))
        let old: [String]
        do throws(StoreError) {
            try store.publish(LocalFile(path: self.directory(of: job)), as: directory)
            old = try store.publishedNames(in: above).filter { StorageLayout.claim(named: $0) == nil }
        } catch {
            throw TranscodingError(error)
        }
        let videos = try catalogue.finishJob(
            job, media: MediaFacts(result, in: directory), duration: result.source.duration,
            replacing: old.map { "\(above)/\($0)" }, now: now())
        if videos != nil { return }
        // It is garbage already, but that waits for a worker that does not know yet.
        _ = try? store.removePublished(directory)
        throw Lost()
    }

    /// Records the end of a job that was not done.
    private func end(_ held: HeldJob, _ error: TranscodingError, isStopped: Bool, _ logger: Logger) {
        let job = held.job
        do throws(CatalogueError) {
            if held.isLost(uptime: uptime()) {
                logger.notice("job ends: it is no longer this worker's")
            } else if isStopped {
                // Whatever the error: its tools may have got the same signal.
                _ = try catalogue.releaseJob(job, isLong: false, now: now())
                logger.notice("job is given back")
            } else if held.isToReturn == .tooLong || held.lane == .short && error.code == .memoryLimit {
                _ = try catalogue.releaseJob(job, isLong: true, now: now())
                logger.notice("job is given back: it is too long for the lane of short ones")
            } else if held.isToReturn == .noRoom {
                try postpone(job, TranscodingError(.noSpace, "the disk has no room but the reserve"), logger)
            } else if error.code == .noSpace {
                try postpone(job, error, logger)
            } else {
                try fail(job, error, logger)
            }
        } catch {
            logger.error("cannot record what became of a job", metadata: ["cause": "\(error)"])
        }
    }

    private func postpone(_ job: Job, _ error: TranscodingError, _ logger: Logger) throws(CatalogueError) {
        let state = try catalogue.postponeJob(job, error: error.text, now: now())
        logger.warning(
            state == .queued ? "job is given back until there is room" : "job has failed",
            metadata: ["cause": "\(error)"])
    }

    private func fail(_ job: Job, _ error: TranscodingError, _ logger: Logger) throws(CatalogueError) {
        // For want of memory it is tried once more, with more of it if there is some.
        let isFinal = error.isOfFile || error.code == .timeLimit || error.code == .memoryLimit && job.wantedMore
        let state = try catalogue.failJob(
            job, error: error.text, isFinal: isFinal, isOverBudget: error.code == .tooMuch, now: now())
        logger.warning(
            state == .queued ? "job has failed and is tried again" : "job has failed",
            metadata: ["cause": "\(error)", "attempt": "\(job.attempts)"])
    }

}

extension SourceFile {
    /// A job's file.
    /// - Throws: `unsupported` if its first bytes are of no known kind of video.
    package init(of job: Job, in store: any ChunkStore) throws(TranscodingError) {
        let head: FileHead
        do throws(StoreError) {
            head = try store.head(ofPublished: job.path)
        } catch {
            throw TranscodingError(error)
        }
        guard let format = head.format
        else { throw TranscodingError(.unsupported, "its first bytes are of no known kind of video") }
        self.init(path: store.localFile(ofPublished: job.path).path, format: format)
    }
}

extension TranscodingError {
    fileprivate init(_ error: StoreError) {
        self.init(error.reason == .diskFull ? .noSpace : .io, error.description)
    }

    /// As a job has it: a line with the code, then text for people.
    fileprivate var text: String { [code.rawValue, reason, output].filter { !$0.isEmpty }.joined(separator: "\n") }
}

extension Job {
    /// Whether its last attempt had too little memory.
    var wantedMore: Bool { errorCode == TranscodingError.Code.memoryLimit.rawValue }
}

extension MediaFacts {
    /// - Parameter directory: where the result is published, relative to the store.
    init(_ result: TranscodingResult, in directory: String) {
        self.init()
        self.directory = directory
        width = result.source.video.size.width
        height = result.source.video.size.height
        videoCodec = result.source.video.codec
        audioCodec = result.source.audio?.codec
        bitRate = result.source.bitRate
        if result.mp4 != nil { mp4Path = "\(directory)/\(TranscodingResult.mp4Path)" }
        if !result.renditions.isEmpty { hlsPath = "\(directory)/\(TranscodingResult.masterPath)" }
        if result.hasPoster { posterPath = "\(directory)/\(TranscodingResult.posterPath)" }
        if result.thumbnails != nil { thumbnailsPath = "\(directory)/\(TranscodingResult.cuesPath)" }
        flaws = result.flaws
    }
}
