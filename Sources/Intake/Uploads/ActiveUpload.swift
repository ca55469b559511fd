import ChunkStore
import Foundation
import Glibc
import Model
import Synchronization
import System

/// An unfinished upload that this process works on: its bytes, its progress, and the calls held for its completion.
///
/// The catalogue is the truth; all of this can be built anew from it at any time. Thread-safe: `state` is one monitor, and
/// `UploadProgress` in it the one machine that decides. It is taken after the lock of `ActiveUploads` and before those of
/// `UploadBytes`; nothing is read, written or recorded with it.
final class ActiveUpload: Sendable {
    /// How an upload ends.
    enum Outcome: Sendable {
        case complete(Video)
        case failed(Failure)
    }

    /// Who brought a chunk.
    struct Sender: Hashable, CustomStringConvertible {
        let guid: String
        let address: String

        var description: String { "\(guid) (\(address.isEmpty ? "unknown address" : address))" }
    }

    /// A request of the upload that is under way, until it ends or is let go. What the client sends once it has the reply
    /// does not overlap with it, so it is ended before a reply that asks for more.
    final class Use: Sendable {
        let upload: ActiveUpload
        private let hasEnded = Atomic(false)

        fileprivate init(_ upload: ActiveUpload) { self.upload = upload }

        deinit { end() }

        func end() {
            if !hasEnded.exchange(true, ordering: .acquiringAndReleasing) {
                upload.state.withLock { $0.progress.end() }
            }
        }
    }

    /// A stored chunk whose reply waits for the completion.
    struct Held: Sendable {
        let call: Call
        let request: UploadRequest
        let number: Int
        let use: Use
        fileprivate let place: HeldCalls.Place
    }

    fileprivate struct State: Sendable {
        var progress: UploadProgress<Outcome>
        /// When a code-2 reply was last written.
        var lastPartialReply: ContinuousClock.Instant?
        /// Its aliases that are known here, the oldest first.
        var guids: [String] = []
        /// The aliases that are refused: their chunks are not taken, and those under way get the refusal.
        var refused: [String: Failure] = [:]
        var chunks: [Int: StoredChunk] = [:]
        /// Of the chunks that came while this process worked on the upload.
        var senders: [Int: Sender] = [:]
        var bytes: (any UploadBytes)?
        var isOpening = false
        var held: [Held] = []
        var heldCount = 0
        var lastUse = 0

        /// Whether no request is under way, and no completion, which may go on without one.
        var isIdle: Bool { progress.requests == 0 && !progress.isCompleting }
    }

    let record: Upload
    let layout: ChunkLayout
    private let state: Monitor<State>

    init(_ record: Upload) {
        self.record = record
        layout = record.layout
        state = Monitor(
            State(progress: UploadProgress(received: ChunkSet(chunks: layout.chunks))), order: .upload)
    }

    private func look<Result>(_ body: (State) -> Result) -> Result { state.withLock { body($0) } }

    // MARK: - Requests

    /// A request of this upload begins; `nil` if its guid is not known to be an alias of the upload.
    ///
    /// - Parameter number: counts the requests of all uploads.
    func begin(guid: String, number: Int) -> Use? {
        let isAlias = state.withLock { state in
            state.lastUse = number
            guard state.guids.contains(guid) else { return false }
            state.progress.begin()
            return true
        }
        return isAlias ? Use(self) : nil
    }

    /// The same where the catalogue has just said that the guid is an alias.
    func begin(alias guid: String, number: Int) -> Use {
        state.withLock { state in
            state.lastUse = number
            state.refused[guid] = nil
            if !state.guids.contains(guid) {
                if state.guids.count >= Upload.aliasLimit { state.guids.removeFirst() }
                state.guids.append(guid)
            }
            state.progress.begin()
        }
        return Use(self)
    }

    /// Refuses a guid: later requests of it are looked up in the catalogue, and those under way get the refusal unless
    /// they complete the file.
    ///
    /// - Returns: its calls that wait; they are to be answered with the refusal.
    func refuse(guid: String, _ failure: Failure) -> [Held] {
        let taken = state.withLock { state -> [Held]? in
            guard state.guids.contains(guid) else { return nil }
            state.guids.removeAll { $0 == guid }
            if state.refused.count >= Upload.aliasLimit { state.refused = [:] }
            state.refused[guid] = failure
            defer { state.held.removeAll { $0.request.guid == guid } }
            return state.held.filter { $0.request.guid == guid }
        }
        guard let taken else { return [] }
        awaitPartialReplies()
        return taken
    }

    func removeGuid(_ guid: String) { state.withLock { $0.guids.removeAll { $0 == guid } } }

    /// The number of the request that has touched it last.
    var lastUse: Int { look(\.lastUse) }

    /// Whether no request is under way, and no completion, which may go on without one.
    var isIdle: Bool { look(\.isIdle) }

    /// Gives its bytes back, unless they are in use; they go with the last use then.
    func close() {
        let (closed, chunks) = state.withLock { state -> ((any UploadBytes)?, [StoredChunk]) in
            state.isIdle ? (state.bytes.take(), Array(state.chunks.values)) : (nil, [])
        }
        closed?.close(chunks)
    }

    /// The whole file's size in bytes; `nil` as long as only the last chunk can tell it.
    var size: Int? {
        layout.size ?? look { $0.chunks[layout.chunks - 1] == nil ? nil : end(ofFirst: layout.chunks, $0) }
    }

    /// Where the first `count` chunks end, which are there.
    private func end(ofFirst count: Int, _ state: State) -> Int {
        layout.end(ofFirst: count, lastLength: state.chunks[layout.chunks - 1]?.length)
    }

    /// Whether these are the chunks that this process knows of.
    func agrees(with recorded: [StoredChunk]) -> Bool {
        look { state in
            recorded.count == state.chunks.count && recorded.allSatisfy { state.chunks[$0.number] == $0 }
        }
    }

    // MARK: - Bytes

    /// Its bytes; opened by the first request, while others wait. `nil` if `open` finds the upload over.
    func bytes(_ open: () throws(Failure) -> (any UploadBytes, [StoredChunk])?) throws(Failure) -> (any UploadBytes)? {
        let there = state.wait { state -> (any UploadBytes)?? in
            if state.isOpening { return nil }
            if state.bytes == nil { state.isOpening = true }
            return .some(state.bytes)
        }
        if let there { return there }
        defer {
            state.withLock { $0.isOpening = false }
            state.broadcast()
        }
        guard let (bytes, chunks) = try open() else { return nil }
        state.withLock { state in
            state.bytes = bytes
            for chunk in chunks {
                state.chunks[chunk.number] = chunk
                state.progress.stored(chunk.number)
            }
            follow(&state)
        }
        return bytes
    }

    /// Lets the digest follow the part of the file that is whole.
    private func follow(_ state: inout State, restarts: Bool = false) {
        state.bytes?.advance(to: end(ofFirst: state.progress.received.prefix, state), restarts: restarts)
    }

    /// Its bytes, if they are open.
    var openBytes: (any UploadBytes)? { look(\.bytes) }

    // MARK: - Chunks

    /// Waits until no other request writes the chunk, then claims it.
    func claim(_ chunk: Int) -> UploadProgress<Outcome>.Claim {
        let claim = state.wait { state -> UploadProgress<Outcome>.Claim? in
            let claim = state.progress.claim(chunk)
            if case .busy = claim { return nil }
            return claim
        }
        if case .over = claim { awaitPartialReplies() }
        return claim
    }

    /// The claimed chunk's bytes are about to change.
    func replace(_ chunk: Int) {
        state.withLock { state in
            state.chunks[chunk] = state.chunks[chunk]?.inDoubt
            state.progress.replace(chunk)
            follow(&state, restarts: true)
        }
    }

    /// The claimed chunk is stored and recorded.
    func stored(_ chunk: StoredChunk, by sender: Sender) {
        state.withLock { state in
            state.chunks[chunk.number] = chunk
            state.senders[chunk.number] = sender
            state.progress.stored(chunk.number)
            follow(&state)
        }
        state.broadcast()
    }

    /// The claimed chunk stays as it is. One whose new bytes could not be stored counts, in doubt: its page has it
    /// acknowledged, and the digest of the file tells.
    func release(_ chunk: Int) {
        state.withLock { state in
            if state.chunks[chunk] == nil { return state.progress.release(chunk) }
            state.progress.stored(chunk)
            follow(&state)
        }
        state.broadcast()
    }

    /// Another process stores chunks of this upload too.
    func merge(_ chunks: [StoredChunk]) {
        state.withLock { state in
            var others = ChunkSet(chunks: layout.chunks)
            for chunk in chunks { others.insert(chunk.number) }
            state.progress.merge(others)
            for chunk in chunks
            where state.progress.received.contains(chunk.number) && state.chunks[chunk.number] == nil {
                state.chunks[chunk.number] = chunk
            }
            follow(&state)
        }
    }

    /// The chunk as it is recorded, `nil` if it is not there.
    func stored(chunk: Int) -> StoredChunk? { look { $0.progress.received.contains(chunk) ? $0.chunks[chunk] : nil } }

    /// Who brought a chunk, `nil` if that is not known here.
    func sender(ofChunk chunk: Int) -> Sender? { look { $0.senders[chunk] } }

    /// Some of those that brought chunks, if they are several pages.
    var pages: [Sender] {
        let all = look { Set($0.senders.values) }
        return Set(all.map(\.guid)).count < 2 ? [] : Array(all.sorted { $0.guid < $1.guid }.prefix(8))
    }

    /// Whether a request that is under way now may be one that waits for the last chunks.
    var isNearlyWhole: Bool { look(\.progress.isNearlyWhole) }

    /// Whether its chunks have to be compared with their checksums before it can be opened.
    ///
    /// - Parameter incarnation: of the store.
    func isInDoubt(incarnation: String) -> Bool {
        record.bootID != incarnation && record.received > 0 && openBytes == nil
    }

    /// Whether it has a chunk.
    var hasChunks: Bool { look { $0.progress.received.count > 0 } }

    /// Whether it has neither a chunk nor a request.
    var isUnused: Bool { look { $0.progress.received.count == 0 && $0.progress.requests == 0 } }

    /// How many chunks can be recorded by this process.
    var recordedHere: Int { look(\.progress.recordedHere) }

    // MARK: - Completion

    /// What a call does next once its chunk is stored.
    enum Step {
        /// The caller completes the file, and its call waits for that unless too many are held.
        case complete(Int?)
        /// It waits for the completion, under a number for `expire`.
        case held(Int)
        /// Code 2; `partialReplyWritten` follows.
        case partial
        /// The upload is over.
        case over(Outcome)
    }

    /// - Parameter place: where the call is held, if it has to be; it may not for long if there is none.
    func decide(_ call: Call, _ request: UploadRequest, _ use: Use, _ place: () -> HeldCalls.Place?) -> Step {
        let step = state.withLock { state -> Step in
            if let failure = state.refused[request.guid], state.progress.received.missing > 0 {
                return .over(.failed(failure))
            }
            func hold() -> Int? {
                guard let place = place() else { return nil }
                state.heldCount += 1
                state.held.append(Held(call: call, request: request, number: state.heldCount, use: use, place: place))
                return state.heldCount
            }
            switch state.progress.decide(held: state.held.count) {
            case .complete: return .complete(hold())
            case .partial: return .partial
            case .over(let outcome): return .over(outcome)
            case .hold:
                if let number = hold() { return .held(number) }
                if case .partial = state.progress.expire() { return .partial }
                return .over(.failed(.completing))
            }
        }
        if case .over = step { awaitPartialReplies() }
        return step
    }

    /// Claims the completion of a whole file for one of its held calls; `nil` if there is none, or it is claimed.
    func takeCompletionForHeld() -> Held? {
        state.withLock { state in
            guard let first = state.held.first, state.progress.takeCompletion() else { return nil }
            return first
        }
    }

    /// Claims the completion of a whole file. Returns `false` if it is claimed, or chunks are missing.
    func takeCompletion() -> Bool { state.withLock { $0.progress.takeCompletion() } }

    /// What becomes of a held call whose time is up.
    enum Expiry {
        /// It is to be answered with code 2; `partialReplyWritten` follows.
        case partial(Held)
        /// It goes on waiting, because the file is being completed.
        case waits
        /// It is answered.
        case over
    }

    /// A held call's time is up.
    func expire(_ number: Int) -> Expiry {
        state.withLock { state in
            guard let index = state.held.firstIndex(where: { $0.number == number }) else { return .over }
            guard case .partial = state.progress.expire() else { return .waits }
            return .partial(state.held.remove(at: index))
        }
    }

    /// Takes a call that has waited too long for the completion, which goes on; `nil` if it is answered.
    func giveUp(_ number: Int) -> Held? {
        state.withLock { state in
            state.held.firstIndex { $0.number == number }.map { state.held.remove(at: $0) }
        }
    }

    /// A code-2 reply is written.
    func partialReplyWritten() {
        state.withLock { state in
            state.progress.partialReplyWritten()
            state.lastPartialReply = .now
        }
        state.broadcast()
    }

    /// Waits until the code-2 replies under way are written: no later reply may arrive before them.
    private func awaitPartialReplies() {
        // A reply fits the socket's buffer; the bound is for a web server that does not read.
        let last = state.wait(until: Date(timeIntervalSinceNow: 5)) { state in
            state.progress.partialReplies > 0 ? nil : .some(state.lastPartialReply)
        } otherwise: {
            $0.lastPartialReply
        }
        // Two connections have no order in the web server: the other reply gets a moment to pass through it. Most
        // completions take longer anyway.
        guard let last, case let left = Self.passingTime - (ContinuousClock.now - last), left > .zero else { return }
        usleep(UInt32(left / .microseconds(1)))
    }

    /// What a reply takes from here to its page, but for the network.
    private static let passingTime = Duration.milliseconds(5)

    /// Ends the completion, waits until the code-2 replies under way are written, and returns the held calls.
    ///
    /// - Parameter reopens: whether the upload stays as it is, to be completed by a later request.
    func finish(_ outcome: Outcome, reopens: Bool = false) -> [Held] {
        let taken = state.withLock { state -> [Held] in
            state.progress.finish(reopens ? .open : .over(outcome))
            defer { state.held = [] }
            return state.held
        }
        state.broadcast()
        awaitPartialReplies()
        return taken
    }
}
