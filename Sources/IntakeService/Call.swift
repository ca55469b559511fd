import Logging

/// One request on its way to its reply, and the log line that follows.
///
/// It may be kept and answered later from another thread; it is answered once.
final class Call: Sendable {
    let exchange: any Exchange
    /// The last part of the address, like `upload_file`.
    let action: String
    private let logger: Logger
    private let started = ContinuousClock.now

    init(_ exchange: any Exchange, action: String, logger: Logger) {
        self.exchange = exchange
        self.action = action
        self.logger = logger
    }

    /// Whose uploads these are, as nginx says; `""` for the one shared owner.
    var owner: String { exchange.parameter("UPLOAD_OWNER") ?? "" }

    /// Answers, and returns when the reply has been handed over.
    func answer(_ reply: Reply, cause: String? = nil) {
        let written = exchange.send(reply)
        let elapsed = ContinuousClock.now - started
        let milliseconds = Double(elapsed.components.attoseconds / 1_000_000_000_000) / 1000
        var line: Logger.Metadata = [
            "action": "\(action)", "code": "\(reply.code)", "status": "\(reply.status)",
            "bytes": "\(exchange.contentLength ?? 0)",
            "ms": "\(Double(elapsed.components.seconds) * 1000 + milliseconds)",
        ]
        if let cause { line["cause"] = "\(cause)" }
        if !written { line["lost"] = "the client or nginx closed the connection" }
        // A probe every few seconds would bury the rest.
        let level: Logger.Level = cause != nil ? .error : action == "healthz" ? .debug : .info
        logger.log(level: level, "\(reply.message)", metadata: line)
    }

    func answer(_ failure: Failure) {
        answer(failure.reply, cause: failure.cause)
    }
}
