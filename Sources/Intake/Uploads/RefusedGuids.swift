import System
import Model

/// What this process knows of refused guids: the refusals that the catalogue has no row for, because there was no room for one,
/// and which of their chunks the pages count as stored.
///
/// Bounded as the catalogue's: the oldest of a client with too many go first, and of the client with the most.
/// Thread-safe.
final class RefusedGuids: Sendable {
    /// A refusal, which the catalogue may have too.
    private struct Entry {
        var refusal: Refusal
        /// Of the first chunks: those that were stored before the refusal, or were told it.
        var counted: ChunkSet
        /// Counted chunks that have waited in vain for the first one since it last came.
        var lone: Set<Int> = []
        /// The lowest that is counted, which a page that begins anew sends beside the first one.
        var second: Int? { (1..<RefusedGuids.chunksKnown).first(where: counted.contains) }

        init(_ refusal: Refusal) {
            self.refusal = refusal
            counted = ChunkSet(chunks: RefusedGuids.chunksKnown)
            // Where the first one is not among them, this one alone is known to have been refused.
            let first = refusal.hasFirst ? 1 : refusal.otherChunk
            let end = min(refusal.otherChunk + 1, RefusedGuids.chunksKnown)
            for chunk in first..<max(first, end) { counted.insert(chunk) }
        }
    }

    private struct State {
        var entries: [GuidKey: Entry] = [:]
        /// The keys of each client, the oldest first.
        var clients: [Client: [GuidKey]] = [:]

        /// What is known of this refusal, and not of an earlier one of its guid.
        func entry(_ refusal: Refusal) -> Entry? {
            entries[GuidKey(refusal)].flatMap { $0.refusal.time == refusal.time ? $0 : nil }
        }

        mutating func remove(_ key: GuidKey) {
            guard let client = entries.removeValue(forKey: key)?.refusal.client else { return }
            clients[client]!.removeAll { $0 == key }
            if clients[client]!.isEmpty { clients[client] = nil }
        }
    }

    /// Chunks of a guid that are told apart: far more than a page sends at the same time as the first one.
    private static let chunksKnown = 64

    private let state: Locked<State> = Locked(State())
    private let limit: Int
    private let clientLimit: Int

    init(limit: Int = Refusal.limit, clientLimit: Int = Refusal.clientLimit) {
        self.limit = limit
        self.clientLimit = clientLimit
    }

    /// How many the catalogue has no row for.
    var count: Int { state.withLock { $0.entries.values.count { !$0.refusal.isRecorded } } }

    func add(_ refusal: Refusal) { state.withLock { add(Entry(refusal), &$0) } }

    private func add(_ entry: Entry, _ state: inout State) {
        let (key, client) = (GuidKey(entry.refusal), entry.refusal.client)
        state.remove(key)
        state.entries[key] = entry
        state.clients[client, default: []].append(key)
        let own = state.clients[client]!
        if own.count > client.limit(clientLimit, of: limit) { state.remove(own[0]) }
        if state.entries.count > limit, let most = state.clients.values.max(by: { $0.count < $1.count }) {
            state.remove(most[0])
        }
    }

    /// The refusal that a request gets. A first chunk that comes again begins anew, and there is none then.
    ///
    /// - Parameter terms: on which it comes.
    func refusal(_ request: UploadRequest, _ terms: UploadTerms) -> Refusal? {
        let key = GuidKey(request)
        return state.withLock { state in
            guard let refusal = state.entries[key]?.refusal, !refusal.isRecorded else { return nil }
            if request.chunk == 0, refusal.ends(terms) {
                state.remove(key)
                return nil
            }
            if terms.overlaps { state.entries[key]!.refusal.overlaps = true }
            if request.chunk == 0 {
                state.entries[key]!.refusal.hasFirst = true
            } else if refusal.otherChunk == 0 {
                state.entries[key]!.refusal.otherChunk = request.chunk
            }
            return refusal
        }
    }

    /// Whether the page counts a chunk as stored, other than the first, whose guid is refused. If it comes again all the same,
    /// its page begins anew, or has lost a reply.
    func isCounted(_ request: UploadRequest, _ refusal: Refusal) -> Bool {
        state.withLock { ($0.entry(refusal) ?? Entry(refusal)).counted.contains(request.chunk) }
    }

    /// Whether a chunk is the lowest of those that are counted. If it comes again together with the first chunk, the page
    /// begins anew: two lost replies are seldom those of just these two.
    func isSecond(_ request: UploadRequest, _ refusal: Refusal) -> Bool {
        state.withLock { ($0.entry(refusal) ?? Entry(refusal)).second } == request.chunk
    }

    /// The first chunk comes.
    func noteFirst(_ refusal: Refusal) {
        state.withLock { state in
            if state.entry(refusal) != nil { state.entries[GuidKey(refusal)]!.lone = [] }
        }
    }

    /// Notes that a counted chunk has waited in vain for the first one. Returns whether it did so for the second time: its
    /// page does not begin anew.
    func noteLone(_ request: UploadRequest, _ refusal: Refusal) -> Bool {
        let key = GuidKey(refusal)
        return state.withLock { state in
            if state.entry(refusal) == nil { add(Entry(refusal), &state) }
            if state.entries[key]?.lone.remove(request.chunk) != nil { return true }
            state.entries[key]?.lone.insert(request.chunk)
            return false
        }
    }

    /// A chunk is told the refusal: its page counts it as stored from now on.
    func count(_ request: UploadRequest, _ refusal: Refusal) {
        guard request.chunk < Self.chunksKnown else { return }
        state.withLock { state in
            if state.entry(refusal) == nil { add(Entry(refusal), &state) }
            state.entries[GuidKey(refusal)]?.counted.insert(request.chunk)
        }
    }

    /// A chunk was not told the refusal after all.
    ///
    /// - Parameter recorded: the guid's refusal that the catalogue has.
    func uncount(_ request: UploadRequest, _ recorded: Refusal?) {
        state.withLock { state in
            if let recorded, state.entry(recorded) == nil { add(Entry(recorded), &state) }
            state.entries[GuidKey(request)]?.counted.remove(request.chunk)
        }
    }

    /// Forgets the refusal of a guid that stands for this content, or of all of them.
    func forget(owner: String, md5: String, guid: String?) {
        state.withLock { state in
            if let guid { return state.remove(GuidKey(owner: owner, md5: md5, guid: guid)) }
            for key in state.entries.keys where key.isOf(owner: owner, md5: md5) { state.remove(key) }
        }
    }

    /// Forgets the refusals of this time or before, seconds since 1970.
    func expire(before time: Int64) {
        state.withLock { state in
            for (key, entry) in state.entries where entry.refusal.time <= time { state.remove(key) }
        }
    }
}
