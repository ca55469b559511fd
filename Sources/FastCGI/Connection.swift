import CPlatform
import CFastCGI
import Glibc

/// An accepted connection, closed when the value ends.
struct Connection: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// What came of an attempt to accept.
    enum Attempt: ~Copyable {
        case accepted(Connection)
        /// Nobody waits, or another thread or process was faster.
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
            let flags = vi_fcntl(socket, F_GETFL, 0)
            if flags >= 0, flags & O_NONBLOCK == 0 { _ = vi_fcntl(socket, F_SETFL, flags | O_NONBLOCK) }
        }
        let number = accept4(socket, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
        if number >= 0 { return .accepted(Connection(Descriptor(number))) }
        switch errno {
        case EAGAIN, EINTR, ECONNABORTED, EPROTO: return .nobody
        default: return .exhausted
        }
    }

    /// Limits how long one system call may wait for the peer. 0 and less count as a millisecond, since 0 means for ever
    /// to the kernel.
    func limitWaiting(receive: Double? = nil, send: Double? = nil) {
        for (option, seconds) in [(SO_RCVTIMEO, receive), (SO_SNDTIMEO, send)] {
            guard let seconds else { continue }
            let bounded = min(max(seconds, 0.001), 365 * 86_400)
            var time = timeval(tv_sec: Int(bounded), tv_usec: Int(bounded.truncatingRemainder(dividingBy: 1) * 1e6))
            setsockopt(descriptor.raw, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Lets the peer see the end of what was sent while it may still send itself.
    func endSending() {
        _ = shutdown(descriptor.raw, Int32(SHUT_WR))
    }
}
