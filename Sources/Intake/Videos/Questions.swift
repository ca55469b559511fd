import Model

/// determine_video_exist, determine_chunk_exist, list_class, video_info and the page that plays a video: what is there.
extension IntakeService {
    func determineVideoExist(_ call: Call) throws(Failure) -> Reply {
        let form = try readForm(call)
        let md5 = try form.md5()
        let size = try form.number("size", in: 1...call.settings.sizeLimit, FieldRule.bytes)
        guard let video = try recording(videos.video(owner: call.owner, md5: md5, size: size)) else {
            return call.format.noVideo
        }
        guard store.publishedLength(video.path) == video.size else {
            // Another process may have deleted it.
            videos.noteRecorded(video)
            if try recording(catalogue.hasVideo(atPath: video.path)) {
                // The page goes on, and the upload brings the file back.
                log.noteLost(video.path)
            }
            return call.format.noVideo
        }
        guard let name = try form.videoName() else { return call.format.existing(video) }
        let classID = try form.classID()
        let guid = try form.nonEmpty("guid")
        let permit = recordRate.permit(for: call.client)
        let copy = try recording(
            catalogue.copy(video, name: name, classID: classID, guid: guid, now: now, permit: permit))
        guard let copy else {
            videos.noteRecorded(video)
            return call.format.noVideo
        }
        return call.format.existing(copy)
    }

    func determineChunkExist(_ call: Call) throws(Failure) {
        let form = try readForm(call)
        let md5 = try form.md5()
        let sizes = 1...call.settings.sizeLimit
        guard let size = try form.number("size", in: sizes, FieldRule.bytes) else {
            throw .malformed("size", .notEmpty)
        }
        let allowed = 1...call.settings.chunksLimit
        guard let chunks = try form.number("chunks", in: allowed) else { throw .malformed("chunks", .number(allowed)) }
        let number = try form.number("chunk", in: 0...chunks - 1)

        // The page begins anew, knowing what is there. Another one of the same content does not, which may count chunks as
        // stored that were refused.
        let guid = try form.nonEmpty("guid")
        refusedGuids.forget(owner: call.owner, md5: md5, guid: guid)
        try recording(catalogue.forgetRefusals(owner: call.owner, md5: md5, guid: guid))
        let chunkSize = try form.number("chunk_size", in: sizes, FieldRule.bytes)
        let key = UploadKey(owner: call.owner, md5: md5, extent: .size(size), chunks: chunks, chunkSize: chunkSize)
        // Thousands of rows may have to be read: not on a thread that is there for all clients.
        guard let place = held.place(for: call.client) else { throw .unavailable }
        questions.submit(client: call.client.description) {
            call.answerFailure { () throws(Failure) in
                try self.determineChunkExist(call, key, chunk: number, place)
            }
        }
    }

    private func determineChunkExist(
        _ call: Call, _ key: UploadKey, chunk number: Int?, _ place: HeldCalls.Place
    ) throws(Failure) {
        let found = try unfinished(key)
        let doubtful = found.map(\.upload).filter { $0.bootID != store.incarnation }
        if doubtful.isEmpty { return call.answer(reply(call, key, number, found)) }
        // Nothing in doubt is reported, and all of it has to be read.
        call.answer(.inDoubt, after: call.settings.completionTime)
        completions.submit(client: call.client.description) {
            defer { withExtendedLifetime(place) {} }
            for upload in doubtful { self.takeUp(upload) { self.completions.submit(client: upload.client, $0) } }
            call.answerFailure { () throws(Failure) in
                let found = try self.unfinished(key).filter { $0.upload.bootID == self.store.incarnation }
                call.answer(self.reply(call, key, number, found))
            }
        }
    }

    /// What is there of a file, or whether one chunk is.
    private func reply(_ call: Call, _ key: UploadKey, _ chunk: Int?, _ found: [Unfinished]) -> Reply {
        guard let received = received(found, key, usual: call.settings.chunkSize) else { return call.format.noUpload }
        if let chunk { return call.format.chunk(exists: received.contains(chunk)) }
        return call.format.chunks(key.chunks, received: received.ranges)
    }

    /// Uploads of one file, with chunks of different lengths, that are looked at.
    private static let uploadsLookedAt = 8

    private typealias Unfinished = (upload: Upload, chunks: [StoredChunk])

    /// The uploads with this key that are under way; without a chunk size, those of the file.
    private func unfinished(_ key: UploadKey) throws(Failure) -> [Unfinished] {
        try recording(catalogue.unfinishedUploads(key, expiry: expiry, limit: Self.uploadsLookedAt)).filter {
            $0.upload.state == .open
        }
    }

    /// The chunks that a page need not send, `nil` if no upload is under way.
    ///
    /// - Parameter usual: the chunk size of most pages: that of the page which does not say its own.
    private func received(_ found: [Unfinished], _ key: UploadKey, usual: Int) -> ChunkSet? {
        var found = found
        if let theirs = found.first(where: { $0.upload.key.chunkSize == usual }) { found = [theirs] }
        guard !found.isEmpty else { return nil }
        // Which of several it is, is unknown: what all of them have is in the right one, whichever that is.
        var count: [Int: Int] = [:]
        for chunk in found.flatMap(\.chunks) { count[chunk.number, default: 0] += 1 }
        var received = ChunkSet(chunks: key.chunks)
        guard found.count < Self.uploadsLookedAt else { return received }
        for (chunk, uploads) in count where uploads == found.count { received.insert(chunk) }
        return received
    }

    // MARK: - list_class, video_info, play

    func listClass(_ call: Call) throws(Failure) -> Reply {
        call.format.classes(try recording(catalogue.classes()), call.settings)
    }

    func videoInfo(_ call: Call) throws(Failure) -> Reply {
        guard let id = try videoID(readForm(call)) else { throw .malformed("video_id", .positive) }
        guard let video = try recording(catalogue.video(id: id, owner: call.owner)) else {
            return call.format.noVideo
        }
        return call.format.info(video)
    }

    /// Lets nginx send the page, which asks for the rest, or its page for HTTP 404.
    func playPage(_ call: Call) throws(Failure) -> Reply {
        guard let id = try videoID(readForm(call)),
            try recording(catalogue.video(id: id, owner: call.owner)) != nil
        else { throw .noSuchVideo }
        return Reply(
            code: 1, message: "ok", header: ("X-Accel-Redirect", "/play/index.html"),
            contentType: "text/html; charset=utf-8")
    }

    private func videoID(_ form: RequestForm) throws(Failure) -> Int64? {
        try form.text("video_id").flatMap(decimalNumber).flatMap { $0 > 0 ? Int64($0) : nil }
    }
}
