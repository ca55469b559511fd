import Model

/// What is known of videos, classes and uploads, committed before a reply promises it.
///
/// Thread-safe; every decision that concerns more than one request is a conditional update, so that several processes
/// may share one catalogue. `SQLiteCatalogue` keeps it in one SQLite file; PostgreSQL can take its place.
/// Times are seconds since 1970; those of uploads are seconds of `clock`.
package protocol Catalogue: Sendable {
    /// The version of its tables.
    var schema: Int { get }

    /// The owner's first video with this content, `nil` if there is none.
    ///
    /// - Parameter size: bytes; `nil` where only the digest is known.
    func video(owner: String, md5: String, size: Int?) throws(CatalogueError) -> Video?

    /// The owner's video with this number, `nil` if there is none.
    func video(id: Int64, owner: String) throws(CatalogueError) -> Video?

    /// The video with this number, whoever has it, `nil` if there is none.
    func video(id: Int64) throws(CatalogueError) -> Video?

    /// The last videos that were recorded, the newest first.
    ///
    /// - Parameter owner: whose; `nil` for all.
    func videos(owner: String?, limit: Int) throws(CatalogueError) -> [Video]

    /// The files of the owner's videos with this content, `knownFilesLimit` at most: the same ones each time.
    func knownFiles(owner: String, md5: String, size: Int) throws(CatalogueError) -> [String]

    /// Whether a record points to this file.
    func hasVideo(atPath path: String) throws(CatalogueError) -> Bool

    /// Runs `body` if no record points to this file, and while none can.
    ///
    /// - Returns: whether it was so.
    func whileUnrecorded(_ path: String, _ body: () -> Void) throws(CatalogueError) -> Bool

    /// Makes a record that points to the same file, once for each guid, or for each name without one; it survives power
    /// loss.
    ///
    /// - Parameter permit: asked for a record that is new.
    /// - Returns: the new record, or the one that there is already; `nil` if no record points to the file any more.
    /// - Throws: `CatalogueError` with `.quota` if it may not.
    func copy(
        _ video: Video, name: String, classID: Int64?, guid: String?, now: Int64, permit: RecordPermit
    ) throws(CatalogueError) -> Video?

    /// The finished uploads that have become a video.
    func sealedUploads(video id: Int64) throws(CatalogueError) -> [Int64]

    /// Deletes a record, and with the last one that points to a file the file's job and media; it survives power loss.
    ///
    /// The guids of the uploads that have become this video are refused from now on.
    ///
    /// - Returns: what no record points to any more: garbage from then on. `nil` if there is no such video.
    func deleteVideo(id: Int64, now: Int64) throws(CatalogueError) -> [Garbage]?

    /// What no record points to any more and is not removed yet, the oldest first.
    func garbage(limit: Int) throws(CatalogueError) -> [Garbage]

    /// Runs `body` if this still is garbage, and while no video can get its path: what it takes away is none's.
    ///
    /// - Returns: whether it was so.
    func whileGarbage(_ garbage: Garbage, _ body: () -> Void) throws(CatalogueError) -> Bool

    /// Says that garbage is removed: videos may have its path.
    func forget(_ garbage: Garbage) throws(CatalogueError)

    /// The upload that a request belongs to: the finished one of its guid, the unfinished one of its key, or a new one,
    /// which others may have to give way to. A guid that is refused gets its refusal.
    ///
    /// The draft's guid becomes an alias of the upload. It goes on with another upload of the same file, with chunks of another
    /// length, only with its first chunk, or where that other one has no chunk: the page would take chunks that are in two
    /// uploads for one whole file. An upload whose life is over counts as gone.
    /// - Parameters:
    ///   - key: without a chunk size, the last upload that there is with the rest.
    ///   - isFirst: whether the request brings the first chunk.
    ///   - draft: what a new upload's video will be called.
    ///   - bootID: the boot of the machine in which a new upload's chunks will be good.
    ///   - terms: on what a new one may begin.
    func beginUpload(
        _ key: UploadKey, isFirst: Bool, draft: VideoDraft, bootID: String, terms: UploadTerms, expiry: UploadExpiry
    ) throws(CatalogueError) -> UploadStart

    /// The unfinished uploads with this key, or with any chunk size if it has none, and the chunks that each has, at one
    /// moment; the newest first.
    func unfinishedUploads(
        _ key: UploadKey, expiry: UploadExpiry, limit: Int
    ) throws(CatalogueError) -> [(upload: Upload, chunks: [StoredChunk])]

    /// Refuses a guid, which is no alias of an unfinished upload any more; not for want of room or share where such an upload
    /// has a recorded chunk.
    ///
    /// - Parameter whenRefused: is called in the transaction, before the guid is no alias any more.
    /// - Returns: the uploads that had no other alias; they are gone, and may have bytes in the store. `nil` if the guid is
    ///   not refused.
    func refuse(_ refusal: Refusal, whenRefused: () -> Void) throws(CatalogueError) -> [ExpiredUpload]?

    /// Forgets the refusal of a guid that stands for this content, or of all of them.
    ///
    /// - Parameter guid: `nil` for all.
    func forgetRefusals(owner: String, md5: String, guid: String?) throws(CatalogueError)

    /// Lets other uploads give way to bytes that an open upload has not promised: of a file whose size is not known, or of
    /// content that its owner has already. As for a new upload, but for the number.
    ///
    /// - Parameters:
    ///   - bytes: how many.
    ///   - room: as in `UploadTerms`.
    func makeRoom(
        for bytes: Int, of upload: Upload, room: () -> DiskRoom, now: Int64
    ) throws(CatalogueError) -> RoomMade

    /// Bytes that open uploads have announced and that are still to come; of content that its owner has none is promised.
    func promisedBytes() throws(CatalogueError) -> Int

    /// Notes that bytes of ended uploads are off the disk: they count as on their way no more.
    func noteRemoved(bytes: Int) throws(CatalogueError)

    /// All uploads that are open, by number.
    func openUploads() throws(CatalogueError) -> [Upload]

    /// Which of these uploads the catalogue has, and in which state.
    func states(ofUploads ids: [Int64]) throws(CatalogueError) -> [Int64: Upload.State]

    /// The video that a sealed upload has become.
    func video(ofUpload id: Int64) throws(CatalogueError) -> Video?

    /// The chunks that an upload has.
    func chunks(ofUpload id: Int64) throws(CatalogueError) -> [StoredChunk]

    /// Records chunks whose bytes are stored, each in place of an earlier one, in one transaction.
    ///
    /// - Parameter durably: whether the commit must survive power loss.
    /// - Returns: for each how many different chunks its upload now has, `nil` if that is no longer open.
    func record(_ chunks: [ChunkRecord], durably: Bool) throws(CatalogueError) -> [Int?]

    /// Forgets a chunk whose bytes are about to be replaced.
    func forget(chunk: Int, upload id: Int64) throws(CatalogueError)

    /// Says what an open upload's video will be called, before its file gets that name.
    ///
    /// - Returns: whether it may have the name: `false` if that is garbage, or another video's.
    func setDraft(_ draft: VideoDraft, upload id: Int64) throws(CatalogueError) -> Bool

    /// Says that an upload's chunks are in doubt: they must be compared with their checksums before they count.
    func distrust(upload id: Int64) throws(CatalogueError)

    /// Says that the chunks of an upload which were in doubt are good but for those that are lost, which are forgotten.
    ///
    /// - Parameter bootID: the boot of the machine in which they are good.
    /// - Returns: whether it was so: `false` if another process has found out already, and nothing is changed.
    func trust(_ upload: Upload, bootID: String, lost: [StoredChunk]) throws(CatalogueError) -> Bool

    /// A guid's own first chunk has come, which the upload had already.
    func noteFirstChunk(guid: String, upload id: Int64) throws(CatalogueError)

    /// Forgets an unfinished upload that has no chunk. Returns whether it was so.
    func discardEmpty(upload id: Int64) throws(CatalogueError) -> Bool

    /// Forgets an unfinished upload and its chunks; its guids are refused from now on.
    ///
    /// - Returns: its bytes that count as on their way off the disk, until `noteRemoved`.
    func discard(upload id: Int64, reason: String, now: Int64) throws(CatalogueError) -> Int

    /// Commits a finished upload: its record and its end, in one transaction that survives power loss.
    ///
    /// The draft's file is the upload's own, published under the name that `setDraft` took, or that of a record with the same
    /// bytes. The same client's other unfinished uploads of the content become the same video.
    /// - Parameters:
    ///   - size: bytes.
    ///   - duration: seconds; `nil` if it is found out later, with `setDuration`.
    ///   - known: the files of this content with which the upload's bytes were compared.
    ///   - uploadTime: now, by `clock`.
    ///   - isPublished: whether the file is there; asked while no deletion can take it away. `isOwners`: all records that
    ///     point to it are of the upload's owner and content, or there is none.
    func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, knowing known: Set<String>, now: Int64,
        uploadTime: Int64, isPublished: (_ path: String, _ isOwners: Bool) -> Bool
    ) throws(CatalogueError) -> Sealing

    /// The files of the videos whose duration was not asked for yet, the oldest first.
    ///
    /// - Parameter limit: how many at most.
    func unprobedPaths(limit: Int) throws(CatalogueError) -> [String]

    /// Says how long the videos that point to a file are, if nobody has yet.
    ///
    /// - Parameter duration: seconds; 0 if it cannot be told.
    /// - Returns: the videos that this has changed.
    func setDuration(_ duration: Double, path: String) throws(CatalogueError) -> [Video]

    /// Forgets uploads whose life is over; the guids of unfinished ones are refused from now on.
    ///
    /// Not more at once than fits a transaction on a full disk; `isPart` says whether to call it again, when their files are
    /// removed.
    /// - Parameter isDryRun: only finds them, all of them.
    func expireUploads(_ expiry: UploadExpiry, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads

    /// Queues the files of videos that have no job, because transcoding was off when they were recorded.
    ///
    /// - Parameter video: of which; `nil` for all.
    /// - Returns: how many were queued.
    func queueJobs(video id: Int64?, now: Int64) throws(CatalogueError) -> Int

    /// The job that a worker is to do next: one that is running with a lease that has ended, or one that is queued and due.
    ///
    /// Of those that are queued it is one of the client whose jobs have run the least lately, and of its jobs the shortest, or
    /// one that has waited for `Job.patience`. A client's use is forgotten by half every hour: the one that waits for its turn
    /// is among those that have used nothing before long, and they take turns in the order in which they came.
    ///
    /// A job that too many workers have died with becomes failed, `worker_died`. Any number of workers in any number
    /// of processes may ask at once, each gets another job.
    /// - Parameters:
    ///   - worker: what people read to find out who has it.
    ///   - lane: which jobs.
    ///   - lease: seconds until others may claim it, unless `heartbeat` says that the worker lives.
    ///   - isSilent: whether a running job, whose lease has ended by the clock, may be taken from its worker: a clock that
    ///     jumps ends all leases at once. Called in a transaction.
    func claimJob(
        worker: String, lane: Job.Lane, lease: Int64, now: Int64, isSilent: (Job) -> Bool
    ) throws(CatalogueError) -> Job?

    /// Whether a job of a lane waits, of a client that has used less than that of a job that runs.
    func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool

    /// Says that a job's worker lives, and how far it is.
    ///
    /// - Parameters:
    ///   - job: as `claimJob` gave it.
    ///   - lease: seconds from now until others may claim it.
    ///   - progress: from 0 to 1.
    ///   - standsStill: whether the time since the last sign of life was another client's.
    /// - Returns: `false` if the job is no longer the worker's: cancelled, claimed by another one, or deleted with its
    ///   video. It is to stop then, and nothing that it says counts any more.
    func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool

    /// Says what a worker has made of the job's file; it survives power loss. The media must be published before.
    ///
    /// - Parameter duration: seconds that the video plays, for all of its records: it was measured, what they have was
    ///   announced. `nil` if it cannot be told.
    /// - Returns: the videos that point to the file, as they are now; `nil` if the job is no longer the worker's.
    func finishJob(_ job: Job, media: MediaFacts, duration: Double?, now: Int64) throws(CatalogueError) -> [Video]?

    /// Says that a worker could not do a job: it is tried again after 1 minute, then after 5, and then it has failed.
    ///
    /// - Parameters:
    ///   - error: a line with a code, then text for people; what is too long loses its middle.
    ///   - isFinal: trying again would not help.
    ///   - isOverBudget: the video would cost more than it may, which is counted.
    /// - Returns: the job's state now, `queued` or `failed`; `nil` if the job is no longer the worker's.
    func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State?

    /// Gives a job back for which there was no room: the attempt does not count, and the next one is made later each time,
    /// from a minute to an hour. When that has gone on for a day, the job has failed.
    ///
    /// - Parameter error: as `failJob` has it.
    /// - Returns: the job's state now, `queued` or `failed`; `nil` if the job is no longer the worker's.
    func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State?

    /// Gives a job back that a worker is not to blame for not having done, because it was told to end: the attempt does
    /// not count, and another one may have it at once.
    ///
    /// - Parameter isLong: the lane of short jobs is not for it.
    /// - Returns: whether the job was the worker's still.
    func releaseJob(_ job: Job, isLong: Bool, now: Int64) throws(CatalogueError) -> Bool

    /// Queues a job that is failed or done again, with all its attempts; what was made of the file stays until the new is
    /// there. Returns whether there is such a job.
    func retryJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool

    /// Ends a job that is queued or running as failed, `cancelled`; a worker learns it with its next `heartbeat`.
    /// Returns whether there is such a job.
    func cancelJob(id: Int64, now: Int64) throws(CatalogueError) -> Bool

    /// The last jobs, the newest first.
    ///
    /// - Parameter state: of which; `nil` for all.
    func jobs(state: Job.State?, limit: Int) throws(CatalogueError) -> [Job]

    /// The job with this number, `nil` if there is none.
    func job(id: Int64) throws(CatalogueError) -> Job?

    /// The job of a file, `nil` if it has none.
    func job(ofFile path: String) throws(CatalogueError) -> Job?

    /// Whether events are written from now on. Without a receiver they would only grow in number.
    func setWritesEvents(_ writesEvents: Bool)

    /// Hands out events to be delivered, the oldest first: those that are due, and of each video only the oldest.
    ///
    /// What is not delivered within `lease` seconds, because its deliverer died, is due again. An event may so be delivered
    /// twice, but never before an older one of its video.
    func claimEvents(limit: Int, lease: Int64, now: Int64) throws(CatalogueError) -> [Event]

    /// Says that an event was delivered.
    func noteDelivered(_ event: Event, now: Int64) throws(CatalogueError)

    /// Says that an event could not be delivered, and when to try again.
    func noteDeliveryFailed(_ event: Event, notBefore: Int64) throws(CatalogueError)

    /// Forgets events that were delivered 7 days ago or earlier, and those that nobody has taken for 30 days.
    ///
    /// - Parameter isDryRun: only counts them.
    func expireEvents(now: Int64, isDryRun: Bool) throws(CatalogueError) -> ExpiredEvents

    /// Records a worker's heartbeat; forgets workers whose last one is more than `WorkerHeartbeat.lifetime` seconds ago, or
    /// ahead.
    func noteWorker(_ name: String, _ capacity: WorkerCapacity, now: Int64) throws(CatalogueError)

    /// Forgets a worker that has ended.
    func forgetWorker(_ name: String) throws(CatalogueError)

    /// Records what keeps the tools of the worker in that starts now: `SandboxWalls.code`.
    func noteWorkerWalls(_ code: Int) throws(CatalogueError)

    /// Records when `check` was run, and how many findings it did not repair.
    func noteCheck(findings: Int, now: Int64) throws(CatalogueError)

    /// Seconds of a clock that never jumps: what ages of uploads, of their aliases and of refusals are measured with. It begins
    /// with the time of day and falls behind by what the machine is off.
    var clock: Int64 { get }

    /// Keeps `clock` for the next start of the machine. To be called from time to time.
    ///
    /// - Parameter isDryRun: keeps nothing.
    /// - Returns: the time of day without what it has jumped lately, in seconds since 1970.
    func keepClock(isDryRun: Bool) throws(CatalogueError) -> Int64

    /// Checks that changes can be written.
    func checkWritable() throws(CatalogueError)

    /// How much there is of everything, at one moment; cheap, whatever there is.
    func figures() throws(CatalogueError) -> CatalogueFigures

    /// Numbers of videos that will be given out, or are promised to unfinished uploads, and are taken. Sealing an upload
    /// gives it another one anyway, but until then the page is told a number that its video does not get.
    ///
    /// - Parameter isRepairing: gives out others.
    /// - Returns: one line for each finding.
    func wrongNumbers(isRepairing: Bool) throws(CatalogueError) -> [String]

    /// All videos, one after the other, by number.
    func forEachVideo(_ body: (Video) -> Void) throws(CatalogueError)

    /// Looks for damage in the database itself.
    ///
    /// - Returns: one line for each finding.
    func damage() throws(CatalogueError) -> [String]

    /// All classes, by number.
    func classes() throws(CatalogueError) -> [VideoClass]
    /// Returns the new class's number. Throws if the game has a class of this name.
    func addClass(name: String, game: String) throws(CatalogueError) -> Int64
    /// Returns whether there was such a class. Its videos stay, without a class.
    func removeClass(_ id: Int64) throws(CatalogueError) -> Bool
}

extension Catalogue {
    /// Claims a job of any length; one that runs as soon as its lease has ended.
    package func claimJob(worker: String, lease: Int64, now: Int64) throws(CatalogueError) -> Job? {
        try claimJob(worker: worker, lane: .any, lease: lease, now: now) { _ in true }
    }

    package func failJob(_ job: Job, error: String, isFinal: Bool, now: Int64) throws(CatalogueError) -> Job.State? {
        try failJob(job, error: error, isFinal: isFinal, isOverBudget: false, now: now)
    }

    package func releaseJob(_ job: Job, now: Int64) throws(CatalogueError) -> Bool {
        try releaseJob(job, isLong: false, now: now)
    }

    package func noteWorker(_ name: String, now: Int64) throws(CatalogueError) {
        try noteWorker(name, WorkerCapacity(), now: now)
    }
}

/// A change of the catalogue that failed; nothing of it was kept.
package struct CatalogueError: Error, CustomStringConvertible {
    package enum Reason: Sendable {
        /// No room for the database.
        case diskFull
        /// As many videos were recorded for the client as may be in so short a time.
        case quota
        /// The file is of a later version of this program, or no catalogue at all.
        case incompatible
        /// Anything else; trying again may help.
        case failed
    }

    package let reason: Reason
    package let description: String
    /// Bytes that were written may not have reached the medium.
    package let isSyncFailure: Bool

    package init(_ reason: Reason, _ description: String, isSyncFailure: Bool = false) {
        self.reason = reason
        self.description = description
        self.isSyncFailure = isSyncFailure
    }
}
