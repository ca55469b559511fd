import Catalogue
import Uploads

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
        guard isThere(video.path, size: video.size) else {
            // Another process may have deleted it.
            videos.noteRecorded(video)
            if try recording(catalogue.hasVideo(atPath: video.path)) {
                // The page goes on, and the upload brings the file back.
                noteLost(video.path)
            }
            return call.format.noVideo
        }
        guard let name = try form.videoName() else { return call.format.existing(video) }
        let classID = try form.text("class_id").flatMap { Int64($0) }
        let guid = try form.nonEmpty("guid")
        let copy = try recording(catalogue.copy(video, name: name, classID: classID, guid: guid, now: now))
        guard let copy else {
            videos.noteRecorded(video)
            return call.format.noVideo
        }
        return call.format.existing(copy)
    }

    func determineChunkExist(_ call: Call) throws(Failure) -> Reply {
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

        let key = UploadKey(owner: call.owner, md5: md5, extent: .size(size), chunks: chunks)
        var found = try recording(catalogue.unfinishedUpload(key, expiry: expiry))
        // Nothing in doubt is reported.
        if let doubtful = found?.upload, doubtful.state == .open, doubtful.bootID != bootID {
            takeUp([doubtful])
            found = try recording(catalogue.unfinishedUpload(key, expiry: expiry))
        }
        guard let found, found.upload.state == .open, found.upload.bootID == bootID else {
            return call.format.noUpload
        }
        var received = ChunkSet(chunks: chunks)
        for chunk in found.chunks { received.insert(chunk.number) }
        if let number { return call.format.chunk(exists: received.contains(number)) }
        return call.format.chunks(chunks, received: received.ranges)
    }
}
