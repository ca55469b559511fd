import LoadingCache
import System

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

    /// The headers that came last from an address, as hashes, and when each did, in seconds of the ticker.
    fileprivate typealias Headers = [Int: Int64]

    fileprivate struct State {
        var headers: [String: Headers] = [:]
        /// The addresses that were told of.
        var told: Set<String> = []
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
    static func remedy(_ address: String) -> String {
        "set_real_ip_from \(address); real_ip_header X-Forwarded-For;"
    }
}

extension ProxyWatch.State {
    /// The address whose last header is the oldest.
    fileprivate mutating func forgetOldest() {
        func last(_ headers: ProxyWatch.Headers) -> Int64 { headers.values.max() ?? 0 }
        guard let oldest = headers.min(by: { last($0.value) < last($1.value) }) else { return }
        headers[oldest.key] = nil
    }
}
