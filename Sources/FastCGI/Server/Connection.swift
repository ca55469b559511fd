import CSystem
import Glibc
import System

/// An accepted connection, closed when the value ends.
struct Connection: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// What came of an attempt to accept.
    enum Attempt: ~Copyable {
        case accepted(Connection)
        /// No connection waits, or another thread or process was faster.
        case nobody
        /// The process or the system is out of descriptors or memory.
        case exhausted
    }

    private init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Accepts a connection on `socket` without waiting for one.
    static func accept(on socket: Int32, isShared: Bool) -> Attempt {
        // All processes with this socket share the flag, and one that starts (systemd does it for a service) may have
        // cleared it. A process that waits in accept(2) itself would get EAGAIN from now on: it must allow for that.
        if isShared {
            let flags = fcntl(socket, F_GETFL)
            if flags >= 0, flags & O_NONBLOCK == 0 { _ = fcntl(socket, F_SETFL, flags | O_NONBLOCK) }
        }
        let number = vi_accept(socket)
        if number >= 0 { return .accepted(Connection(Descriptor(owning: number))) }
        switch errno {
        case EAGAIN, EINTR, ECONNABORTED, EPROTO: return .nobody
        default: return .exhausted
        }
    }

    /// Lets the peer see the end of what was sent while it may still send itself.
    func endSending() {
        _ = shutdown(descriptor.number, Int32(SHUT_WR))
    }
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
    package var timeout: Double
    /// Bytes of all records up to the end of the parameters, record headers included.
    package var headBytes: Int
    /// Bytes of an unread body that are thrown away after the reply, so that the peer can finish sending and read it.
    package var drainBytes: Int
    /// Seconds that throwing an unread body away may take.
    package var drainSeconds: Double

    /// Creates limits. The defaults suit nginx, whose parameters are a few KiB and whose bodies end at 5 MB here.
    package init(
        timeout: Double = 60, headBytes: Int = 64 << 10, drainBytes: Int = 16 << 20, drainSeconds: Double = 5
    ) {
        self.timeout = timeout
        self.headBytes = headBytes
        self.drainBytes = drainBytes
        self.drainSeconds = drainSeconds
    }
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
