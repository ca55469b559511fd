import ChunkStore
import Model
import System

/// Counts the calls that are held without a thread, and bounds them in all and for each client. The more there are, the fewer
/// one client may have: it takes only what leaves others as much as it has.
///
/// Thread-safe: one lock guards the counts.
final class HeldCalls: Sendable {
    /// A call's place, given back when it is let go.
    final class Place: Sendable {
        private let client: Client
        private let calls: HeldCalls

        fileprivate init(_ client: Client, _ calls: HeldCalls) { (self.client, self.calls) = (client, calls) }

        deinit { calls.leave(client) }
    }

    private let counts: Locked<(all: Int, clients: [Client: Int])> = Locked((0, [:]))
    private let limit: Int
    private let clientLimit: Int

    /// - Parameters:
    ///   - limit: how many in all.
    ///   - clientLimit: how many of one client; those that cannot be told apart have half of all, or as many if that is more.
    init(limit: Int, clientLimit: Int) {
        self.limit = limit
        self.clientLimit = clientLimit
    }

    /// A place for a call of this client, `nil` if there are too many.
    func place(for client: Client) -> Place? {
        let isFree = counts.withLock { counts in
            let own = counts.clients[client] ?? 0
            guard own < min(client.limit(clientLimit, of: limit), limit - counts.all) else { return false }
            counts.all += 1
            counts.clients[client] = own + 1
            return true
        }
        return isFree ? Place(client, self) : nil
    }

    private func leave(_ client: Client) {
        counts.withLock { counts in
            counts.all -= 1
            let own = counts.clients[client]! - 1
            counts.clients[client] = own > 0 ? own : nil
        }
    }
}

// MARK: - Calls that wait for each other

/// A first chunk that waits for another one of its guid, to be told from one whose reply was lost.
struct HeldFirstChunk: Sendable {
    let call: Call
    let request: UploadRequest
    let content: Content
    let other: OtherContent?
    let refusal: Refusal
    /// `nil` if it cannot be held.
    let place: HeldCalls.Place?
}

/// The requests of upload_file that are under way, by guid, and those that wait for each other to begin a refused guid anew:
/// its first chunk, at most one of a guid, or others.
///
/// One lock guards all; nothing is answered or stored under it. Thread-safe.
final class GuidRequests: Sendable {
    private struct State {
        var counts: [GuidKey: Int] = [:]
        var held: [GuidKey: (first: HeldFirstChunk, number: Int)] = [:]
        /// Calls of other chunks, without their bytes.
        var waiting: [GuidKey: [Waiting]] = [:]
        var lastNumber = 0
    }

    private struct Waiting {
        let call: Call
        /// Whether the first chunk can go on with it.
        let isSecond: Bool
        let place: HeldCalls.Place
    }

    private let state: Locked<State> = Locked(State(), order: .guids)

    /// A request begins; it ends when its call is about to be answered.
    func begin(_ key: GuidKey, _ call: Call) {
        state.withLock { $0.counts[key, default: 0] += 1 }
        call.beforeAnswer { [state] in
            state.withLock { state in
                let count = state.counts[key]! - 1
                state.counts[key] = count > 0 ? count : nil
            }
        }
    }

    /// Whether more than one request of a guid is under way.
    func overlap(_ key: GuidKey) -> Bool { state.withLock { $0.counts[key] ?? 0 > 1 } }

    /// What becomes of a first chunk.
    enum Holding {
        /// It is held, under a number; the one of the same guid that was held before is to be answered now.
        case held(Int, before: HeldFirstChunk?)
        /// The second chunk waits for it already: it goes on.
        case awaited
        /// It cannot be held.
        case noPlace
    }

    /// Holds a first chunk until the second one of its guid comes.
    func hold(_ first: HeldFirstChunk) -> Holding {
        let key = GuidKey(first.request)
        return state.withLock { state in
            if state.waiting[key]?.contains(where: \.isSecond) == true { return .awaited }
            guard first.place != nil else { return .noPlace }
            let before = state.held[key]
            state.lastNumber += 1
            state.held[key] = (first, state.lastNumber)
            return .held(state.lastNumber, before: before?.first)
        }
    }

    /// Lets a call of another chunk wait for the first one. Returns `false` if this is the second chunk and the first one is held.
    func wait(_ key: GuidKey, _ call: Call, isSecond: Bool, _ place: HeldCalls.Place) -> Bool {
        state.withLock { state in
            if isSecond, state.held[key] != nil { return false }
            state.waiting[key, default: []].append(Waiting(call: call, isSecond: isSecond, place: place))
            return true
        }
    }

    /// Takes the calls that wait for the first chunk.
    func takeWaiting(_ key: GuidKey) -> [Call] {
        state.withLock { ($0.waiting.removeValue(forKey: key) ?? []).map(\.call) }
    }

    /// Ends a call's wait. Returns `false` if it waits no more, or if the first chunk is held: both are then answered together.
    func endWait(_ key: GuidKey, _ call: Call) -> Bool {
        state.withLock { state in
            guard state.held[key] == nil, var left = state.waiting[key],
                let place = left.firstIndex(where: { $0.call === call })
            else { return false }
            left.remove(at: place)
            state.waiting[key] = left.isEmpty ? nil : left
            return true
        }
    }

    /// The first chunk that is held of a request's guid.
    func held(of request: UploadRequest) -> HeldFirstChunk? {
        let key = GuidKey(request)
        return state.withLock { $0.held[key]?.first }
    }

    /// Takes the first chunk that is held of a request's guid.
    func takeHeld(of request: UploadRequest) -> HeldFirstChunk? {
        let key = GuidKey(request)
        return state.withLock { $0.held.removeValue(forKey: key)?.first }
    }

    /// Takes the first chunk with this number, `nil` if it is held no more.
    func takeHeld(_ number: Int) -> HeldFirstChunk? {
        state.withLock { state in
            guard let key = state.held.first(where: { $0.value.number == number })?.key else { return nil }
            return state.held.removeValue(forKey: key)?.first
        }
    }
}
