/// What is answered while there is no catalogue.
extension IntakeService {
    /// Tells whoever asks to come again: a disk may be mounted late.
    package static func turnAway(_ exchange: any Exchange) {
        let failure = Failure.notStored(cause: "no catalogue")
        let reply = failure.reply
        let isHealth = (exchange.parameter("REQUEST_URI") ?? "").hasPrefix("/healthz")
        _ = exchange.send(isHealth ? Reply(status: 503, code: -2, message: reply.message) : reply)
    }
}
