import Transcoding

/// What an operator can set of the worker.
package struct WorkerSettings: Sendable {
    /// How the catalogue shows who has a job.
    package var name: String
    /// Jobs that are done at the same time.
    package var jobs: Int
    /// Seconds after which another worker takes a job whose worker has not said that it lives.
    package var lease: Int64 = 60
    /// What is made of a video.
    package var profile = TranscodingProfile()
    /// Where jobs are done: an absolute path on the store's file system, in an existing directory.
    package var workDirectory: String

    package init(name: String, jobs: Int, workDirectory: String) {
        self.name = name
        self.jobs = jobs
        self.workDirectory = workDirectory
    }

    /// As many jobs as leave one processor to uploads, and at least one.
    package static func defaultJobs(processors: Int) -> Int { max(1, processors - 1) }

    /// Threads for each of ffmpeg's parts, so that all jobs together take no more than the processors.
    package static func threads(jobs: Int, processors: Int) -> Int { max(1, processors / max(1, jobs)) }
}
