import Media
import System

/// What an operator can set of the worker.
package struct WorkerSettings: Sendable {
    /// The name under which the catalogue shows this worker.
    package var name: String
    /// Jobs that are done at the same time, not counting one more that is short and one that stands still.
    package var jobs: Int
    /// Bytes that the tools of all jobs may take together.
    package var memory: Int
    /// Seconds after which another worker takes a job whose worker has not said that it lives.
    package var lease: Int64 = 60
    /// Seconds that a job runs before another client's job has its turn.
    package var turnTime = 600.0
    /// What is made of a video.
    package var profile = TranscodingProfile()
    /// Where jobs are done: an absolute path on the store's file system, in an existing directory.
    package var workDirectory: String

    package init(name: String, jobs: Int, memory: Int = defaultMemory(), workDirectory: String) {
        self.name = name
        self.jobs = jobs
        self.memory = memory
        self.workDirectory = workDirectory
    }

    /// As many jobs as leave one processor to uploads and have 2 GiB for each, one more short one included; at least one.
    package static func defaultJobs(processors: Int, memory: Int = defaultMemory()) -> Int {
        max(1, min(processors - 1, memory / (2 << 30) - 1))
    }

    /// Three quarters of what the machine has, or this process's control group, without the worker's own 256 MiB: the same
    /// as `MemoryMax=75%` leaves. 512 MiB at least, with which hardly anything can be encoded.
    package static func defaultMemory(machine: Int = MachineMemory.limit) -> Int {
        max(512 << 20, min(machine / 4 * 3, 1 << 50) - (256 << 20))
    }

    /// Bytes for one tool, at most.
    static let mostToolMemory = 4 << 30

    /// Bytes for one tool: an equal share for each job, a short one and one that stands still included, but at least 1.5 GiB,
    /// with which a stream of 1080p can be made. Where that is too much for all of them, they wait for each other.
    package static func toolMemory(jobs: Int, memory: Int) -> Int {
        min(memory, max(3 << 29, min(memory / (jobs + 2), mostToolMemory)))
    }

    /// Bytes that no job takes but a short one; 0 where there is too little for that.
    static func shortMemory(jobs: Int, memory: Int) -> Int {
        let tool = toolMemory(jobs: jobs, memory: memory)
        let left = memory - jobs * tool
        return left >= 1 << 30 ? min(left, tool) : 0
    }

    /// Threads for each of ffmpeg's parts, so that all jobs together take no more than the processors.
    package static func threads(jobs: Int, processors: Int) -> Int { max(1, processors / max(1, jobs)) }
}

/// The memory that the tools of some jobs may take together. Thread-safe.
/// What is counted is what a tool is allowed, not what it takes: all together cannot exceed it. Nothing waits in here with
/// something in its hands, so that no job keeps others from beginning but by what it has.
final class MemoryBudget: Sendable {
    /// Bytes.
    let total: Int
    /// Bytes that the machine has free.
    private let available: @Sendable () -> Int?
    /// Bytes.
    private let taken = Locked(0)

    init(total: Int, available: @escaping @Sendable () -> Int? = { MachineMemory.available }) {
        self.total = total
        self.available = available
    }

    /// Takes bytes of the budget. Returns `false` if too few are left. Where others have some, the machine must have as
    /// much free too: who else runs on it is not known. The first one begins in any case.
    func take(_ bytes: Int) -> Bool {
        taken.withLock { taken in
            guard taken + bytes <= total, taken == 0 || available() ?? .max >= bytes else { return false }
            taken += bytes
            return true
        }
    }

    /// Takes more, as much as there is up to `limit`. Returns how many bytes the caller has then, at least as many as it had.
    func grow(_ bytes: Int, upTo limit: Int) -> Int {
        taken.withLock { taken in
            let more = max(0, min(limit - bytes, total - taken))
            taken += more
            return bytes + more
        }
    }

    func giveBack(_ bytes: Int) { taken.withLock { $0 -= bytes } }
}
