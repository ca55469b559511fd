import LoadingCache
import Logging
import Model
import Synchronization
import System

/// What operators are told: the log, with a bound on the lines that clients can cause, and what is counted for /metrics.
struct ServiceLog: Sendable {
    let logger: Logger
    let metrics: Metrics
    let refusals: RefusalLog
    /// Of chunks that came again with other bytes.
    let replacements: LineLimit
    let slowRequests: LineLimit
    let proxies: ProxyWatch

    /// - Parameter clock: seconds since 1970.
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
        let (owner, address) = (exchange.owner, exchange.address)
        if !owner.isEmpty { return Client(owner: owner, address: address) }
        let forwardedFor = exchange.parameter("HTTP_X_FORWARDED_FOR") ?? ""
        guard case .proxy(let isNew) = proxies.look(at: address, forwardedFor: forwardedFor) else {
            return Client(owner: "", address: address)
        }
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

// MARK: - Bounds on lines

/// Counts the log lines of one kind in the current minute. Clients cause them; without a bound they could fill the log's disk.
private struct Lines {
    /// When this minute began, seconds since 1970; 0 if a new one is to begin.
    var start: Int64 = 0
    private var written = 0
    /// What has come since the last line.
    var left = 0

    /// How many came since the last line, if there were any and another one may be written.
    mutating func take(atMost limit: Int, now: Int64) -> Int? {
        guard left > 0 else { return nil }
        // A clock that was set back must not keep it silent.
        if start > now || now - start >= 60 { (start, written) = (now, 0) }
        guard written < limit else { return nil }
        written += 1
        defer { left = 0 }
        return left
    }
}

/// Limits the log lines of one kind; a line tells how many there were since the last one. Thread-safe.
final class LineLimit: Sendable {
    private static let limit = 10
    private let clock: @Sendable () -> Int64
    private let lines = Locked(Lines())

    init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

    /// How many there were since the last line, this one included; `nil` if there is to be no line.
    func take() -> Int? {
        let now = clock()
        return lines.withLock { lines in
            lines.left += 1
            return lines.take(atMost: Self.limit, now: now)
        }
    }
}

/// The same for refusals, for each reason by itself. Thread-safe.
final class RefusalLog: Sendable {
    /// The reasons that concern the operator, and that a full disk brings by the thousand: a line a minute of each.
    static let reasons: Set<FailureReason> = [.diskFull, .quota]
    /// Lines of any other reason.
    private static let limit = 60

    /// When the last refusal was is in seconds since 1970.
    private let counts: Locked<[FailureReason: (lines: Lines, last: Int64)]> = Locked([:])
    private let clock: @Sendable () -> Int64

    /// - Parameter clock: seconds since 1970.
    init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

    /// Notes a refusal. Returns how many there were since the last line, this one included, if a line is due.
    func note(_ reason: FailureReason) -> Int? {
        counts.withLock { counts in
            counts[reason, default: (Lines(), 0)].lines.left += 1
            counts[reason]!.last = clock()
            return take(reason, &counts)
        }
    }

    /// When a request was last refused, by reason; seconds since 1970, 0 for never.
    var times: [(reason: FailureReason, time: Int64)] {
        counts.withLock { counts in
            FailureReason.allCases.filter(Self.reasons.contains).map { ($0, counts[$0]?.last ?? 0) }
        }
    }

    /// The refusals that no line has told of yet though one is due.
    ///
    /// - Parameter all: also those for which none is due.
    func overdue(all: Bool = false) -> [(reason: FailureReason, refused: Int)] {
        counts.withLock { counts in
            FailureReason.allCases.compactMap { reason in
                if all { counts[reason]?.lines.start = 0 }
                return take(reason, &counts).map { (reason, $0) }
            }
        }
    }

    private func take(
        _ reason: FailureReason, _ counts: inout [FailureReason: (lines: Lines, last: Int64)]
    ) -> Int? {
        counts[reason]?.lines.take(atMost: Self.reasons.contains(reason) ? 1 : Self.limit, now: clock())
    }
}

// MARK: - Proxies

/// Finds out that a proxy stands in front of nginx which nginx does not know of: all clients then have the proxy's
/// address, and shares by address would mean nothing.
///
/// The rule: an address of a private network stands for many clients while requests that come from it had at least 3
/// different X-Forwarded-For headers within the last 10 minutes. Requests from it then count for no client; those of all
/// other addresses count as ever. A proxy of several clients does that at once, and one browser that makes up a header of
/// its own never does. A client that makes up several takes its own address's share away, no one else's, and has it back 10
/// minutes later; what then counts for no client has limits of its own (`Client.limit`). Thread-safe.
final class ProxyWatch: Sendable {
    static let window: Int64 = 600
    static let evidence = 3

    private struct State {
        /// The headers that came last from an address, as hashes, and when each did, in seconds of the ticker.
        var headers: [String: [Int: Int64]] = [:]
        /// The addresses that were told of.
        var told: Set<String> = []

        /// The address whose last header is the oldest.
        mutating func forgetOldest() {
            func last(_ headers: [Int: Int64]) -> Int64 { headers.values.max() ?? 0 }
            guard let oldest = headers.min(by: { last($0.value) < last($1.value) }) else { return }
            headers[oldest.key] = nil
        }
    }

    private let state: Locked<State> = Locked(State())
    private let ticker: Ticker
    private let limit: Int

    /// - Parameter limit: addresses that are remembered.
    init(ticker: Ticker, limit: Int = 256) {
        self.ticker = ticker
        self.limit = limit
    }

    /// What a request's address says.
    enum Finding: Equatable {
        /// Whose request it is.
        case client
        /// Nothing: it is a proxy's. `isNew` the first time that this process sees so.
        case proxy(isNew: Bool)
    }

    /// - Parameter forwardedFor: the header X-Forwarded-For, as nginx got it.
    func look(at address: String, forwardedFor: String) -> Finding {
        if forwardedFor.isEmpty, state.withLock({ $0.headers.isEmpty }) { return .client }
        guard let parsed = IPAddress(address), parsed.unmapped.isOfPrivateNetwork else { return .client }
        let now = ticker.now() / 1_000_000_000
        let key = parsed.unmapped.description
        return state.withLock { state in
            // Without a header, and never with one, there is nothing to remember.
            if forwardedFor.isEmpty, state.headers[key] == nil { return .client }
            var headers = (state.headers[key] ?? [:]).filter { now - $0.value < Self.window }
            if !forwardedFor.isEmpty {
                headers[forwardedFor.hashValue] = now
                if headers.count > Self.evidence, let oldest = headers.min(by: { $0.value < $1.value }) {
                    headers[oldest.key] = nil
                }
            }
            state.headers[key] = headers.isEmpty ? nil : headers
            if state.headers.count > limit { state.forgetOldest() }
            guard headers.count >= Self.evidence else { return .client }
            // Where there are more, /metrics tells of them.
            return .proxy(isNew: state.told.count < limit && state.told.insert(key).inserted)
        }
    }

    /// The addresses that stand for many clients now.
    var addresses: [String] {
        let now = ticker.now() / 1_000_000_000
        return state.withLock { state in
            state.headers.filter { _, headers in
                headers.values.count { now - $0 < Self.window } >= Self.evidence
            }.keys.sorted()
        }
    }

    /// What to add to nginx.
    static func remedy(_ address: String) -> String { "set_real_ip_from \(address); real_ip_header X-Forwarded-For;" }
}
