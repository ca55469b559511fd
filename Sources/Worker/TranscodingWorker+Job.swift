import Catalogue
import ChunkStore
import Logging
import System
import Transcoding
import Uploads

/// One job, from its file to its record.
extension TranscodingWorker {
    func work(on held: HeldJob, until stop: StopSignal) {
        let job = held.job
        var logger = logger
        logger[metadataKey: "job"] = "\(job.id)"
        logger[metadataKey: "file"] = "\(job.path)"
        logger.info("job begins", metadata: ["attempt": "\(job.attempts)"])
        let start = ContinuousClock.now
        do {
            let result = try transcoder.run(
                try source(of: job), in: directories.path(of: job), profile: settings.profile,
                progress: { held.note(progress: $0) },
                isCancelled: { [now] in stop.isStopped || held.isLost(now: now()) })
            guard try held.renew(catalogue, lease: settings.lease, now: now()) else { throw Lost() }
            try publish(result, of: job)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            logger.notice(
                "job is done",
                metadata: ["seconds": "\(Int(seconds.rounded()))", "bytes": "\(result.size)"])
        } catch let error as TranscodingError {
            end(job, error, isLost: held.isLost(now: now()), isStopped: stop.isStopped, logger)
        } catch is Lost {
            logger.notice("job ends: it is no longer this worker's")
        } catch {
            // Another worker does it again when the lease ends.
            logger.error("cannot record what became of a job", metadata: ["cause": "\(error)"])
        }
        remove(directories.path(of: job), logger)
    }

    /// Nothing that is said of the job counts any more.
    private struct Lost: Error {}

    private func source(of job: Job) throws(TranscodingError) -> SourceFile {
        let head: [UInt8]
        do throws(SystemError) {
            let file = try store.openPublished(job.path)
            head = try Content.file(file, 0..<file.length()).prefix(Container.signatureLength)
        } catch {
            throw TranscodingError(error)
        }
        guard let container = Container.of(head, allowed: Container.fileExtensions),
            let demuxer = SourceFile.Demuxer(rawValue: container.demuxer)
        else { throw TranscodingError(.unsupported, "its first bytes are of no known kind of video") }
        return SourceFile(path: store.path(ofPublished: job.path), demuxer: demuxer)
    }

    /// Puts what was made in its place, then records it.
    private func publish(_ result: TranscodingResult, of job: Job) throws {
        let directory = MediaFacts.directory(ofOriginal: job.path)
        do throws(SystemError) {
            try store.makeDirectories(above: directory)
        } catch {
            throw TranscodingError(error)
        }
        try Transcoder.publish(directories.path(of: job), as: store.path(ofPublished: directory))
        let facts = MediaFacts(result, in: directory)
        if try catalogue.finishJob(job, media: facts, duration: result.source.duration, now: now()) != nil { return }
        // If its last video was deleted meanwhile, nobody else removes it.
        if try catalogue.job(ofFile: job.path) == nil {
            do throws(SystemError) {
                _ = try store.removePublished(directory)
            } catch {
                throw TranscodingError(error)
            }
        }
        throw Lost()
    }

    /// Says what became of a job that was not done.
    private func end(_ job: Job, _ error: TranscodingError, isLost: Bool, isStopped: Bool, _ logger: Logger) {
        do throws(CatalogueError) {
            if isLost {
                logger.notice("job ends: it is no longer this worker's")
            } else if isStopped {
                // Whatever the error: who tells this process to end may have told its tools as well.
                _ = try catalogue.releaseJob(job, now: now())
                logger.notice("job is given back")
            } else {
                let text = [error.code.rawValue, error.reason, error.output].filter { !$0.isEmpty }
                let state = try catalogue.failJob(
                    job, error: text.joined(separator: "\n"), isFinal: error.code == .unsupported, now: now())
                logger.warning(
                    state == .queued ? "job has failed and is tried again" : "job has failed",
                    metadata: ["cause": "\(error)", "attempt": "\(job.attempts)"])
            }
        } catch {
            logger.error("cannot record what became of a job", metadata: ["cause": "\(error)"])
        }
    }

    private func remove(_ directory: String, _ logger: Logger) {
        do throws(TranscodingError) {
            try Transcoder.remove(directory)
        } catch {
            logger.warning("cannot remove a work directory", metadata: ["cause": "\(error)"])
        }
    }
}

extension MediaFacts {
    /// - Parameter directory: where the result is published, relative to the store.
    init(_ result: TranscodingResult, in directory: String) {
        self.init()
        width = result.source.video.size.width
        height = result.source.video.size.height
        videoCodec = result.source.video.codec
        audioCodec = result.source.audio?.codec
        bitRate = result.source.bitRate
        if result.mp4 != nil { mp4Path = "\(directory)/\(TranscodingResult.mp4Path)" }
        if !result.renditions.isEmpty { hlsPath = "\(directory)/\(TranscodingResult.masterPath)" }
        if result.hasPoster { posterPath = "\(directory)/\(TranscodingResult.posterPath)" }
        if result.thumbnails != nil { thumbnailsPath = "\(directory)/\(TranscodingResult.cuesPath)" }
    }
}
