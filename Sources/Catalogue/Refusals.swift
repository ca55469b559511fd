import Model

extension Catalogue {
    /// Refuses a guid, which is no alias of an unfinished upload any more; not for want of room or share where such an upload
    /// has a recorded chunk.
    /// - Parameter whenRefused: is called in the transaction, before the guid is no alias any more.
    /// - Returns: the uploads that had no other alias; they are gone, and may have bytes in the store. `nil` if the guid is
    ///   not refused.
    package func refuse(_ refusal: Refusal, whenRefused: () -> Void = {}) throws(CatalogueError) -> [ExpiredUpload]? {
        try write { rows in
            // Want of room or share does not end what has chunks; what is wrong with a chunk does.
            if refusal.isForWant,
                try rows.hasChunks(guid: refusal.guid, owner: refusal.owner, md5: refusal.md5)
            {
                return nil
            }
            whenRefused()
            return try rows.refuse(refusal)
        }
    }

    /// Forgets the refusal of a guid that stands for this content, or of all of them if that is `nil`.
    package func forgetRefusals(owner: String, md5: String, guid: String?) throws(CatalogueError) {
        guard try read({ try $0.hasRefusals(owner: owner, md5: md5, guid: guid) }) else { return }
        try write { try $0.deleteRefusals(owner: owner, md5: md5, guid: guid) }
    }
}

extension CatalogueRows {
    /// Whether a request ends a refusal: a first chunk that comes again begins anew. If not, what it tells is noted.
    func ends(_ refusal: Refusal, isFirst: Bool, _ terms: UploadTerms) throws -> Bool {
        guard isFirst else {
            if refusal.isNews(terms) { try note(terms, of: refusal) }
            return false
        }
        if refusal.ends(terms) {
            try deleteRefusals(owner: refusal.owner, md5: refusal.md5, guid: refusal.guid)
            return true
        }
        try note(
            firstCame: true, overlaps: terms.overlaps, chunk: 0, ofRefused: refusal.guid, owner: refusal.owner,
            md5: refusal.md5)
        return false
    }

    /// Notes what another chunk than the first tells of a refused guid. Returns whether it is refused.
    @discardableResult
    func note(_ terms: UploadTerms, of refusal: Refusal) throws -> Bool {
        try note(
            firstCame: false, overlaps: terms.overlaps, chunk: terms.chunk, ofRefused: refusal.guid,
            owner: refusal.owner, md5: refusal.md5)
    }

    /// Refuses a guid, which is no alias of an open upload any more.
    /// - Returns: the uploads that had no other alias, and are gone.
    func refuse(_ refusal: Refusal) throws -> [ExpiredUpload] {
        let aliases = try deleteAliases(refusal.guid, owner: refusal.owner, md5: refusal.md5)
        if refusal.isRecorded {
            var refusal = refusal
            refusal.hasFirst = aliases.contains(where: \.firstCame) || refusal.hasFirst
            refusal.overlaps = aliases.contains(where: \.overlapped) || refusal.overlaps
            try refuse([refusal], mergesFlags: true)
        }
        let gone = try deleteUploadsWithoutAlias(ids: aliases.map(\.upload))
        try noteFreed(gone.reduce(0) { $0 + $1.receivedBytes }, now: refusal.time)
        return gone.map { ExpiredUpload(id: $0.id, path: $0.draft.path, bytes: $0.receivedBytes) }
    }

    /// Records refusals; their number is bounded.
    func refuse(_ refusals: [Refusal], mergesFlags: Bool) throws {
        guard !refusals.isEmpty else { return }
        try insert(refusals, mergesFlags: mergesFlags)
        for client in Set(refusals.map(\.client)) { try boundRefusals(of: client) }
    }

    /// Forgets the oldest refusals of a client that has too many, and of the clients with the most while there are too
    /// many in all.
    private func boundRefusals(of client: Client) throws {
        let (own, all) = try countRefusals(of: client.description)
        let limit = client.limit(Refusal.clientLimit, of: Refusal.limit)
        if own > limit { try deleteOldestRefusals(of: client.description, count: own - limit) }
        var excess = all - max(0, own - limit) - Refusal.limit
        while excess > 0 {
            let most = try mostRefused(limit: 2)
            let count = min(excess, max(1, most[0].count - (most.count > 1 ? most[1].count : 0)))
            try deleteOldestRefusals(of: most[0].client, count: count)
            excess -= count
        }
    }

    /// Deletes uploads, whose guids are refused from now on: a page that had a chunk acknowledged must not go on as
    /// if it were there, and one that had code 1 must not go on with code 2.
    /// - Returns: bytes of those that were open: they are on their way off the disk.
    @discardableResult
    func retire(_ ids: [Int64], reason: String, now: Int64) throws -> Int {
        guard !ids.isEmpty else { return 0 }
        let endings = try endings(ofUploads: ids)
        let refusals = endings.flatMap { upload, lastChunk, aliases in
            let isSealed = upload.state == .sealed
            guard upload.received > 0 || isSealed, upload.key.chunks > 1 else { return [Refusal]() }
            return aliases.map {
                Refusal(
                    owner: upload.key.owner, md5: upload.key.md5, guid: $0.guid, reason: reason,
                    hasFirst: $0.firstCame, overlaps: $0.overlapped, otherChunk: isSealed ? 1 : lastChunk,
                    client: Client(recorded: upload.client), time: now, isRecorded: true)
            }
        }
        try refuse(refusals, mergesFlags: false)
        try deleteUploads(ids: ids)
        let freed = endings.reduce(0) { $0 + ($1.upload.state == .open ? $1.upload.receivedBytes : 0) }
        try noteFreed(freed, now: now)
        return freed
    }

    /// The bytes of uploads and videos that are gone stay on the disk for a moment, while they are promised and held no
    /// more. In the catalogue, because another process may be the one that removes them.
    func noteFreed(_ bytes: Int, now: Int64) throws {
        guard bytes > 0 else { return }
        try addFreed(bytes, time: now, keeping: UploadTerms.freeing(now))
    }
}

extension UploadTerms {
    /// When something went that may still be on the disk: the process that ends an upload or a video removes its file, and
    /// others close it within 5 seconds.
    static func freeing(_ now: Int64) -> ClosedRange<Int64> { now - 5...now }
}

extension Refusal {
    static func reason(_ refusal: Admission.Refusal) -> String {
        switch refusal {
        case .quota(let limit): quota(limit)
        case .diskFull: diskFull
        }
    }
}
