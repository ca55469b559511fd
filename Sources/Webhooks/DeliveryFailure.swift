/// Why an event was not delivered.
package enum DeliveryFailure: Error, Equatable, CustomStringConvertible {
    /// The receiver answered, but not with 2xx.
    case status(Int)
    /// There was no connection in time, in seconds.
    case noConnection(within: Double)
    /// There was no answer in time, in seconds.
    case noAnswer(within: Double)
    /// The name of the host has no address.
    case unresolved
    /// The host has no address but those that must not be connected to; this is one of them, and what it is.
    case refusedAddress(String, use: String)
    /// Anything else, in libcurl's words: no connection, no valid certificate, no HTTP.
    case transfer(String)
    /// The deliverer was told to end.
    case stopped

    package var description: String {
        switch self {
        case .status(let status) where 300..<400 ~= status: "redirect refused (\(status))"
        case .status(let status): "status \(status)"
        case .noConnection(let seconds): "no connection within \(Self.text(seconds)) s"
        case .noAnswer(let seconds): "timed out after \(Self.text(seconds)) s"
        case .unresolved: "cannot resolve host"
        case .refusedAddress(let address, let use):
            "address refused: \(address) is private (\(use)); set VIDEO_INTAKE_WEBHOOK_PRIVATE=yes to allow"
        case .transfer(let words): words
        case .stopped: "stopped"
        }
    }

    /// Whether the answer is about this event: other events may fare better at once.
    ///
    /// All others are about the receiver, or the way to it: the next event would meet the same. So are 408 and 429, which ask
    /// for patience.
    package var isOfTheEvent: Bool {
        guard case .status(let status) = self else { return false }
        return 400..<500 ~= status && status != 408 && status != 429
    }

    private static func text(_ seconds: Double) -> String {
        Int(exactly: seconds).map { "\($0)" } ?? "\(seconds)"
    }
}
