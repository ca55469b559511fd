import Model

extension Catalogue {
    /// Commits a finished upload: its record and its end, in one durable transaction.
    ///
    /// The draft's file is the upload's own, published under the name that `setDraft` took, or that of a record with the same
    /// bytes. The same client's other unfinished uploads of the content become the same video.
    /// - Parameters:
    ///   - size: bytes.
    ///   - duration: seconds; `nil` if it is found out later, with `setDuration`.
    ///   - known: the files of this content with which the upload's bytes were compared.
    ///   - uploadTime: now, by `clock`.
    ///   - isPublished: whether the file is there; asked while no deletion can take it away. `isOwners`: all records that
    ///     point to it are of the upload's owner and content, or there is none.
    package func seal(
        upload id: Int64, as draft: VideoDraft, size: Int, duration: Double?, knowing known: Set<String>, now: Int64,
        uploadTime: Int64, isPublished: (_ path: String, _ isOwners: Bool) -> Bool
    ) throws(CatalogueError) -> Sealing {
        try driver.write(durably: true) { rows in
            let facts = try rows.sealing(upload: id, path: draft.path, size: size, filesLimit: Video.knownFilesLimit)
            guard let facts else { return .gone }
            let (upload, owner, md5) = (facts.upload, facts.upload.key.owner, facts.upload.key.md5)
            guard upload.state == .open else {
                return try rows.video(id: upload.videoID).map { .sealed($0, others: []) } ?? .gone
            }
            guard known.isSuperset(of: facts.files) else { return .unknownFiles }
            guard facts.first.map({ $0.md5 == md5 && $0.size == size }) ?? (upload.draft.path == draft.path),
                try !rows.isGarbage(draft.path), isPublished(draft.path, !facts.isOthers)
            else { return .pathLost }
            // Another video was inserted with this number by SQL since the upload began.
            let videoID = try facts.isNumberTaken ? rows.renumber(upload: id) : upload.videoID
            let others = try rows.sealSiblings(of: upload, size: size, as: videoID, now: uploadTime)
            try rows.seal(uploads: [id], video: videoID, time: uploadTime)
            // Its own bytes go, unless they are those that a lost file becomes.
            if facts.first != nil { try rows.noteFreed(size, now: uploadTime) }
            let video = try record(
                videoID, client: upload.client, owner: owner, md5: md5, draft, size: size,
                duration: facts.first?.duration ?? duration, now: now, in: rows)
            return .sealed(video, others: others)
        }
    }

    /// The finished uploads that have become a video.
    package func sealedUploads(video id: Int64) throws(CatalogueError) -> [Int64] {
        try read { try $0.sealedUploads(video: id) }
    }

    /// Deletes a record, and with the last one that points to a file the file's job and media, durably.
    ///
    /// The guids of the uploads that have become this video are refused from now on.
    /// - Returns: what no record points to any more: garbage from then on. `nil` if there is no such video.
    package func deleteVideo(id: Int64, now: Int64) throws(CatalogueError) -> [Garbage]? {
        let uploadTime = clock
        return try driver.deleting(durably: true) { rows in
            guard let video = try rows.video(id: id) else { return nil }
            try rows.deleteVideo(id: id)
            try rows.retire(rows.sealedUploads(video: id), reason: Refusal.expired, now: uploadTime)
            guard try !rows.hasVideo(at: video.path) else { return [] }
            try rows.noteFreed(video.size, now: uploadTime)
            if let job = try rows.job(ofFile: video.path), job.state == .running { try rows.abandon(job, now: now) }
            try rows.deleteJob(ofFile: video.path)
            try rows.deleteMedia(ofFile: video.path)
            let directory = StorageLayout.results(ofOriginal: video.path)
            let elsewhere = (video.media?.paths ?? []).filter { !$0.hasPrefix(directory + "/") && $0 != video.path }
            return try rows.insertGarbage([video.path, directory] + elsewhere, time: now, notBefore: 0, events: nil)
        }
    }

    /// Forgets uploads whose life is over; the guids of unfinished ones are refused from now on.
    ///
    /// Not more at once than fits a transaction on a full disk; `isPart` says whether to call it again, when their files are
    /// removed.
    /// - Parameter isDryRun: only finds them, all of them.
    package func expireUploads(_ expiry: UploadExpiry, isDryRun: Bool) throws(CatalogueError) -> ExpiredUploads {
        if isDryRun {
            return try read { rows in
                ExpiredUploads(
                    unfinished: try rows.openUploads(over: expiry, limit: .max).some, isPart: false,
                    sealed: try rows.countSealedUploads(upTo: expiry.full))
            }
        }
        return try deleting { rows in
            let batch = ExpiredUploads.batch
            let (unfinished, isAll) = try rows.openUploads(over: expiry, limit: batch)
            try rows.retire(unfinished.map(\.id), reason: Refusal.expired, now: expiry.now)
            let sealed = try rows.deleteSealedUploads(upTo: expiry.full, limit: batch - unfinished.count)
            let refusals = try rows.deleteRefusals(upTo: expiry.full, limit: batch)
            let isPart = refusals == batch || unfinished.count + sealed == batch || !isAll
            return ExpiredUploads(unfinished: unfinished, isPart: isPart, sealed: sealed)
        }
    }
}

extension ExpiredUploads {
    /// Uploads of a kind, and refusals, that go in one transaction: what it writes has to fit the ballast.
    fileprivate static let batch = 100
    /// Chunks that go in one transaction; one upload may have more.
    fileprivate static let chunkBatch = 20_000
}

extension UploadExpiry {
    /// Whether an open upload's life is over. One that is whole waits to be completed, however short the life of its kind is.
    func isOver(_ upload: Upload) -> Bool {
        if upload.isWhole { return upload.updateTime <= full }
        if upload.isKnown { return upload.updateTime <= known }
        return upload.updateTime <= (upload.received <= 1 ? short : full)
    }
}

extension CatalogueRows {
    /// Ends the client's other unfinished uploads of the content that an upload becomes a video of.
    ///
    /// Clients that cannot be told apart may have other bytes with this md5. Of the same client only those go along whose
    /// chunks are all among those that were verified; the others are of content that is known now.
    fileprivate func sealSiblings(of upload: Upload, size: Int, as video: Int64, now: Int64) throws -> [ExpiredUpload] {
        guard !upload.client.isEmpty else { return [] }
        let siblings = try siblings(ofUpload: upload.id, size: size)
        guard !siblings.isEmpty else { return [] }
        let (parts, others) = (siblings.filter(\.isPart).map(\.upload), siblings.filter { !$0.isPart }.map(\.upload))
        try seal(uploads: parts.map(\.id), video: video, time: now)
        try setKnown(uploads: others.map(\.id))
        try noteFreed(parts.reduce(0) { $0 + $1.receivedBytes }, now: now)
        return parts.map { ExpiredUpload(id: $0.id, path: $0.draft.path, bytes: $0.receivedBytes) }
    }

    /// - Parameter limit: how many at most; fewer where they have many chunks, unless it is `.max`.
    /// - Returns: some of the uploads that are over, and whether these are all.
    fileprivate func openUploads(over expiry: UploadExpiry, limit: Int) throws -> (some: [ExpiredUpload], isAll: Bool) {
        var chunks = 0
        let over = try openUploads(idleSince: max(expiry.full, expiry.short, expiry.known)).filter(expiry.isOver)
        let some = over.prefix(limit).enumerated().prefix { index, upload in
            chunks += upload.received
            return index == 0 || limit == .max || chunks <= ExpiredUploads.chunkBatch
        }.map { _, upload in
            ExpiredUpload(id: upload.id, path: upload.draft.path, bytes: upload.receivedBytes)
        }
        return (some, some.count == over.count)
    }
}
