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
