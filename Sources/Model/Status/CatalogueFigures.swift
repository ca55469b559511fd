/// How much there is of everything, at one moment: what `status` and monitoring show.
package struct CatalogueFigures: Equatable, Sendable {
    package var openUploads = 0
    /// Bytes that open uploads have, and bytes that they have announced and that are still to come. Those whose content the
    /// owner has already promise none: they are dropped when they are whole.
    package var receivedBytes = 0
    package var promisedBytes = 0
    package var uploadClients = 0
    /// Open uploads of the client that has the most.
    package var largestUploads = 0
    /// Bytes that the client has and is promised which has the most.
    package var largestBytes = 0
    package var refusals = 0
    package var jobs: [Job.State: Int] = [:]
    /// Since when the job waits that was queued first, `nil` if none is queued. Seconds since 1970.
    package var oldestQueuedJobTime: Int64?
    /// Whose jobs are queued: how many clients.
    package var queuedClients = 0
    /// Jobs that were refused because they would cost more than a video may, ever.
    package var jobsOverBudget = 0
    /// The workers that run, or did lately, by name.
    package var workers: [WorkerHeartbeat] = []
    /// Events that are still to be delivered.
    package var eventsPending = 0
    /// When the oldest of them was written, `nil` if there is none. Seconds since 1970.
    package var oldestPendingEventTime: Int64?
    package var eventsGivenUp = 0
    /// When `check` was run last, 0 if never. Seconds since 1970.
    package var checkTime: Int64 = 0
    /// What it found and left as it was.
    package var checkFindings = 0
    /// What keeps the tools in of the worker that started last, as `SandboxWalls.code`; `nil` if none has started.
    package var workerWalls: Int?

    package init() {}
}

/// What a worker can do at the same time.
package struct WorkerCapacity: Equatable, Sendable {
    /// Jobs, not counting one more that is short; 0 if unknown.
    package var slots = 0
    /// Bytes that the tools of all jobs together may take; 0 if unknown.
    package var memory = 0

    package init(slots: Int = 0, memory: Int = 0) {
        self.slots = slots
        self.memory = memory
    }
}

/// A worker, and its last heartbeat.
package struct WorkerHeartbeat: Equatable, Sendable {
    package let name: String
    /// Seconds since 1970.
    package let time: Int64
    package let capacity: WorkerCapacity

    package init(name: String, time: Int64, capacity: WorkerCapacity = WorkerCapacity()) {
        self.name = name
        self.time = time
        self.capacity = capacity
    }

    /// Whether the worker runs, as far as a heartbeat tells. One from the future is of a clock that was ahead.
    package func isAlive(now: Int64) -> Bool { abs(now - time) <= Self.limit }

    /// Seconds between two heartbeats of a worker.
    package static let interval: Int64 = 15
    /// Seconds without a heartbeat after which a worker counts as dead.
    package static let limit: Int64 = 60
    /// Seconds without a heartbeat after which a worker is forgotten. Not much longer than `limit`: a worker has another name
    /// after each restart.
    package static let lifetime: Int64 = 600
}

/// What a driver of the catalogue or the store takes of the machine at most.
package struct Footprint: Sendable {
    package let descriptors: Int
    /// Bytes.
    package let memory: Int

    package init(descriptors: Int = 0, memory: Int = 0) {
        self.descriptors = descriptors
        self.memory = memory
    }
}
