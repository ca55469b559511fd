import CSystem
import Glibc
import Synchronization
import System

/// An accepted connection, closed when the value ends, and counted until then.
struct Connection: ~Copyable, Sendable {
    let descriptor: Descriptor
    private let token: RunningCount.Token

    /// What came of an attempt to accept.
    enum Attempt: ~Copyable {
        case accepted(Connection)
        /// No connection waits, or another thread or process was faster.
        case nobody
        /// The process or the system is out of descriptors or memory.
        case exhausted
    }

    /// Accepts a connection on `socket` without waiting for one.
    static func accept(on socket: Int32, isShared: Bool, countedBy running: RunningCount) -> Attempt {
        // All processes with this socket share the flag, and one that starts (systemd does it for a service) may have
        // cleared it. A process that waits in accept(2) itself would get EAGAIN from now on: it must allow for that.
        if isShared {
            let flags = fcntl(socket, F_GETFL)
            if flags >= 0, flags & O_NONBLOCK == 0 { _ = fcntl(socket, F_SETFL, flags | O_NONBLOCK) }
        }
        let number = vi_accept(socket)
        if number >= 0 { return .accepted(Connection(descriptor: Descriptor(owning: number), token: running.begin())) }
        switch errno {
        case EAGAIN, EINTR, ECONNABORTED, EPROTO: return .nobody
        default: return .exhausted
        }
    }

    /// Notes that a thread waits for the peer while `body` runs.
    borrowing func waiting<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        token.running.waiting.add(1, ordering: .relaxed)
        defer { token.running.waiting.subtract(1, ordering: .relaxed) }
        return try body()
    }

    /// Lets the peer see the end of what was sent while it may still send itself.
    func endSending() { _ = shutdown(descriptor.number, Int32(SHUT_WR)) }
}

extension Descriptor {
    /// Limits how long one system call may wait for the peer. 0 and less count as a millisecond, since 0 means for ever
    /// to the kernel.
    func limitWaiting(receive: Double? = nil, send: Double? = nil) {
        for (option, seconds) in [(SO_RCVTIMEO, receive), (SO_SNDTIMEO, send)] {
            guard let seconds else { continue }
            let bounded = min(max(seconds, 0.001), 365 * 86_400)
            var time = timeval(tv_sec: Int(bounded), tv_usec: Int(bounded.truncatingRemainder(dividingBy: 1) * 1e6))
            setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }
}

/// Why nothing more can be read from a connection.
package enum ConnectionFault: Error, Equatable, Sendable {
    /// The peer closed the connection before the end of the request.
    case closed
    /// The peer sent nothing for `ConnectionLimits.timeout`, or its parameters took longer than that altogether.
    case timedOut
    /// What the peer sent is not FastCGI, or breaks a limit of `ConnectionLimits`.
    case malformed
    /// The peer sent FCGI_ABORT_REQUEST: its own client has gone. A reply may still be written.
    case aborted
    /// The peer asked for a role other than responder and was told so.
    case otherRole
    /// The request has been answered, which closed its connection.
    case answered
    /// A system call failed with this `errno`.
    case system(Int32)
}

/// What one connection may cost.
///
/// A peer which always sends a little just before `timeout` holds a thread for as long as it likes while it sends the
/// body. Only a process which may open the socket (mode 0660) can do that: nginx passes a request on when it has all
/// of it, unless `fastcgi_request_buffering` is off.
package struct ConnectionLimits: Sendable {
    /// Seconds that one read or write may wait for the peer, and that all parameters together may take.
    var timeout: Double = 60
    /// Bytes of all records up to the end of the parameters, record headers included.
    var headBytes = 64 << 10
    /// Bytes of an unread body that are thrown away after the reply, so that the peer can finish sending and read it.
    var drainBytes = 16 << 20
    /// Seconds that throwing an unread body away may take.
    var drainSeconds: Double = 5

    /// They suit nginx, whose parameters are a few KiB and whose bodies end at 5 MB here.
    package static let standard = ConnectionLimits()
}

/// A moment on the monotonic clock.
struct Deadline: Sendable {
    /// Nanoseconds of CLOCK_MONOTONIC.
    private let moment: Int64

    /// `seconds` from now; at least none, at most a year, which also covers infinity. Not a number counts as none.
    init(after seconds: Double) {
        let bounded = seconds > 0 ? min(seconds, 365 * 86_400) : 0
        moment = Self.now + Int64(bounded * 1e9)
    }

    /// Whole milliseconds that are left, rounded up, so that a wait for them ends after the deadline. 0 if it is over.
    var milliseconds: Int32 {
        let left = moment - Self.now
        return left <= 0 ? 0 : Int32(min((left + 999_999) / 1_000_000, Int64(Int32.max)))
    }

    private static var now: Int64 {
        var time = timespec()
        _ = clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

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
        return Token(running: self)
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

    /// One of those that run.
    struct Token: ~Copyable, Sendable {
        fileprivate let running: RunningCount

        deinit {
            if running.count.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
                _ = eventfd_write(running.ended.number, 1)
            }
        }
    }
}
