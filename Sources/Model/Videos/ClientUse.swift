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
