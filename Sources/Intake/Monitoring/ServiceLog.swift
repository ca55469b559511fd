import LoadingCache
import Logging
import Model
import Synchronization

/// What operators are told: the log, with a bound on the lines that clients can cause, and what is counted for /metrics.
struct ServiceLog: Sendable {
    let logger: Logger
    let metrics: Metrics
    let refusals: RefusalLog
    /// Of chunks that came again with other bytes.
    let replacements: LineLimit
    let slowRequests: LineLimit
    let proxies: ProxyWatch

    /// - Parameters:
    ///   - clock: seconds since 1970.
    ///   - ticker: what the watch for proxies follows.
    init(_ logger: Logger, clock: @escaping @Sendable () -> Int64, ticker: Ticker) {
        self.logger = logger
        metrics = Metrics(startTime: clock())
        refusals = RefusalLog(clock: clock)
        replacements = LineLimit(clock: clock)
        slowRequests = LineLimit(clock: clock)
        proxies = ProxyWatch(ticker: ticker)
    }

    /// For whom a request counts.
    func client(of exchange: any Exchange) -> Client {
        let (owner, address) = (exchange.owner, exchange.parameter("REMOTE_ADDR") ?? "")
        if !owner.isEmpty { return Client(owner: owner, address: address) }
        guard
            case .proxy(let isNew) = proxies.look(
                at: address, forwardedFor: exchange.parameter("HTTP_X_FORWARDED_FOR") ?? "")
        else { return Client(owner: "", address: address) }
        if isNew {
            logger.warning(
                "a proxy hides the addresses of clients, which have no shares of their own: tell nginx of it",
                metadata: ["address": "\(address)", "add": "\(ProxyWatch.remedy(address))"])
        }
        return .unknown
    }

    func noteSyncFailure() { metrics.syncFailures.add(1, ordering: .relaxed) }

    /// Notes that a file is not there though a record says so. What is asked for again and again is logged once.
    func noteLost(_ path: String) {
        if metrics.noteLost(path) { logger.error("a file is lost", metadata: ["file": "\(path)"]) }
    }

    /// Refusals of the end of a rush, after which no other one came.
    ///
    /// - Parameter all: also those whose minute is not over.
    func logRefusals(all: Bool) {
        for (reason, refused) in refusals.overdue(all: all) {
            logger.log(
                level: RefusalLog.reasons.contains(reason) ? .warning : .info, "requests were refused",
                metadata: ["reason": "\(reason.rawValue)", "refused": "\(refused)"])
        }
    }
}
