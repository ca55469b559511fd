import Dispatch
import Logging
import Synchronization
import System
import Model

/// One request on its way to its reply, and the log line that follows.
///
/// It may be kept and answered later from another thread; only the first answer counts. One that is let go unanswered is
/// answered with 500.
final class Call: Sendable {
    let exchange: any Exchange
    let action: Action
    /// What this request goes by, whatever is changed meanwhile.
    let settings: IntakeSettings
    let format: ReplyFormat
    private let log: ServiceLog
    private let whenRefusalIsLost: @Sendable (UploadRequest) -> Void
    private let started = ContinuousClock.now
    private let isAnswered = Atomic(false)
    private let notes: Locked<Notes> = Locked(Notes(), order: .call)

    /// What becomes known of a request on its way.
    private struct Notes {
        var upload: (request: UploadRequest, read: Duration)?
        var video: Video?
        /// It had its file before.
        var isRepeated = false
        var ending: (@Sendable () -> Void)?
        var client: Client?
    }

    init(
        _ exchange: any Exchange, _ action: Action, _ current: (settings: IntakeSettings, format: ReplyFormat),
        _ log: ServiceLog, whenRefusalIsLost: @escaping @Sendable (UploadRequest) -> Void
    ) {
        self.exchange = exchange
        self.action = action
        (settings, format) = current
        self.log = log
        self.whenRefusalIsLost = whenRefusalIsLost
    }

    deinit { answer(Failure.unanswered) }

    /// Whose uploads these are, as nginx says; `""` for the one shared owner.
    var owner: String { exchange.owner }

    /// For whom it counts. Found out when it is first asked for: most questions are the same for all.
    var client: Client {
        notes.withLock { notes in
            if let client = notes.client { return client }
            let client = log.client(of: exchange)
            notes.client = client
            return client
        }
    }

    /// Notes for the log what was read of a request for an upload.
    func note(_ request: UploadRequest) {
        let read = ContinuousClock.now - started
        notes.withLock { $0.upload = (request, read) }
    }

    /// Calls `body` when it is about to be answered.
    func beforeAnswer(_ body: @escaping @Sendable () -> Void) { notes.withLock { $0.ending = body } }

    /// Answers a request whose file has become a video.
    ///
    /// - Parameter isRepeated: by an earlier request.
    func answer(_ request: UploadRequest, complete video: Video, isRepeated: Bool = false) {
        notes.withLock { ($0.video, $0.isRepeated) = (video, isRepeated) }
        answer(format.complete(request, video))
    }

    /// Answers, and returns when the reply has been handed over.
    func answer(_ reply: Reply) { answer(reply, nil) }

    func answer(_ failure: Failure) { answer(failure.reply(settings.language), failure) }

    /// Answers with the failure of what is done for it later than on the thread that it came on.
    func answerFailure(of body: () throws(Failure) -> Void) {
        do throws(Failure) { try body() } catch { answer(error) }
    }

    /// Answers what still waits when the time is over. What it has begun goes on.
    func answer(_ failure: Failure, after time: Duration) {
        DispatchQueue.global().asyncAfter(deadline: .now() + time / .seconds(1)) { [weak self] in
            self?.answer(failure)
        }
    }

    private func answer(_ reply: Reply, _ failure: Failure?) {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { return }
        notes.withLock { $0.ending.take() }?()
        // Before the reply: a client that has it finds its request counted.
        log.metrics.count(action, reply, after: ContinuousClock.now - started)
        let isWritten = exchange.send(reply)
        if !isWritten, reply.status == 200, reply.code < 0, let (request, _) = notes.withLock({ $0.upload }) {
            whenRefusalIsLost(request)
        }
        note(reply, failure, isWritten)
    }

    // MARK: - Log

    private func note(_ reply: Reply, _ failure: Failure?, _ isWritten: Bool) {
        let elapsed = ContinuousClock.now - started
        var level = level(reply, failure)
        var refused: Int?
        if let reason = reply.reason, level > .debug {
            refused = log.refusals.note(reason)
            if refused == nil {
                level = .debug
            } else if RefusalLog.reasons.contains(reason) {
                level = max(level, .warning)
            }
        }
        let isSlow = settings.slowTime > .zero && elapsed >= settings.slowTime
        let slow = isSlow ? log.slowRequests.take() : nil
        if slow != nil { level = max(level, .warning) }
        let logger = log.logger
        guard level >= logger.logLevel else { return }

        var line: Logger.Metadata = [
            "action": "\(action.rawValue)", "code": "\(reply.code)", "status": "\(reply.status)",
            "bytes": "\(exchange.contentLength ?? 0)", "ms": "\(Self.milliseconds(elapsed))",
        ]
        if let reason = reply.reason { line["reason"] = "\(reason.rawValue)" }
        if reply.reason == .quota, let limit = failure?.about { line["limit"] = "\(limit)" }
        if let refused {
            if refused > 1 || level == .warning { line["refused"] = "\(refused)" }
            line["client"] = "\(client)"
            if let upload = notes.withLock({ $0.upload }) { line["guid"] = "\(upload.request.guid)" }
        }
        if let cause = failure?.cause { line["cause"] = "\(cause)" }
        if let video = notes.withLock({ $0.video }) {
            line["video_id"] = "\(video.id)"
            line["path"] = "\(video.path)"
        }
        if !isWritten { line["lost"] = "the client or nginx closed the connection" }
        if let slow { line["times"] = "\(slow)" }
        if slow != nil, let upload = notes.withLock({ $0.upload }) {
            line["guid"] = "\(upload.request.guid)"
            line["chunk"] = "\(upload.request.chunk)"
            line["read_ms"] = "\(Self.milliseconds(upload.read))"
        }
        logger.log(level: level, "\(slow == nil ? "" : "slow: ")\(reply.message)", metadata: line)
    }

    /// What an operator wants to see: a video that is complete, and what went wrong. The rest is in nginx's log, a
    /// thousand lines for a video, and who asks whether the service is ready knows it.
    private func level(_ reply: Reply, _ failure: Failure?) -> Logger.Level {
        if failure?.isError == true { return .error }
        if action == .healthz { return .debug }
        if reply.code < 0 { return .info }
        return action == .uploadFile && reply.code == 1 && !notes.withLock(\.isRepeated) ? .info : .debug
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        (duration / .microseconds(1)).rounded() / 1000
    }
}
