import Catalogue
import ChunkStore
import Foundation
import System
import Uploads

/// An unfinished upload that this process works on: its open file, its digest, and who waits for its completion.
///
/// The catalogue is the truth; all of this can be built anew from it at any time. Thread-safe.
final class ActiveUpload: @unchecked Sendable {
    /// How an upload ends.
    enum Outcome: Sendable {
        case complete(Video)
        case failed(Failure)
    }

    /// Where the chunks' bytes go.
    enum Target: Sendable {
        /// A file that is being put together.
        case file(StoredFile, PrefixDigest)
        /// The owner has this video already: what comes is only compared with it.
        case original(StoredFile)
    }

    /// A stored chunk whose reply waits for the completion.
    struct Held {
        let call: Call
        let request: UploadRequest
        let number: Int
    }

    let record: Upload
    /// The largest body when this process took the upload up, in bytes: a parked chunk stays where that puts it.
    let bodyLimit: Int
    /// Writers of this file that are done at about the same time share one sync.
    let syncs = GroupCommit<StoredFile, Void, SystemError> { files throws(SystemError) in
        try files[0].descriptor.syncData()
        return files.map { _ in }
    }

    // SAFETY: `condition` guards every variable below.
    private let condition = NSCondition()
    private var progress: UploadProgress<Outcome>
    private var layout: ChunkLayout
    private var isParked: Bool
    private var guids: Set<String> = []
    private var chunks: [Int: StoredChunk] = [:]
    private var target: Target?
    private var isOpening = false
    private var held: [Held] = []
    private var heldCount = 0

    init(_ record: Upload, _ settings: IntakeSettings) {
        self.record = record
        bodyLimit = settings.bodyLimit
        let chunks = max(record.key.chunks, 1)
        progress = UploadProgress(received: ChunkSet(chunks: chunks))
        layout = ChunkLayout(
            chunks: chunks, size: record.key.size, chunkSize: record.chunkSize, lastLength: record.lastLength,
            sizeLimit: settings.sizeLimit)
        isParked = record.lastLength != nil && layout.size == nil
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
        locked { _ = guids.insert(guid) }
    }

    /// Whether no request is under way.
    var isIdle: Bool { locked { progress.requests == 0 } }

    /// Gives the file back, unless a request still needs it; it goes with the last one then.
    func close() {
        locked {
            if progress.requests == 0 { target = nil }
        }
    }

    /// The file's size in bytes, once it is known.
    var size: Int? { locked { layout.size } }

    /// Whether no chunk differs from the original.
    var matchesOriginal: Bool { locked { !chunks.values.contains(where: \.differs) } }

    /// Whether these are the chunks that this process knows of.
    func agrees(with recorded: [StoredChunk]) -> Bool {
        locked { recorded.count == chunks.count && recorded.allSatisfy { chunks[$0.number] == $0 } }
    }
}

// MARK: - Target

extension ActiveUpload {
    /// What the chunks go to; opened by the first request, while others wait. `nil` if `open` finds the upload over.
    func target(
        _ open: () throws(Failure) -> (Target, [StoredChunk])?
    ) throws(Failure) -> Target? {
        condition.lock()
        while isOpening { condition.wait() }
        if let target {
            condition.unlock()
            return target
        }
        isOpening = true
        condition.unlock()
        defer {
            locked {
                isOpening = false
                condition.broadcast()
            }
        }
        guard let (target, chunks) = try open() else { return nil }
        locked {
            self.target = target
            for chunk in chunks {
                progress.stored(chunk.number)
                self.chunks[chunk.number] = chunk
            }
            follow()
        }
        return target
    }

    /// Lets the digest follow the part of the file that is whole.
    private func follow(restart: Bool = false) {
        guard case .file(_, let digest) = target else { return }
        let prefix = progress.received.prefix
        let end = prefix == 0 ? 0 : layout.range(of: prefix - 1)?.upperBound ?? 0
        if restart { digest.restart(to: end) } else { digest.advance(to: end) }
    }
}

// MARK: - Chunks

extension ActiveUpload {
    /// Takes in what a chunk tells about the file, and returns the layout as it is known then.
    func learn(chunk: Int, length: Int) throws(ChunkLayout.Contradiction) -> ChunkLayout {
        try locked { () throws(ChunkLayout.Contradiction) in
            _ = try layout.place(chunk: chunk, length: length)
            return layout
        }
    }

    /// Where the claimed chunk's bytes are, or are to be written.
    ///
    func offset(of chunk: Int) -> Int {
        locked {
            let isLast = chunk == layout.chunks - 1
            let parkingPlace = parkingPlace(ofChunk: chunk)
            if isLast, isParked, progress.received.contains(chunk) { return parkingPlace }
            let range = layout.range(of: chunk)
            if isLast { isParked = range == nil }
            return range?.lowerBound ?? parkingPlace
        }
    }

    /// The same as a range.
    func range(of chunk: Int, length: Int) -> Range<Int> {
        let offset = offset(of: chunk)
        return offset..<offset + length
    }

    /// Where the last chunk of a file of unknown size waits.
    func parkingPlace(ofChunk chunk: Int) -> Int { Self.parkingPlace(ofChunk: chunk, bodyLimit: bodyLimit) }

    /// Behind every place that a chunk can have, and so far that moving it leaves it whole there. A crash before its
    /// place is recorded then does no harm.
    static func parkingPlace(ofChunk chunk: Int, bodyLimit: Int) -> Int { (chunk + 1) * bodyLimit }

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
    ///
    /// - Returns: `false` if it is parked and its place has become known meanwhile: it is still claimed, and has to be
    ///   moved there first.
    func stored(_ chunk: StoredChunk) -> Bool {
        locked {
            if isParked, chunk.number == layout.chunks - 1, layout.size != nil { return false }
            progress.stored(chunk.number)
            chunks[chunk.number] = chunk
            follow()
            condition.broadcast()
            return true
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

    /// Whether it has neither a chunk nor a request.
    var isUnused: Bool { locked { progress.received.count == 0 && progress.requests == 0 } }

    /// How many chunks can be recorded by this process.
    var recordedHere: Int { locked { progress.recordedHere } }

    /// The number of the last chunk, if it is stored and waits for its place, which is known now.
    var parkedChunk: Int? {
        locked {
            let last = layout.chunks - 1
            return isParked && layout.size != nil && progress.received.contains(last) ? last : nil
        }
    }

    /// The place of a chunk, if it is parked though its place is known.
    func placeOfParked(_ chunk: Int) -> Range<Int>? {
        locked { isParked && chunk == layout.chunks - 1 ? layout.range(of: chunk) : nil }
    }

    /// The parked chunk is where it belongs.
    func unparked() {
        locked {
            isParked = false
            follow()
        }
    }
}

// MARK: - Completion

extension ActiveUpload {
    /// What a call does next once its chunk is stored.
    enum Step {
        /// It completes the file; nobody else will.
        case complete
        /// It waits for the completion, under a number for `expire`.
        case held(Int)
        /// Code 2; `partialReplyWritten` follows.
        case partial
        /// The upload is over.
        case over(Outcome)
    }

    func decide(_ call: Call, _ request: UploadRequest) -> Step {
        locked {
            switch progress.decide() {
            case .complete: return .complete
            case .partial: return .partial
            case .over(let outcome):
                awaitPartialReplies()
                return .over(outcome)
            case .hold:
                heldCount += 1
                held.append(Held(call: call, request: request, number: heldCount))
                return .held(heldCount)
            }
        }
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

    var currentTarget: Target? { locked { target } }

    /// A held call's time is up. Returns the call if it is to be answered with code 2.
    func expire(_ number: Int) -> Held? {
        locked {
            guard let index = held.firstIndex(where: { $0.number == number }) else { return nil }
            guard case .partial = progress.expire() else { return nil }
            return held.remove(at: index)
        }
    }

    /// A code-2 reply is written.
    func partialReplyWritten() {
        locked {
            progress.partialReplyWritten()
            condition.broadcast()
        }
    }

    /// Waits until the code-2 replies under way are written: no later reply may arrive before them.
    private func awaitPartialReplies() {
        // A reply fits the socket's buffer; the bound is for a web server that does not read.
        let bound = Date(timeIntervalSinceNow: 5)
        while progress.partialReplies > 0, condition.wait(until: bound) {}
    }

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
