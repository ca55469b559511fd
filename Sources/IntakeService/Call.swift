import Logging

/// One request on its way to its reply, and the log line that follows.
///
/// It may be kept and answered later from another thread; it is answered once.
final class Call: Sendable {
    let exchange: any Exchange
    /// The last part of the address, like `upload_file`.
    let action: String
    /// What this request goes by, whatever is changed meanwhile.
    let settings: IntakeSettings
    let format: ReplyFormat
    private let logger: Logger
    private let started = ContinuousClock.now

    init(
        _ exchange: any Exchange, action: String, _ settings: IntakeSettings, _ format: ReplyFormat, _ logger: Logger
    ) {
        self.exchange = exchange
        self.action = action
        self.settings = settings
        self.format = format
        self.logger = logger
    }

    /// Whose uploads these are, as nginx says; `""` for the one shared owner.
    var owner: String { exchange.parameter("UPLOAD_OWNER") ?? "" }

    /// Answers, and returns when the reply has been handed over.
    func answer(_ reply: Reply, cause: String? = nil) {
        let written = exchange.send(reply)
        let level = level(reply, cause: cause)
        guard level >= logger.logLevel else { return }
        let elapsed = ContinuousClock.now - started
        var line: Logger.Metadata = [
            "action": "\(action)", "code": "\(reply.code)", "status": "\(reply.status)",
            "bytes": "\(exchange.contentLength ?? 0)", "ms": "\((elapsed / .microseconds(1)).rounded() / 1000)",
        ]
        if let cause { line["cause"] = "\(cause)" }
        if !written { line["lost"] = "the client or nginx closed the connection" }
        logger.log(level: level, "\(reply.message)", metadata: line)
    }

    func answer(_ failure: Failure) {
        answer(failure.reply, cause: failure.cause)
    }

    /// What an operator wants to see: a video that is complete, and what went wrong. The rest is in nginx's log, a
    /// thousand lines for a video.
    private func level(_ reply: Reply, cause: String?) -> Logger.Level {
        if cause != nil { return .error }
        return reply.code < 0 || action.hasSuffix("upload_file") && reply.code == 1 ? .info : .debug
    }
}
