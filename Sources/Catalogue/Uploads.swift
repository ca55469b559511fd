import Model

extension Catalogue {
    /// The upload that a request belongs to: the finished one of its guid, the unfinished one of its key, or a new one,
    /// which others may have to give way to. A guid that is refused gets its refusal.
    ///
    /// The draft's guid becomes an alias of the upload. It goes on with another upload of the same file, with chunks of another
    /// length, only with its first chunk, or where that other one has no chunk: the page would take chunks that are in two
    /// uploads for one whole file. An upload whose life is over counts as gone.
    /// - Parameters:
    ///   - key: without a chunk size, the last upload that there is with the rest.
    ///   - isFirst: whether the request brings the first chunk.
    ///   - draft: what a new upload's video will be called.
    ///   - bootID: the boot of the machine in which a new upload's chunks will be good.
    ///   - terms: on what a new one may begin.
    package func beginUpload(
        _ key: UploadKey, isFirst: Bool, draft: VideoDraft, bootID: String, terms: UploadTerms, expiry: UploadExpiry
    ) throws(CatalogueError) -> UploadStart {
        // Most requests of a refused guid end here, without a turn to write.
        if !isFirst,
            let refusal = try read({
                try $0.refusal(owner: key.owner, md5: key.md5, guid: draft.guid, after: expiry.full)
            })
        {
            return .refused(refusal)
        }
        try driver.checkGrowth()
        return try write { rows in
            let request = BeginningRequest(
                key: key, isFirst: isFirst, draft: draft, bootID: bootID, terms: terms, expiry: expiry)
            return try request.begin(in: rows)
        }
    }

    /// The unfinished uploads with this key, or with any chunk size if it has none, and the chunks that each has, at one
    /// moment; the newest first.
    package func unfinishedUploads(
        _ key: UploadKey, expiry: UploadExpiry, limit: Int
    ) throws(CatalogueError) -> [(upload: Upload, chunks: [StoredChunk])] {
        try read { rows in
            try rows.unfinishedUploads(key, limit: limit).filter { !expiry.isOver($0) }.map {
                ($0, try rows.chunks(ofUpload: $0.id))
            }
        }
    }

    /// By number.
    package func openUploads() throws(CatalogueError) -> [Upload] { try read { try $0.openUploads(idleSince: nil) } }

    /// Which of these uploads the catalogue has, and in which state.
    package func states(ofUploads ids: [Int64]) throws(CatalogueError) -> [Int64: Upload.State] {
        try read { try $0.states(ofUploads: ids) }
    }

    /// The video that a sealed upload has become.
    package func video(ofUpload id: Int64) throws(CatalogueError) -> Video? {
        try read { rows in try rows.videoNumber(ofSealed: id).flatMap { try rows.video(id: $0) } }
    }

    package func chunks(ofUpload id: Int64) throws(CatalogueError) -> [StoredChunk] {
        try read { try $0.chunks(ofUpload: id) }
    }

    /// Records chunks whose bytes are stored, each in place of an earlier one, in one transaction.
    /// - Returns: for each how many different chunks its upload now has, `nil` if that is no longer open.
    package func record(_ chunks: [ChunkRecord], durably: Bool) throws(CatalogueError) -> [Int?] {
        try driver.checkGrowth()
        return try driver.write(durably: durably) { try $0.record(chunks) }
    }

    /// A guid's own first chunk has come, which the upload had already.
    package func noteFirstChunk(guid: String, upload id: Int64) throws(CatalogueError) {
        try write { try $0.setFirstCame(guid, upload: id) }
    }

    /// A chunk's bytes are about to be replaced, and it loses its checksum. It counts all the same: the page that it was
    /// acknowledged to does not send it again, and if its new bytes are never recorded the digest of the file tells.
    package func doubt(chunk: Int, upload id: Int64) throws(CatalogueError) {
        try deleting { try $0.deleteChecksum(chunk: chunk, upload: id) }
    }

    /// Forgets a chunk whose bytes are lost.
    package func forget(chunk: Int, upload id: Int64) throws(CatalogueError) {
        try deleting { try $0.deleteChunk(chunk, upload: id) }
    }

    /// Records the name of an open upload's video, before its file gets that name.
    /// - Returns: whether it may have the name: `false` if that is garbage, or another video's.
    package func setDraft(_ draft: VideoDraft, upload id: Int64) throws(CatalogueError) -> Bool {
        try write { rows in
            guard try !rows.hasVideo(at: draft.path), try !rows.isGarbage(draft.path) else { return false }
            return try rows.setDraft(draft, upload: id)
        }
    }

    /// Puts an upload's chunks in doubt: they must be compared with their checksums before they count.
    package func distrust(upload id: Int64) throws(CatalogueError) {
        _ = try deleting { try $0.setBoot("", upload: id, replacing: nil) }
    }

    /// Ends the doubt about an upload's chunks: all are good but those that are lost, which are forgotten.
    /// - Parameter bootID: the boot of the machine in which they are good.
    /// - Returns: whether it was so: `false` if another process has found out already, and nothing is changed.
    package func trust(_ upload: Upload, bootID: String, lost: [StoredChunk]) throws(CatalogueError) -> Bool {
        try deleting { rows in
            guard try rows.setBoot(bootID, upload: upload.id, replacing: upload.bootID) else { return false }
            // Not one that has come again meanwhile.
            try rows.deleteChunks(lost, upload: upload.id)
            return true
        }
    }

    /// Forgets an unfinished upload that has no chunk. Returns whether it was so.
    package func discardEmpty(upload id: Int64) throws(CatalogueError) -> Bool {
        try deleting { try $0.deleteEmptyUpload(id: id) }
    }

    /// The refusal of a guid that stands for an upload of this owner and content.
    package func refusal(of key: UploadKey, guid: String) throws(CatalogueError) -> Refusal? {
        try read { try $0.refusal(owner: key.owner, md5: key.md5, guid: guid, after: .min) }
    }

    /// Notes of a refusal that a request with another chunk than the first has met it.
    /// - Returns: whether the guid is still refused: `false` if its first chunk has begun anew since the refusal was read.
    package func note(_ terms: UploadTerms, of refusal: Refusal) -> Bool {
        // Where there is no room for that the guid stays refused all the same.
        !refusal.isNews(terms) || (try? write { try $0.note(terms, of: refusal) }) != false
    }

    /// Forgets an unfinished upload and its chunks; its guids are refused from now on.
    /// - Returns: its bytes that count as on their way off the disk, until `noteRemoved`.
    package func discard(upload id: Int64, reason: String, now: Int64) throws(CatalogueError) -> Int {
        try deleting { rows in
            guard try rows.states(ofUploads: [id])[id] == .open else { return 0 }
            return try rows.retire([id], reason: reason, now: now)
        }
    }
}

/// A request that may begin an upload.
private struct BeginningRequest {
    let key: UploadKey
    let isFirst: Bool
    let draft: VideoDraft
    let bootID: String
    let terms: UploadTerms
    let expiry: UploadExpiry

    func begin(in rows: any CatalogueRows) throws -> UploadStart {
        var expired: [ExpiredUpload] = []
        var found = try rows.beginning(key, guid: draft.guid, after: expiry.full)
        if let (number, video) = found.sealed {
            if let video { return .sealed(video) }
            // Its record was deleted by SQL.
            try rows.retire(rows.sealedUploads(video: number), reason: Refusal.expired, now: expiry.now)
            found = try rows.beginning(key, guid: draft.guid, after: expiry.full)
        }
        if let upload = found.unfinished, expiry.isOver(upload) {
            expired.append(ExpiredUpload(id: upload.id, path: upload.draft.path))
            try rows.retire([upload.id], reason: Refusal.expired, now: expiry.now)
            found = try rows.beginning(key, guid: draft.guid, after: expiry.full)
            found.unfinished = nil
        }
        if let reason = terms.refusal {
            let refusal = refusal(reason, isFirst: isFirst)
            return .refused(refusal, expired: expired + (try rows.refuse(refusal)))
        }
        if let refusal = found.refusal, try !rows.ends(refusal, isFirst: isFirst, terms) {
            return .refused(refusal, expired: expired)
        }
        // One whose life is over has no chunk that counts.
        let withChunks = found.others.filter { $0.upload.received > 0 && $0.upload.updateTime > expiry.full }
        guard isFirst || withChunks.isEmpty else { return .otherChunkSize }
        if withChunks.contains(where: { !$0.firstCame }) {
            // Chunks of the guid that its page takes for stored are of no use with this one.
            let refusal = refusal(Refusal.expired, isFirst: true)
            return .refused(refusal, expired: expired + (try rows.refuse(refusal)))
        }
        let left = found.others.map(\.upload.id)
        if !left.isEmpty { try rows.deleteAlias(draft.guid, uploads: left) }
        if let upload = found.unfinished {
            try rows.addAlias(draft.guid, to: upload, now: expiry.now)
            return .unfinished(upload, expired: [], left: left)
        }
        guard key.chunkSize != nil else { return .unplaced }
        let known = try key.size.flatMap { try rows.video(owner: key.owner, md5: key.md5, size: $0) }
        let admittance =
            try terms.permit.isGiven()
            ? rows.admit(
                Admission.Request(client: terms.client, bytes: known == nil ? key.size ?? 0 : 0), room: terms.room(),
                limits: terms.limits, now: expiry.now)
            : .refused(.quota(.records), comesFree: false)
        switch admittance {
        case .refused(let reason, comesFree: true):
            return .awaitsRoom(reason, expired: expired)
        case .refused(let reason, comesFree: false):
            let refusal = refusal(Refusal.reason(reason), isFirst: isFirst)
            if refusal.isRecorded { try rows.refuse([refusal], mergesFlags: true) }
            return .refused(refusal, expired: expired)
        case .admitted(let evicted): expired += evicted
        }
        terms.permit.use()
        let new = NewUpload(
            key: key, videoID: try rows.nextVideoNumber(), client: terms.client, isKnown: known != nil, draft: draft,
            bootID: bootID)
        let upload = try rows.insertUpload(new, time: expiry.now)
        try rows.addAlias(draft.guid, to: upload, now: expiry.now)
        return .unfinished(upload, expired: expired, left: left)
    }

    /// The refusal of its guid. Nothing follows a whole file, and where the reserve is touched there is no room for a row.
    private func refusal(_ reason: String, isFirst: Bool) -> Refusal {
        Refusal(
            owner: key.owner, md5: key.md5, guid: draft.guid, reason: reason, hasFirst: isFirst,
            overlaps: terms.overlaps, otherChunk: isFirst ? 0 : terms.chunk, client: terms.client, time: expiry.now,
            isRecorded: key.chunks > 1 && terms.room().free > 0)
    }
}

extension CatalogueRows {
    /// Makes a guid an alias of an upload, which loses its oldest one where there are too many: that one is refused, because
    /// its page counts chunks as stored and would never learn that the file is complete.
    fileprivate func addAlias(_ guid: String, to upload: Upload, now: Int64) throws {
        guard try insertAlias(guid, upload: upload.id) else { return }
        let lost = try deleteAliases(ofUpload: upload.id, keeping: Upload.aliasLimit)
        try refuse(
            lost.map { alias in
                Refusal(
                    owner: upload.key.owner, md5: upload.key.md5, guid: alias.guid, reason: Refusal.expired,
                    hasFirst: alias.firstCame, overlaps: alias.overlapped, client: Client(recorded: upload.client),
                    time: now, isRecorded: true)
            }, mergesFlags: true)
    }
}
