import Catalogue
import ChunkStore
import Logging
import System
import Uploads

/// What a crash or a reboot leaves, and how it is taken up again.
extension IntakeService {
    /// Puts the store and the catalogue in step; call it before the first request. Its time does not grow with the sizes
    /// of the uploads.
    ///
    /// - Returns: the uploads that `takeUp` should look at; requests for them need not wait for it.
    package func recover() throws(CatalogueError) -> [Upload] {
        let files: [IncomingFile]
        do throws(SystemError) {
            files = try store.incomingFiles()
        } catch {
            throw CatalogueError(.failed, "cannot list the unfinished uploads: \(error)")
        }
        let stored = Set(files.compactMap(\.upload))
        let uploads = try catalogue.openUploads()
        for upload in uploads where upload.received > 0 && !stored.contains(upload.id) && !hasOriginal(upload) {
            logger.error(
                "an unfinished upload's file is lost: it starts afresh",
                metadata: ["file": "incoming/\(upload.id).part"])
            _ = try catalogue.trust(upload, bootID: bootID, lost: try catalogue.chunks(ofUpload: upload.id))
        }
        let left = uploads.filter { stored.contains($0.id) || hasOriginal($0) }
        let doubtful = left.count { $0.bootID != bootID }
        if !left.isEmpty {
            logger.notice(
                "recovered unfinished uploads", metadata: ["uploads": "\(left.count)", "to_be_compared": "\(doubtful)"])
        }
        return left.filter { $0.bootID != bootID || $0.isWhole }
    }

    /// Compares with their checksums the chunks that are in doubt, and completes what is whole: one upload after the
    /// other, while requests are served.
    package func takeUp(_ records: [Upload]) {
        for record in records {
            let upload = uploads.begin(record, guid: record.draft.guid, settings)
            do throws(Failure) {
                // A request may have completed it meanwhile.
                if try open(upload) != nil, !record.draft.path.isEmpty, upload.takeCompletion() {
                    let outcome = complete(upload, record.draft, client: "owner:\(record.key.owner)")
                    if case .failed(let failure) = outcome { throw failure }
                    logger.notice("completed an upload that was whole", metadata: ["upload": "\(record.id)"])
                }
            } catch {
                logger.error(
                    "cannot take up an upload",
                    metadata: ["upload": "\(record.id)", "cause": "\(error.cause ?? error.reason.rawValue)"])
            }
            upload.end()
            uploads.close(upload)
        }
    }

    /// The chunks of an upload that can be relied upon, of those that are recorded.
    ///
    /// After a boot, or a failed sync, each is compared with its checksum, and those whose bytes are not there are
    /// forgotten.
    func verified(
        _ chunks: [StoredChunk], of active: ActiveUpload, in file: StoredFile
    ) throws(Failure) -> [StoredChunk] {
        let upload = active.record
        let isDoubtful = upload.bootID != bootID
        // A chunk of a file of unknown size may have been on its way to its place.
        guard isDoubtful || upload.key.size == nil else { return chunks }
        let layout = ChunkLayout(upload)
        var good: [StoredChunk] = []
        var lost: [StoredChunk] = []
        for chunk in chunks {
            let mayBeParked = upload.key.size == nil && chunk.number == layout.chunks - 1
            if !isDoubtful && !mayBeParked {
                good.append(chunk)
            } else if isThere(chunk, layout.range(of: chunk.number), active, file) {
                good.append(chunk)
            } else {
                lost.append(chunk)
            }
        }
        if !lost.isEmpty {
            logger.warning(
                "chunks are lost and must come again",
                metadata: ["upload": "\(upload.id)", "lost": "\(lost.count)", "kept": "\(good.count)"])
        }
        guard isDoubtful || !lost.isEmpty else { return good }
        guard try recording(catalogue.trust(upload, bootID: bootID, lost: lost)) else {
            return try recording(catalogue.chunks(ofUpload: upload.id))
        }
        return good
    }

    /// Whether a chunk's bytes are there, wherever they may be; nothing is changed.
    func has(_ chunk: StoredChunk, of upload: Upload, in file: StoredFile) -> Bool {
        let parkingPlace = ActiveUpload.parkingPlace(ofChunk: chunk.number, bodyLimit: settings.bodyLimit)
        let places = [
            ChunkLayout(upload).range(of: chunk.number)?.lowerBound, upload.key.size == nil ? parkingPlace : nil,
        ]
        return places.contains { place in
            place.map { (try? file.crc32c(of: $0..<$0 + chunk.length)) == chunk.crc32c } ?? false
        }
    }

    /// Whether a chunk's bytes are in its place, or can be brought there.
    private func isThere(
        _ chunk: StoredChunk, _ place: Range<Int>?, _ upload: ActiveUpload, _ file: StoredFile
    ) -> Bool {
        // They are written again where a sync may have lost them without the kernel knowing.
        let isRewritten = upload.record.bootID.isEmpty
        guard let checksum = chunk.crc32c else { return false }
        let parkingPlace = upload.parkingPlace(ofChunk: chunk.number)
        let parked = parkingPlace..<parkingPlace + chunk.length
        // Bytes that cannot be read are as good as none.
        func has(_ range: Range<Int>) -> Bool {
            range.count == chunk.length && (try? file.crc32c(of: range)) == checksum
        }
        func bring(_ range: Range<Int>, to offset: Int) -> Bool { (try? file.move(range, to: offset)) != nil }
        guard let place else { return has(parked) && (!isRewritten || bring(parked, to: parked.lowerBound)) }
        if has(place) { return !isRewritten || bring(place, to: place.lowerBound) }
        return has(parked) && bring(parked, to: place.lowerBound)
    }

    private func hasOriginal(_ upload: Upload) -> Bool {
        guard let path = upload.originalPath, let size = upload.key.size else { return false }
        return isThere(path, size: size)
    }
}

extension ChunkLayout {
    /// What is recorded of an upload's layout.
    fileprivate init(_ upload: Upload) {
        self.init(
            chunks: max(upload.key.chunks, 1), size: upload.key.size, chunkSize: upload.chunkSize,
            lastLength: upload.lastLength, sizeLimit: .max)
    }
}
