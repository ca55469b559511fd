import Model

/// What delivers events needs of the catalogue.
package protocol Outbox: Sendable {
    func claimEvents(limit: Int, lease: Int64, now: Int64) throws(CatalogueError) -> [Event]
    func noteDelivered(_ event: Event, now: Int64) throws(CatalogueError)
    func noteDeliveryFailed(_ event: Event, notBefore: Int64) throws(CatalogueError)
}

/// What a worker needs of the catalogue.
package protocol JobQueue: Sendable {
    func job(id: Int64) throws(CatalogueError) -> Job?
    func claimJob(
        worker: String, lane: Job.Lane, lease: Int64, now: Int64, isSilent: (Job) -> Bool
    ) throws(CatalogueError) -> Job?
    func hasWaiting(_ lane: Job.Lane, before job: Job, now: Int64) throws(CatalogueError) -> Bool
    func heartbeat(
        _ job: Job, lease: Int64, progress: Double, standsStill: Bool, now: Int64
    ) throws(CatalogueError) -> Bool
    func finishJob(
        _ job: Job, media: MediaFacts, duration: Double?, replacing old: [String], now: Int64
    ) throws(CatalogueError) -> [Video]?
    func failJob(
        _ job: Job, error: String, isFinal: Bool, isOverBudget: Bool, now: Int64
    ) throws(CatalogueError) -> Job.State?
    func postponeJob(_ job: Job, error: String, now: Int64) throws(CatalogueError) -> Job.State?
    func releaseJob(_ job: Job, isLong: Bool, now: Int64) throws(CatalogueError) -> Bool
    func noteWorker(_ name: String, _ capacity: WorkerCapacity, now: Int64) throws(CatalogueError)
    func forgetWorker(_ name: String) throws(CatalogueError)
}

extension Catalogue: Outbox, JobQueue {}
