import Catalogue
import System
import Uploads

/// The refusals that the catalogue has no row for, because there was no room for one.
///
/// Bounded as the catalogue's: the oldest of a client with too many go first, and of the client with the most.
/// Thread-safe.
final class RefusedGuids: Sendable {
    fileprivate struct State {
        var refusals: [GuidKey: Refusal] = [:]
        /// The keys of each client, the oldest first.
        var clients: [Client: [GuidKey]] = [:]
    }

    private let state: Locked<State> = Locked(State())
    private let limit: Int
    private let clientLimit: Int

    init(limit: Int = Refusal.limit, clientLimit: Int = Refusal.clientLimit) {
        self.limit = limit
        self.clientLimit = clientLimit
    }

    var count: Int { state.withLock { $0.refusals.count } }

    func add(_ refusal: Refusal) {
        let key = GuidKey(owner: refusal.owner, md5: refusal.md5, guid: refusal.guid)
        state.withLock { state in
            state.remove(key)
            state.refusals[key] = refusal
            state.clients[refusal.client, default: []].append(key)
            let own = state.clients[refusal.client]!
            if own.count > refusal.client.limit(clientLimit, of: limit) { state.remove(own[0]) }
            if state.refusals.count > limit, let most = state.clients.values.max(by: { $0.count < $1.count }) {
                state.remove(most[0])
            }
        }
    }

    /// The refusal that a request gets. A first chunk that comes again begins anew, and there is none then.
    ///
    /// - Parameter terms: on which it comes.
    func refusal(_ request: UploadRequest, _ terms: UploadTerms) -> Refusal? {
        let key = GuidKey(request)
        return state.withLock { state in
            guard let refusal = state.refusals[key] else { return nil }
            if request.chunk == 0, refusal.ends(terms) {
                state.remove(key)
                return nil
            }
            if terms.overlaps { state.refusals[key]!.overlaps = true }
            if request.chunk == 0 {
                state.refusals[key]!.hasFirst = true
            } else if refusal.otherChunk == 0 {
                state.refusals[key]!.otherChunk = request.chunk
            }
            return refusal
        }
    }

    /// Forgets the refusal of a guid that stands for this content, or of all of them.
    func forget(owner: String, md5: String, guid: String?) {
        state.withLock { state in
            if let guid { return state.remove(GuidKey(owner: owner, md5: md5, guid: guid)) }
            for key in state.refusals.keys where key.isOf(owner: owner, md5: md5) { state.remove(key) }
        }
    }

    /// Forgets the refusals of this time or before, seconds since 1970.
    func expire(before time: Int64) {
        state.withLock { state in
            for (key, refusal) in state.refusals where refusal.time <= time { state.remove(key) }
        }
    }
}

extension RefusedGuids.State {
    fileprivate mutating func remove(_ key: GuidKey) {
        guard let refusal = refusals.removeValue(forKey: key) else { return }
        clients[refusal.client]!.removeAll { $0 == key }
        if clients[refusal.client]!.isEmpty { clients[refusal.client] = nil }
    }
}
