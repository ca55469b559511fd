/// What is answered while there is no catalogue.
extension IntakeService {
    /// Answers that the request is to come again: a disk may be mounted late.
    package static func turnAway(_ exchange: any Exchange, _ language: Language) {
        let isQuestion = Action(path: path(exchange)) == .healthz && exchange.asksWhetherReady
        _ = exchange.send(
            isQuestion ? Readiness.unavailable.reply(language) : Failure.unavailable.reply(language))
    }
}
