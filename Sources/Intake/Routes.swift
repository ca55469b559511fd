import FormData

extension IntakeService {
    /// Answers one request, now or later; runs on as many threads as the server has.
    package func handle(_ exchange: any Exchange) {
        let action = Action(exchange)
        let call = Call(exchange, action, self)
        do throws(Failure) {
            guard action == .other || action.methods.contains(exchange.parameter("REQUEST_METHOD") ?? "") else {
                throw .methodNotAllowed(allow: action.methods.joined(separator: ", "))
            }
            guard call.owner.utf8.count <= Self.ownerLimit else {
                throw .malformed("UPLOAD_OWNER", .atMost(bytes: Self.ownerLimit))
            }
            // Two owners must not become one by what is done to their names to read them.
            guard FormText.read(exchange.parameterBytes("UPLOAD_OWNER") ?? []) != nil else {
                throw .malformed("UPLOAD_OWNER", .text)
            }
            switch action {
            case .uploadFile: try uploadFile(call)
            case .determineVideoExist: call.answer(try determineVideoExist(call))
            case .determineChunkExist: try determineChunkExist(call)
            case .listClass: call.answer(try listClass(call))
            case .videoInfo: call.answer(try videoInfo(call))
            case .play: call.answer(try playPage(call))
            case .healthz: call.answer(healthReply(call))
            case .metrics: call.answer(metricsReply())
            case .other: throw .unknownAction
            }
        } catch {
            call.answer(error)
        }
    }

    /// Bytes of an owner's name.
    private static let ownerLimit = 255

    /// Answers where there is no catalogue that the request is to come again: a disk may be mounted late.
    package static func turnAway(_ exchange: any Exchange, _ language: Language) {
        let isQuestion = Action(exchange) == .healthz && exchange.asksWhetherReady
        _ = exchange.send(isQuestion ? Readiness.unavailable.reply(language) : Failure.unavailable.reply(language))
    }
}

extension Call {
    convenience init(_ exchange: any Exchange, _ action: Action, _ service: IntakeService) {
        self.init(exchange, action, service.currentSettings, service.log, whenRefusalIsLost: service.uncount)
    }
}
