import Model

/// determine_video_exist and determine_chunk_exist: what is there already.
extension IntakeService {
    func determineVideoExist(_ call: Call) throws(Failure) -> Reply {
        let form = try readForm(call)
        guard let text = try form.nonEmpty("md5") else { throw .missingMD5 }
        let md5 = try checkedMD5(text)
        let size = try checkedSize(form, limit: call.settings.sizeLimit)
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
        let classID = try form.text("class_id").flatMap { Int64($0) }
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
        guard let text = try form.nonEmpty("md5") else { throw .missingMD5 }
        let md5 = try checkedMD5(text)
        guard let size = try checkedSize(form, limit: call.settings.sizeLimit) else {
            throw .malformed("size", .notEmpty)
        }
        let allowed = 1...call.settings.chunksLimit
        guard let chunks = try form.text("chunks").flatMap(decimalNumber), allowed.contains(chunks) else {
            throw .malformed("chunks", .number(allowed))
        }
        let chunk = try form.text("chunk").flatMap { $0.isEmpty ? nil : $0 }
        let number = chunk.flatMap(decimalNumber)
        guard chunk == nil || number.map({ $0 < chunks }) == true else {
            throw .malformed("chunk", .number(0...chunks - 1))
        }

        // The page begins anew, knowing what is there. Another one of the same content does not, which may count chunks as
        // stored that were refused.
        let guid = try form.nonEmpty("guid")
        refusedGuids.forget(owner: call.owner, md5: md5, guid: guid)
        try recording(catalogue.forgetRefusals(owner: call.owner, md5: md5, guid: guid))
        let chunkSize = try Self.chunkSize(form, limit: call.settings.sizeLimit)
        let key = UploadKey(owner: call.owner, md5: md5, extent: .size(size), chunks: chunks, chunkSize: chunkSize)
        // Thousands of rows may have to be read: not on a thread that is there for all clients.
        guard let place = held.place(for: call.client) else { throw .unavailable }
        questions.submit(client: call.client.description) {
            do throws(Failure) {
                try self.determineChunkExist(call, key, chunk: number, place)
            } catch {
                call.answer(error)
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
            for upload in doubtful {
                self.takeUp(upload) { self.completions.submit(client: upload.client, $0) }
            }
            do throws(Failure) {
                let found = try self.unfinished(key).filter { $0.upload.bootID == self.store.incarnation }
                call.answer(self.reply(call, key, number, found))
            } catch {
                call.answer(error)
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

    /// The parameter `chunk_size`, `nil` if it is absent or `""`.
    private static func chunkSize(_ form: RequestForm, limit: Int) throws(Failure) -> Int? {
        guard let text = try form.text("chunk_size"), !text.isEmpty else { return nil }
        guard let size = decimalNumber(text), (1...limit).contains(size) else {
            throw .malformed("chunk_size", .bytes(1...limit))
        }
        return size
    }
}
