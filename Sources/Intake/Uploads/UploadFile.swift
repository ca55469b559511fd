import Catalogue
import ChunkStore
import Dispatch
import Logging
import Model
import System

/// upload_file: parse, check, store, decide, reply.
extension IntakeService {
    func uploadFile(_ call: Call) throws(Failure) {
        let form: RequestForm
        do throws(Failure) {
            form = try readForm(call)
        } catch {
            // Its upload is not known.
            throw error.whereChunksAre
        }
        let chunk = SentChunk(form, owner: call.owner, settings: call.settings)
        if let chunk { guidRequests.begin(chunk.key, call) }
        let request: UploadRequest
        do throws(Failure) {
            request = try UploadRequest(form, owner: call.owner, settings: call.settings)
        } catch {
            throw chunk.map { refuseIfFinal($0, call, error) } ?? error
        }
        call.note(request)
        guard let content = form.content else { throw .missingFile }
        let other = try otherContent(request, content)
        if request.chunk > 0, let first = guidRequests.held(of: request) { join(request, first.refusal) }
        try process(request, content, call, other: other)
    }

    /// Stores and answers a checked request.
    ///
    /// - Parameters:
    ///   - other: what its file is, if that is no video.
    ///   - isJoined: it was held until another chunk came.
    ///   - roomAttempt: how often it has waited for room, without a thread.
    ///   - place: that it has had for this.
    private func process(
        _ request: UploadRequest, _ content: Content, _ call: Call, other: OtherContent?, isJoined: Bool = false,
        roomAttempt: Int = 0, place: HeldCalls.Place? = nil
    ) throws(Failure) {
        do throws(Failure) {
            // An upload that ends in another process meanwhile is looked up again.
            for attempt in 0..<3 {
                let beginning: Beginning
                if other == nil, let use = uploads.begin(request.key, guid: request.guid) {
                    beginning = .unfinished(use)
                } else {
                    beginning = try begin(request, call, other: other, attempt: attempt, isJoined: isJoined)
                }
                switch beginning {
                case .sealed(let video):
                    return call.answer(request, complete: video, isRepeated: true)
                case .unfinished(let use) where use.upload.isInDoubt(incarnation: store.incarnation):
                    return try takeAside(request, content, use, call)
                case .unfinished(let use):
                    if try take(request, content, use, call) { return }
                case .refused(let refusal):
                    let first = HeldFirstChunk(
                        call: call, request: request, content: content, other: other, refusal: refusal,
                        place: heldBodies.place(for: call.client))
                    if try !hold(first) { goOn(first) }
                    return
                case .awaitsFirst(let refusal, let overlaps):
                    return try awaitFirst(request, call, refusal, overlaps: overlaps)
                case .awaitsRoom(let failure):
                    guard roomAttempt < Self.roomAttempts, let place = place ?? heldBodies.place(for: call.client)
                    else { throw failure }
                    DispatchQueue.global().asyncAfter(deadline: .now() + Self.roomPause) {
                        call.answerFailure { () throws(Failure) in
                            try self.process(
                                request, content, call, other: other, isJoined: isJoined, roomAttempt: roomAttempt + 1,
                                place: place)
                        }
                    }
                    return
                }
            }
            throw .notStored(cause: "the upload ended in another process")
        } catch {
            throw refuseIfFinal(SentChunk(request), call, error)
        }
    }

    /// Lets the first chunk that is held go on before the one that has come now, if that is the second one. Any other one
    /// that is counted waits as well.
    private func join(_ request: UploadRequest, _ refusal: Refusal) {
        let isCounted = refusedGuids.isCounted(request, refusal)
        if isCounted, !refusedGuids.isSecond(request, refusal) { return }
        guard let first = guidRequests.takeHeld(of: request) else { return }
        // A page that goes on in the middle of the file does not begin anew.
        if isCounted { goOn(first) } else { keepRefused(first) }
    }

    /// Begins a refused guid anew with its first chunk. The others that wait for it come again.
    private func goOn(_ first: HeldFirstChunk) {
        first.call.answerFailure { () throws(Failure) in
            try process(
                first.request, first.content, first.call, other: first.other, isJoined: true, place: first.place)
        }
        for call in guidRequests.takeWaiting(GuidKey(first.request)) { call.answer(.awaitsFirst) }
    }

    /// What the file is that a first chunk begins; `nil` if it may be a video.
    private func otherContent(_ request: UploadRequest, _ content: Content) throws(Failure) -> OtherContent? {
        guard request.chunk == 0 else { return nil }
        let head: FileHead
        do throws(SystemError) {
            head = FileHead(try content.prefix(FileHead.length))
        } catch {
            throw Failure(error)
        }
        // The first chunk of several may be shorter than what decides; the completion looks again.
        guard head.format == nil, head.isWhole || request.chunks <= 1 else { return nil }
        return OtherContent(head)
    }

    // MARK: - Store

    /// Takes the chunk of an upload all of whose bytes are read first, as a reboot wants it: beside the threads of requests,
    /// which are there for all clients.
    private func takeAside(
        _ request: UploadRequest, _ content: Content, _ use: ActiveUpload.Use, _ call: Call
    ) throws(Failure) {
        guard let place = heldBodies.place(for: call.client) else { throw .inDoubt }
        call.answer(.inDoubt, after: call.settings.completionTime)
        completions.submit(client: call.client.description) {
            defer { withExtendedLifetime(place) {} }
            do throws(Failure) {
                if try self.take(request, content, use, call) { return }
                throw .notStored(cause: "the upload ended in another process")
            } catch {
                call.answer(self.refuseIfFinal(SentChunk(request), call, error))
            }
        }
    }

    /// Stores the request's chunk and sees to its answer. Returns `false` if the upload has ended in another process.
    private func take(
        _ request: UploadRequest, _ content: Content, _ use: ActiveUpload.Use, _ call: Call
    ) throws(Failure) -> Bool {
        let upload = use.upload
        let hadChunks = upload.hasChunks
        do throws(Failure) {
            switch try store(request, content, in: upload, call) {
            case .stored:
                proceedInStep(use, call, request)
            case .over(let outcome):
                use.end()
                answer(call, request, outcome)
            case .endedElsewhere:
                settle(upload)
                use.end()
                return false
            }
            return true
        } catch {
            // It may have kept others from completing the file.
            if let held = upload.takeCompletionForHeld() {
                startCompletion(upload, draft(held.request, settings, of: upload))
            }
            use.end()
            discardIfEmpty(upload)
            throw hadChunks || upload.hasChunks ? error.whereChunksAre : error
        }
    }

    // MARK: - Decide, reply

    /// Bytes that may wait to be digested or compared before a reply waits for them, and for how many seconds at most.
    private static let lag = 16 * 1024 * 1024
    private static let lagPatience = 10.0

    /// Goes on when digest and comparison are not far behind: a page goes no faster than they do. No thread waits for it.
    private func proceedInStep(_ use: ActiveUpload.Use, _ call: Call, _ request: UploadRequest) {
        let upload = use.upload
        // At the end the completion waits. Where the requests that bring the last chunks but one all waited here, they would
        // then wait for the last one, which their page sends when it has a reply. Where too many wait, another one has to later.
        guard !upload.isNearlyWhole, let bytes = upload.openBytes, let place = held.place(for: call.client) else {
            return proceed(use, call, request)
        }
        let goOn = { @Sendable in
            DispatchQueue.global().async {
                withExtendedLifetime(place) { self.proceed(use, call, request) }
            }
        }
        if !bytes.whenBehind(atMost: Self.lag, within: Self.lagPatience, goOn) { proceed(use, call, request) }
    }

    /// Completes the file, answers, or lets the call wait for another to complete it.
    private func proceed(_ use: ActiveUpload.Use, _ call: Call, _ request: UploadRequest) {
        let upload = use.upload
        switch upload.decide(call, request, use, { held.place(for: call.client) }) {
        case .complete(let number):
            startCompletion(upload, draft(request, call.settings, of: upload))
            guard let number else {
                use.end()
                return call.answer(Failure.completing)
            }
            // Most are done by then, and nothing of them is kept.
            let time = call.settings.completionTime
            let soon = min(time, Self.soon)
            DispatchQueue.global().asyncAfter(deadline: .now() + soon / .seconds(1)) { [weak upload] in
                if let upload { self.giveUp(number, of: upload, after: time - soon) }
            }
        case .held(let number):
            let settings = call.settings
            DispatchQueue.global().asyncAfter(deadline: .now() + settings.holdTime / .seconds(1)) {
                switch upload.expire(number) {
                case .partial(let held): self.answerPartial(held.use, held.call, held.request)
                case .waits: self.giveUp(number, of: upload, after: settings.completionTime - settings.holdTime)
                case .over: break
                }
            }
        case .partial:
            answerPartial(use, call, request)
        case .over(let outcome):
            use.end()
            answer(call, request, outcome)
        }
    }

    /// A file is complete by then unless it is large or the disk slow.
    private static let soon = Duration.seconds(1)

    /// Answers a call that still waits for the completion after that time. It is sent again, and finds the work done.
    private func giveUp(_ number: Int, of upload: ActiveUpload, after time: Duration) {
        DispatchQueue.global().asyncAfter(deadline: .now() + max(0, time / .seconds(1))) { [weak upload] in
            guard let upload, let late = upload.giveUp(number) else { return }
            late.use.end()
            late.call.answer(Failure.completing)
        }
    }

    /// Completes a whole upload, which the caller was chosen for, beside the threads of requests.
    private func startCompletion(_ upload: ActiveUpload, _ draft: VideoDraft) {
        completions.submit(client: upload.record.client) { _ = self.complete(upload, draft) }
    }

    private func answerPartial(_ use: ActiveUpload.Use, _ call: Call, _ request: UploadRequest) {
        use.end()
        call.answer(call.format.stored(request, videoID: use.upload.record.videoID))
        use.upload.partialReplyWritten()
    }
}

// MARK: - A chunk

/// upload_file, storing a chunk: claim, lock, write, sync, record.
extension IntakeService {
    /// What became of a request's chunk.
    enum Storing {
        /// Its bytes and its record are where the durability setting wants them, by this request or an earlier one.
        case stored
        /// The upload has ended meanwhile, like this.
        case over(ActiveUpload.Outcome)
        /// The upload has ended in another process, or expired.
        case endedElsewhere
    }

    func store(
        _ request: UploadRequest, _ content: Content, in upload: ActiveUpload, _ call: Call
    ) throws(Failure) -> Storing {
        let chunk = request.chunk
        let sender = ActiveUpload.Sender(guid: request.guid, address: call.exchange.address)
        let range = try place(request, in: upload, call.settings)
        guard let bytes = try open(upload) else { return .endedElsewhere }

        switch upload.claim(chunk) {
        case .over(let outcome): return .over(outcome)
        case .hold: return .stored
        case .busy: preconditionFailure("a claim waits while another request writes the chunk")
        case .write, .compare: break
        }
        var isKept = false
        defer { if !isKept { upload.release(chunk) } }

        switch try write(request, content, from: sender, to: bytes, range, in: upload) {
        case .before:
            // Where there is no room for that, a refused page begins anew one reply later.
            if chunk == 0 { try? catalogue.noteFirstChunk(guid: request.guid, upload: upload.record.id) }
            return .stored
        case .never: return .endedElsewhere
        case .now(let stored, let count):
            upload.stored(stored, by: sender)
            isKept = true
            // Another process stores chunks of this upload too.
            if count > upload.recordedHere {
                upload.merge(try recording(catalogue.chunks(ofUpload: upload.record.id)))
            }
            return .stored
        }
    }

    /// Whether a chunk is recorded.
    private enum Recorded {
        /// By this request; `count` chunks are recorded now.
        case now(StoredChunk, count: Int)
        /// By an earlier request, with the same bytes.
        case before
        /// Its upload is no longer open.
        case never
    }

    /// Writes the claimed chunk's bytes to their place, then its record.
    private func write(
        _ request: UploadRequest, _ content: Content, from sender: ActiveUpload.Sender, to bytes: any UploadBytes,
        _ range: Range<Int>, in upload: ActiveUpload
    ) throws(Failure) -> Recorded {
        let chunk = request.chunk
        // Against another process that completes this file; the claim is against threads of this one.
        guard let turn = try storing(bytes.turn(at: range)) else { return .never }
        if let stored = upload.stored(chunk: chunk) {
            let holds = try storing(bytes.holds(content, at: range.lowerBound))
            let isSame = holds && stored.length == range.count
            if isSame, stored.crc32c != nil || turn.isPublished { return .before }
            guard !turn.isPublished else { throw .notStored(cause: "the file is about to be a video's") }
            if !isSame { noteReplaced(chunk, of: upload, by: sender) }
            upload.replace(chunk)
            try recording(catalogue.doubt(chunk: chunk, upload: upload.record.id))
        } else {
            // Of a file whose size is not known, and of content that the owner has already, nothing was promised.
            if upload.record.isKnown || upload.record.key.size == nil { try makeRoom(for: range.count, in: upload) }
            try storing(store.checkRoom(for: range.count, withBodies: false))
        }
        // Until they are recorded these bytes are both taken and promised.
        unrecorded.add(range.count, ordering: .relaxed)
        defer { unrecorded.subtract(range.count, ordering: .relaxed) }
        try changing(upload) { () throws(StoreError) in try bytes.put(content, at: range) }
        return try record(request, in: upload)
    }

    /// Within one owner pages trust each other; what one does to another's upload is to be seen.
    private func noteReplaced(_ chunk: Int, of upload: ActiveUpload, by sender: ActiveUpload.Sender) {
        let before = upload.sender(ofChunk: chunk)
        if let before, before.guid == sender.guid { return }
        guard let count = log.replacements.take() else { return }
        log.logger.notice(
            "a chunk came again with other bytes, from another page",
            metadata: [
                "upload": "\(upload.record.id)", "chunk": "\(chunk)", "from": "\(sender)",
                "before": "\(before?.description ?? "unknown")", "times": "\(count)",
            ])
    }

    private func record(_ request: UploadRequest, in upload: ActiveUpload) throws(Failure) -> Recorded {
        let chunk = StoredChunk(number: request.chunk, length: request.file.length, crc32c: request.file.crc32c)
        let record = ChunkRecord(
            upload: upload.record.id, guid: request.guid, overlaps: guidRequests.overlap(GuidKey(request)),
            chunk: chunk, time: uploadTime)
        do throws(Failure) {
            return try recording(records.submit(record)).map { .now(chunk, count: $0) } ?? .never
        } catch {
            throw error.whereChunksAre
        }
    }

    /// Where a request's chunk belongs.
    private func place(
        _ request: UploadRequest, in upload: ActiveUpload, _ settings: IntakeSettings
    ) throws(Failure) -> Range<Int> {
        do throws(ChunkLayout.Contradiction) {
            return try upload.layout.range(
                ofChunk: request.chunk, length: request.file.length, sizeLimit: settings.sizeLimit)
        } catch {
            // Of several chunks: the only one is as long as its file.
            throw .length
        }
    }
}
