/// One upload's state in this process: which chunks are here, which request may write one or completes the file, and which
/// reply a stored chunk gets.
///
/// A pure state machine: the caller guards it with a lock, does the I/O between the calls and never answers code 2
/// without `decide`.
///
///     open ── the last missing chunk ──▶ completing ──▶ over
///     open ── refused, expired ──▶ over
///     completing ── only the record could not be saved ──▶ open
package struct UploadProgress<Outcome: Sendable>: Sendable {
    /// How far the file is.
    package enum Phase: Sendable {
        /// Chunks are missing, or no request has begun to complete the file.
        case open
        /// One request verifies and publishes the file.
        case completing
        /// The file is published and its record committed, or the upload is over without a file.
        case over(Outcome)
    }

    /// What becomes of a chunk's request once the chunk is stored.
    package enum Decision: Sendable {
        /// This request completes the file; no other one will.
        case complete
        /// Its answer waits: the file is nearly whole, or about to be completed by another request.
        case hold
        /// Code 2. `partialReplyWritten` must follow once it is written.
        case partial
        /// The upload is over; answer with this.
        case over(Outcome)
    }

    /// What a request may do with a chunk it brings.
    package enum Claim: Sendable {
        /// No other request writes this chunk and it is not here: write it, then call `stored` or `release`.
        case write
        /// The chunk is here: compare, then call `release`, or `replace` before writing.
        case compare
        /// Another request writes this chunk: ask again when that one is done.
        case busy
        /// Another request completes the file, which must not change meanwhile: answer when that one is done.
        case hold
        /// The upload is over; answer with this.
        case over(Outcome)
    }

    /// The most missing chunks with which a request waits for the completion.
    package static var nearlyWhole: Int { 2 }

    package private(set) var phase = Phase.open
    package private(set) var received: ChunkSet
    /// The most requests of this upload that have been under way at the same time.
    private var mostRequests = 0
    /// Code-2 replies that are being written.
    package private(set) var partialReplies = 0
    /// Requests under way.
    package private(set) var requests = 0
    private var writing: Set<Int> = []

    package init(received: ChunkSet) { self.received = received }

    /// A request of this upload begins.
    package mutating func begin() {
        requests += 1
        mostRequests = max(mostRequests, requests)
    }

    /// A request of this upload is going to be answered now: what the client sends when it has the answer does not
    /// overlap with it.
    package mutating func end() { requests -= 1 }

    package mutating func claim(_ chunk: Int) -> Claim {
        switch phase {
        case .over(let outcome): return .over(outcome)
        case .completing: return .hold
        case .open: break
        }
        if writing.contains(chunk) { return .busy }
        writing.insert(chunk)
        return received.contains(chunk) ? .compare : .write
    }

    /// The claimed chunk is about to be overwritten with other bytes; until `stored` it does not count.
    package mutating func replace(_ chunk: Int) { received.remove(chunk) }

    /// The claimed chunk's bytes and their record are where the durability setting wants them.
    package mutating func stored(_ chunk: Int) {
        writing.remove(chunk)
        received.insert(chunk)
    }

    /// The claimed chunk is left as it is.
    package mutating func release(_ chunk: Int) { writing.remove(chunk) }

    /// What a request that has stored its chunk does next.
    ///
    /// - Parameter held: how many wait already. Where more would wait than chunks may be missing, and as many as ever came at
    ///   once, one gets its reply: a page that has them all under way sends what is missing only after that.
    package mutating func decide(held: Int = 0) -> Decision {
        switch phase {
        case .over(let outcome): return .over(outcome)
        case .completing: return .hold
        case .open: break
        }
        if takeCompletion() { return .complete }
        let isOneAnswered = held >= Self.nearlyWhole && held + 1 >= mostRequests
        if mostRequests > 1, received.missing <= Self.nearlyWhole, !isOneAnswered { return .hold }
        partialReplies += 1
        return .partial
    }

    /// Whether the file is being completed, or waits for it.
    package var isCompleting: Bool { if case .completing = phase { true } else { false } }

    /// Claims the completion of a whole file. Returns `false` if it is claimed, or chunks are missing.
    package mutating func takeCompletion() -> Bool {
        guard case .open = phase, received.missing == 0, writing.isEmpty else { return false }
        phase = .completing
        return true
    }

    /// What a held request does when its time is up: it goes on waiting while another completes the file, or while all that is
    /// missing is being written. A page that rewrites a chunk which was there already must not turn another page's last reply
    /// into code 2.
    package mutating func expire() -> Decision {
        guard case .open = phase else { return decide() }
        guard received.missing > writing.count(where: { !received.contains($0) }) else { return .hold }
        partialReplies += 1
        return .partial
    }

    package mutating func partialReplyWritten() { partialReplies -= 1 }

    /// The completing request is done.
    package mutating func finish(_ phase: Phase) { self.phase = phase }

    /// Whether a request that is under way now may be one that waits for the last chunks.
    package var isNearlyWhole: Bool { received.missing <= Self.nearlyWhole + requests }

    /// How many chunks can be recorded by requests here: those that count, and those that are being written, which may
    /// be recorded already. If more are, another process stores some too.
    package var recordedHere: Int { received.count + writing.count { !received.contains($0) } }

    /// Takes in chunks that are recorded, for those that another process has stored. One that a request here is writing
    /// counts when that request says so: recorded is not yet in its place.
    package mutating func merge(_ recorded: ChunkSet) {
        for chunk in 0..<received.chunks where recorded.contains(chunk) && !writing.contains(chunk) {
            received.insert(chunk)
        }
    }
}

/// The numbers of the chunks that are here: a set of small integers with its contiguous prefix at hand.
package struct ChunkSet: Equatable, Sendable {
    /// The number of chunks of the file.
    package let chunks: Int
    /// How many of them are in the set.
    package private(set) var count = 0
    /// How many chunks from the first on are in the set without a gap.
    package private(set) var prefix = 0
    private var words: [UInt64]

    package init(chunks: Int) {
        self.chunks = chunks
        words = Array(repeating: 0, count: (chunks + 63) / 64)
    }

    /// How many chunks are not in the set.
    package var missing: Int { chunks - count }

    package func contains(_ chunk: Int) -> Bool {
        chunk >= 0 && chunk < chunks && words[chunk / 64] & (1 << UInt64(chunk % 64)) != 0
    }

    /// Adds a chunk. Returns whether it was new. A number that is no chunk of the file is ignored.
    @discardableResult
    package mutating func insert(_ chunk: Int) -> Bool {
        guard chunk >= 0, chunk < chunks, !contains(chunk) else { return false }
        words[chunk / 64] |= 1 << UInt64(chunk % 64)
        count += 1
        while contains(prefix) { prefix += 1 }
        return true
    }

    package mutating func remove(_ chunk: Int) {
        guard contains(chunk) else { return }
        words[chunk / 64] &= ~(1 << UInt64(chunk % 64))
        count -= 1
        prefix = min(prefix, chunk)
    }

    /// The numbers as ranges, like `0-11,14`; `""` for the empty set.
    package var ranges: String {
        var parts: [String] = []
        var next = 0
        while next < chunks {
            guard contains(next) else {
                next += 1
                continue
            }
            let first = next
            while contains(next) { next += 1 }
            parts.append(first == next - 1 ? "\(first)" : "\(first)-\(next - 1)")
        }
        return parts.joined(separator: ",")
    }
}
