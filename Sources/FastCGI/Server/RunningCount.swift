import CSystem
import Glibc
import Synchronization
import System

/// Counts what runs (threads that accept, requests without an answer) so that a stop can wait for the last of it.
final class RunningCount: Sendable {
    private let count = Atomic<Int>(0)
    /// Threads that wait for a peer, which may take its time.
    let waiting = Atomic<Int>(0)
    /// An eventfd, readable for ever once the count has gone back to 0. Only accepting threads start requests, and
    /// they stay counted while they do, so the count does that once.
    private let ended: Descriptor

    init() throws(SystemError) {
        ended = try Descriptor(owning: SystemError.check("eventfd") { eventfd(0, Int32(EFD_CLOEXEC)) })
    }

    /// Counts one more until the token ends.
    func begin() -> Token {
        count.add(1, ordering: .relaxed)
        return Token(count: self)
    }

    /// Waits until nothing runs. Returns whether that happened before `deadline`.
    func waitForEnd(until deadline: Deadline) -> Bool {
        while count.load(ordering: .acquiring) != 0 {
            var poll = pollfd(fd: ended.number, events: Int16(POLLIN), revents: 0)
            let left = deadline.milliseconds
            _ = Glibc.poll(&poll, 1, left)
            if left == 0 { return count.load(ordering: .acquiring) == 0 }
        }
        return true
    }

    private func end() {
        if count.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            _ = eventfd_write(ended.number, 1)
        }
    }

    /// One of those that run.
    struct Token: ~Copyable, Sendable {
        private let count: RunningCount

        /// Notes that a thread waits for its peer while `body` runs.
        borrowing func waiting<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
            count.waiting.add(1, ordering: .relaxed)
            defer { count.waiting.subtract(1, ordering: .relaxed) }
            return try body()
        }

        fileprivate init(count: RunningCount) {
            self.count = count
        }

        deinit {
            count.end()
        }
    }
}
