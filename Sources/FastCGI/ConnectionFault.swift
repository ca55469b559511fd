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
