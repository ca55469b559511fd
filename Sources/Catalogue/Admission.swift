import Model

extension Catalogue {
    /// Lets other uploads give way to bytes that an open upload has not promised: of a file whose size is not known, or of
    /// content that its owner has already. As for a new upload, but for the number.
    /// - Parameter room: as in `UploadTerms`.
    package func makeRoom(
        for bytes: Int, of upload: Upload, room: () -> DiskRoom, now: Int64
    ) throws(CatalogueError) -> RoomMade {
        try write { rows in
            let request = Admission.Request(client: Client(recorded: upload.client), bytes: bytes)
            switch try rows.admit(request, room: room(), limits: .none, now: now) {
            case .admitted(let evicted): return .made(expired: evicted)
            case .refused(let reason, let comesFree):
                return try .none(reason, hasChunks: rows.hasChunks(upload: upload.id), comesFree: comesFree)
            }
        }
    }

    /// Bytes that open uploads have announced and that are still to come; of content that its owner has none is promised.
    package func promisedBytes() throws(CatalogueError) -> Int { try read { try $0.comingBytes() } }

    /// Notes that bytes of ended uploads are off the disk: they count as on their way no more.
    package func noteRemoved(bytes: Int) throws(CatalogueError) {
        guard bytes > 0 else { return }
        try write { try $0.subtractFreed(bytes) }
    }
}

/// What becomes of a new upload.
enum Admittance {
    /// It begins; these have given way to it.
    case admitted([ExpiredUpload])
    /// It does not, or not yet, where `comesFree`: what is on its way off the disk would be enough, or what is about to be a
    /// video.
    case refused(Admission.Refusal, comesFree: Bool)
}

extension CatalogueRows {
    /// Lets uploads give way to what a request promises to bring.
    func admit(
        _ request: Admission.Request, room disk: DiskRoom, limits: UploadLimits, now: Int64
    ) throws -> Admittance {
        let held = try holdings(for: request.client, freedIn: UploadTerms.freeing(now))
        let room = disk.free - held.coming
        var uploads: [Upload]?
        func verdict(room: Int) throws -> Admission.Verdict {
            try Admission.verdict(request, room: room, limits: limits, totals: held.totals) {
                if uploads == nil { uploads = try openUploads(idleSince: nil) }
                return uploads!.map { $0.holding(now: now) }
            }
        }
        // What is on its way off the disk is promised already to those for whom it gave way. Without it each request that
        // comes meanwhile would take it once more, and as shares would shrink, in the end from clients below theirs.
        let whole = room + held.freed + disk.unrecorded
        switch try verdict(room: whole) {
        case .admitted(let evicted):
            if evicted.isEmpty {
                // It is no room yet.
                return request.bytes <= room ? .admitted([]) : .refused(.diskFull, comesFree: true)
            }
            let gone = Set(evicted)
            let expired = (uploads ?? []).filter { gone.contains($0.id) }.map {
                ExpiredUpload(id: $0.id, path: $0.draft.path, bytes: $0.receivedBytes, evictedClient: $0.client)
            }
            try retire(evicted, reason: Refusal.expired, now: now)
            return .admitted(expired)
        case .refused(let reason):
            // But for what is about to be a video, or on its way off the disk, the answer may be another one in a moment.
            let isWaiting = uploads?.contains { $0.isWhole && !$0.holding(now: now).isIdle } == true
            if reason == .quota(.uploads), isWaiting { return .refused(reason, comesFree: true) }
            if disk.coming > 0, case .admitted = try verdict(room: whole + disk.coming) {
                return .refused(reason, comesFree: true)
            }
            return .refused(reason, comesFree: false)
        }
    }
}

extension Upload {
    fileprivate func holding(now: Int64) -> Admission.Holding {
        Admission.Holding(
            upload: id, client: Client(recorded: client), bytes: heldBytes, received: receivedBytes,
            idle: now - updateTime, isWhole: isWhole)
    }
}
