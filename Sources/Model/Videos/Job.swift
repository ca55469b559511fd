/// The transcoding of one stored file, however many videos point to it.
package struct Job: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        /// It waits for a worker, after a failure until `notBefore`.
        case queued
        /// A worker has it.
        case running
        /// What was made of the file is published.
        case done
        /// It is not tried again unless an operator retries it.
        case failed
    }

    package let id: Int64
    /// The file, relative to the store.
    package let path: String
    /// Whose turn it takes, as the catalogue has it; `""` where clients cannot be told apart, and when it has ended.
    package var client: String
    package var state: State
    /// How often it was tried since it was queued or retried by hand, the attempt under way included; one that a worker
    /// did not survive does not count.
    package var attempts: Int
    /// How many workers have died with it since it was queued or retried by hand.
    package var deaths: Int
    /// How often it was claimed ever: tells this claim from a later one of a worker with the same name.
    package var claims: Int
    /// How often it was given back for want of room since it was queued or retried by hand.
    package var postponed: Int
    /// A worker has found that the lane of short jobs is not for it.
    package var isLong: Bool
    /// Not claimed earlier. Seconds since 1970.
    package var notBefore: Int64
    /// The worker that has it, `nil` unless it is running.
    package var worker: String?
    /// Others may claim it from then on, `nil` unless it is running. Seconds since 1970.
    package var leaseUntil: Int64?
    /// How much is done, from 0 to 1.
    package var progress: Double
    /// Why it failed last: a line with a code like `worker_died`, then text for people, 4 KiB of UTF-8 at most.
    package var error: String?
    /// The same for others than operators, `nil` unless `state` is `failed`.
    package var failure: VideoFailure?
    /// Seconds since 1970.
    package let createTime: Int64
    package var updateTime: Int64

    /// Seconds to wait after the first failed attempt, after the second, and so on; the attempt after the last one is final.
    package static let retryDelays: [Int64] = [60, 300]

    /// Which jobs a worker asks for.
    package enum Lane: Sendable {
        /// All of them.
        case any
        /// Those that are expected to be short: they do not wait for long ones.
        case short
        /// Those of clients none of whose jobs runs: they take turns with the ones that do.
        case turn
    }

    /// What is expected to be short, until a worker finds otherwise: bytes of the file, and seconds of the video if they are
    /// known. A minute of a telephone's 1080p has 100 MB.
    package static let shortSize = 256 << 20
    package static let shortDuration = 60.0

    /// Seconds after which a job comes before the shorter ones of the same client.
    package static let patience: Int64 = 6 * 3600

    /// Seconds to wait after a job was given back for want of room: twice as many each time, up to the longest. After the
    /// last one, a day later, it has failed.
    package static func delay(afterPostponement number: Int) -> Int64 {
        min(60 << Int64(min(number - 1, 6)), longestDelay)
    }
    package static let postponementsLimit = 28

    /// The most seconds that a job ever waits, and that a lease ever lasts (`LEASE_TIME`). What is further away was written
    /// when the clock was ahead, and is due.
    package static let longestDelay: Int64 = 3600
    package static let longestLease: Int64 = 3600

    /// How many workers may die with a job. It is hardly ever to blame: a video is only read by child processes.
    package static let deathsLimit = 20

    /// Bytes of UTF-8.
    package static let errorLimit = 4096

    /// Whether a claim of it goes on.
    package func isHeld(by claim: Int) -> Bool { state == .running && claims == claim }

    /// An error's code: its first line.
    package var errorCode: String? { error.map(Self.errorCode(of:)) }

    package static func errorCode(of error: String) -> String {
        error.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? ""
    }

    /// The text with what is too much left out after its first line: the last lines of a tool's output say the most.
    package static func bounded(_ error: String) -> String {
        guard error.utf8.count > errorLimit else { return error }
        let head = error.prefix { $0 != "\n" }.unicodeScalars.prefix(100) + "\n…\n".unicodeScalars
        // From the beginning of a character on.
        let tail = error.utf8.suffix(errorLimit - String(head).utf8.count).drop { $0 & 0xC0 == 0x80 }
        return String(head) + String(decoding: tail, as: UTF8.self)
    }

    package init(
        id: Int64, path: String, client: String, state: State, attempts: Int, deaths: Int, claims: Int,
        postponed: Int, isLong: Bool, notBefore: Int64, worker: String?, leaseUntil: Int64?, progress: Double,
        error: String?, failure: VideoFailure?, createTime: Int64, updateTime: Int64
    ) {
        self.id = id
        self.path = path
        self.client = client
        self.state = state
        self.attempts = attempts
        self.deaths = deaths
        self.claims = claims
        self.postponed = postponed
        self.isLong = isLong
        self.notBefore = notBefore
        self.worker = worker
        self.leaseUntil = leaseUntil
        self.progress = progress
        self.error = error
        self.failure = failure
        self.createTime = createTime
        self.updateTime = updateTime
    }
}

/// What a client has had of the workers lately: the queue gives the next turn to the one that has had the least.
///
/// There is one of each client whose job has run in the last hours; it may hold an address, so it does not stay longer than it
/// counts, and there are at most `rowsLimit`.
package struct ClientUse: Sendable {
    package let client: String
    /// How long its jobs have run, as it was at `time`.
    package let seconds: Double
    /// Seconds since 1970.
    package let time: Int64

    package init(client: String, seconds: Double, time: Int64) {
        self.client = client
        self.seconds = seconds
        self.time = time
    }
}
