import ChunkStore
import Foundation
import System
import Model

/// An unfinished upload that this process works on: its open file, its digest, and who waits for its completion.
///
/// The catalogue is the truth; all of this can be built anew from it at any time. Thread-safe.
final class ActiveUpload: @unchecked Sendable {
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

    /// A stored chunk whose reply waits for the completion.
    struct Held {
        let call: Call
        let request: UploadRequest
        let number: Int
        let place: HeldCalls.Place
    }

    let record: Upload
    let layout: ChunkLayout
    // SAFETY: `condition` guards every variable below.
    private let condition = NSCondition()
    private var progress: UploadProgress<Outcome>
    /// When a code-2 reply was last written.
    private var lastPartialReply: ContinuousClock.Instant?
    /// Its aliases that are known here, the oldest first.
    private var guids: [String] = []
    /// The aliases that are refused: their chunks are not taken, and those under way get the refusal.
    private var refused: [String: Failure] = [:]
    private var chunks: [Int: StoredChunk] = [:]
    /// Of the chunks that came while this process worked on the upload.
    private var senders: [Int: Sender] = [:]
    private var bytes: (any UploadBytes)?
    private var isOpening = false
    private var held: [Held] = []
    private var heldCount = 0
    private var lastUseNumber = 0

    init(_ record: Upload) {
        self.record = record
        layout = record.layout
        progress = UploadProgress(received: ChunkSet(chunks: layout.chunks))
    }

    /// Runs `body` with exclusive access to the state; no I/O in it.
    private func locked<Result, E: Error>(_ body: () throws(E) -> Result) throws(E) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return try body()
    }
}

// MARK: - Requests

extension ActiveUpload {
    /// A request of this upload begins. Returns whether its guid is known to be an alias of the upload.
    func begin(guid: String) -> Bool {
        locked {
            progress.begin()
            return guids.contains(guid)
        }
    }

    func end() {
        locked { progress.end() }
    }

    func addGuid(_ guid: String) {
        locked {
            refused[guid] = nil
            if guids.contains(guid) { return }
            if guids.count >= Upload.aliasLimit { guids.removeFirst() }
            guids.append(guid)
        }
    }

    /// Refuses a guid: later requests of it are looked up in the catalogue, and those under way get the refusal unless
    /// they complete the file.
    ///
    /// - Returns: its calls that wait; they are to be answered with the refusal.
    func refuse(guid: String, _ failure: Failure) -> [Held] {
        locked {
            guard guids.contains(guid) else { return [] }
            guids.removeAll { $0 == guid }
            if refused.count >= Upload.aliasLimit { refused = [:] }
            refused[guid] = failure
            awaitPartialReplies()
            defer { held.removeAll { $0.request.guid == guid } }
            return held.filter { $0.request.guid == guid }
        }
    }

    func removeGuid(_ guid: String) {
        locked { guids.removeAll { $0 == guid } }
    }

    /// The number of the request that has touched it last.
    var lastUse: Int { locked { lastUseNumber } }

    func noteUse(_ number: Int) {
        locked { lastUseNumber = number }
    }

    /// Whether no request is under way, and no completion, which may go on without one.
    var isIdle: Bool { locked { isIdleNow } }

    private var isIdleNow: Bool { progress.requests == 0 && !progress.isCompleting }

    /// Gives its bytes back, unless they are in use; they go with the last use then.
    func close() {
        let (closed, chunks) = locked { () -> ((any UploadBytes)?, [StoredChunk]) in
            guard isIdleNow else { return (nil, []) }
            defer { bytes = nil }
            return (bytes, Array(self.chunks.values))
        }
        closed?.close(chunks)
    }

    /// The whole file's size in bytes; `nil` as long as only the last chunk can tell it.
    var size: Int? {
        layout.size ?? locked { chunks[layout.chunks - 1] == nil ? nil : end(ofFirst: layout.chunks) }
    }

    /// Where the first `count` chunks end, which are there.
    private func end(ofFirst count: Int) -> Int {
        layout.end(ofFirst: count, lastLength: chunks[layout.chunks - 1]?.length)
    }

    /// Whether these are the chunks that this process knows of.
    func agrees(with recorded: [StoredChunk]) -> Bool {
        locked { recorded.count == chunks.count && recorded.allSatisfy { chunks[$0.number] == $0 } }
    }
}

// MARK: - Bytes

extension ActiveUpload {
    /// Its bytes; opened by the first request, while others wait. `nil` if `open` finds the upload over.
    func bytes(
        _ open: () throws(Failure) -> (any UploadBytes, [StoredChunk])?
    ) throws(Failure) -> (any UploadBytes)? {
        condition.lock()
        while isOpening { condition.wait() }
        if let bytes {
            condition.unlock()
            return bytes
        }
        isOpening = true
        condition.unlock()
        defer {
            locked {
                isOpening = false
                condition.broadcast()
            }
        }
        guard let (bytes, chunks) = try open() else { return nil }
        locked {
            self.bytes = bytes
            for chunk in chunks {
                self.chunks[chunk.number] = chunk
                progress.stored(chunk.number)
            }
            follow()
        }
        return bytes
    }

    /// Lets the digest follow the part of the file that is whole.
    private func follow(restart: Bool = false) {
        bytes?.advance(to: end(ofFirst: progress.received.prefix), restarts: restart)
    }
}

// MARK: - Chunks

extension ActiveUpload {
    /// Waits until nobody else writes the chunk, then claims it.
    func claim(_ chunk: Int) -> UploadProgress<Outcome>.Claim {
        locked {
            while true {
                let claim = progress.claim(chunk)
                switch claim {
                case .busy: condition.wait()
                case .over:
                    awaitPartialReplies()
                    return claim
                case .write, .compare, .hold: return claim
                }
            }
        }
    }

    /// The claimed chunk's bytes are about to change.
    func replace(_ chunk: Int) {
        locked {
            progress.replace(chunk)
            follow(restart: true)
        }
    }

    /// The claimed chunk is stored and recorded.
    func stored(_ chunk: StoredChunk, by sender: Sender) {
        locked {
            chunks[chunk.number] = chunk
            senders[chunk.number] = sender
            progress.stored(chunk.number)
            follow()
            condition.broadcast()
        }
    }

    /// The claimed chunk stays as it is.
    func release(_ chunk: Int) {
        locked {
            progress.release(chunk)
            condition.broadcast()
        }
    }

    /// Another process stores chunks of this upload too.
    func merge(_ chunks: [StoredChunk]) {
        locked {
            var others = ChunkSet(chunks: layout.chunks)
            for chunk in chunks { others.insert(chunk.number) }
            progress.merge(others)
            for chunk in chunks where progress.received.contains(chunk.number) && self.chunks[chunk.number] == nil {
                self.chunks[chunk.number] = chunk
            }
            follow()
        }
    }

    func has(chunk: Int) -> Bool { locked { progress.received.contains(chunk) } }

    /// The chunk as it is recorded, `nil` if it is not there.
    func stored(chunk: Int) -> StoredChunk? { locked { progress.received.contains(chunk) ? chunks[chunk] : nil } }

    /// Who brought a chunk, `nil` if that is not known here.
    func sender(ofChunk chunk: Int) -> Sender? { locked { senders[chunk] } }

    /// Some of those that brought chunks, if they are several pages.
    var pages: [Sender] {
        locked {
            let all = Set(senders.values)
            return Set(all.map(\.guid)).count < 2 ? [] : Array(all.sorted { $0.guid < $1.guid }.prefix(8))
        }
    }

    /// Whether a request that is under way now may be one that waits for the last chunks.
    var isNearlyWhole: Bool { locked { progress.isNearlyWhole } }

    /// Whether its chunks have to be compared with their checksums before it can be opened.
    ///
    /// - Parameter incarnation: of the store.
    func isInDoubt(incarnation: String) -> Bool {
        record.bootID != incarnation && record.received > 0 && locked { bytes == nil }
    }

    /// Whether it has a chunk.
    var hasChunks: Bool { locked { progress.received.count > 0 } }

    /// Whether it has neither a chunk nor a request.
    var isUnused: Bool { locked { progress.received.count == 0 && progress.requests == 0 } }

    /// How many chunks can be recorded by this process.
    var recordedHere: Int { locked { progress.recordedHere } }
}

// MARK: - Completion

extension ActiveUpload {
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
    func decide(_ call: Call, _ request: UploadRequest, _ place: () -> HeldCalls.Place?) -> Step {
        locked {
            if let failure = refused[request.guid], progress.received.missing > 0 {
                awaitPartialReplies()
                return .over(.failed(failure))
            }
            switch progress.decide() {
            case .complete: return .complete(hold(call, request, place()))
            case .partial: return .partial
            case .over(let outcome):
                awaitPartialReplies()
                return .over(outcome)
            case .hold:
                if let number = hold(call, request, place()) { return .held(number) }
                if case .partial = progress.expire() { return .partial }
                return .over(.failed(.completing))
            }
        }
    }

    private func hold(_ call: Call, _ request: UploadRequest, _ place: HeldCalls.Place?) -> Int? {
        guard let place else { return nil }
        heldCount += 1
        held.append(Held(call: call, request: request, number: heldCount, place: place))
        return heldCount
    }

    /// The completion, if nobody has it though the file is whole and calls wait for it: what one of them asks for.
    func takeCompletionForHeld() -> Held? {
        locked {
            guard let first = held.first, progress.takeCompletion() else { return nil }
            return first
        }
    }

    /// The completion, if nobody has it though the file is whole.
    func takeCompletion() -> Bool { locked { progress.takeCompletion() } }

    /// Its bytes, if they are open.
    var openBytes: (any UploadBytes)? { locked { bytes } }

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
        locked {
            guard let index = held.firstIndex(where: { $0.number == number }) else { return .over }
            guard case .partial = progress.expire() else { return .waits }
            return .partial(held.remove(at: index))
        }
    }

    /// Takes a call that has waited too long for the completion, which goes on; `nil` if it is answered.
    func giveUp(_ number: Int) -> Held? {
        locked {
            guard let index = held.firstIndex(where: { $0.number == number }) else { return nil }
            return held.remove(at: index)
        }
    }

    /// A code-2 reply is written.
    func partialReplyWritten() {
        locked {
            progress.partialReplyWritten()
            lastPartialReply = .now
            condition.broadcast()
        }
    }

    /// Waits until the code-2 replies under way are written: no later reply may arrive before them.
    private func awaitPartialReplies() {
        // A reply fits the socket's buffer; the bound is for a web server that does not read.
        let bound = Date(timeIntervalSinceNow: 5)
        while progress.partialReplies > 0, condition.wait(until: bound) {}
        // Two connections have no order in the web server: the other reply gets a moment to pass through it. Most
        // completions take longer anyway.
        if let lastPartialReply {
            let passed = (ContinuousClock.now - lastPartialReply) / .seconds(1)
            let end = Date(timeIntervalSinceNow: Self.passingTime - passed)
            while end.timeIntervalSinceNow > 0, condition.wait(until: end) {}
        }
    }

    /// Seconds that a reply takes from here to its page, but for the network.
    private static let passingTime = 0.005

    /// Ends the completion, waits until the code-2 replies under way are written, and returns who waited for it.
    ///
    /// - Parameter reopens: whether the upload stays as it is, to be completed by a later request.
    func finish(_ outcome: Outcome, reopens: Bool = false) -> [Held] {
        locked {
            if reopens {
                progress.finish(.open)
            } else if case .failed = outcome {
                progress.finish(.failed(outcome))
            } else {
                progress.finish(.completed(outcome))
            }
            condition.broadcast()
            awaitPartialReplies()
            defer { held = [] }
            return held
        }
    }
}
