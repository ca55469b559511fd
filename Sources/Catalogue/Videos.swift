import Model

extension Catalogue {
    /// The owner's first video with this content; of any size if that is `nil`.
    package func video(owner: String, md5: String, size: Int?) throws(CatalogueError) -> Video? {
        try read { try $0.video(owner: owner, md5: md5, size: size) }
    }

    /// The owner's video with this number, `nil` if there is none.
    package func video(id: Int64, owner: String) throws(CatalogueError) -> Video? {
        // By bytes: Swift takes canonically equivalent text for equal.
        try video(id: id).flatMap { $0.owner.utf8.elementsEqual(owner.utf8) ? $0 : nil }
    }

    /// The video with this number, of any owner; `nil` if there is none.
    package func video(id: Int64) throws(CatalogueError) -> Video? { try read { try $0.video(id: id) } }

    /// The last videos that were recorded, the newest first; of all owners if that is `nil`.
    package func videos(owner: String?, limit: Int) throws(CatalogueError) -> [Video] {
        try read { try $0.videos(owner: owner, limit: limit) }
    }

    /// Whether a record points to this file.
    package func hasVideo(atPath path: String) throws(CatalogueError) -> Bool { try read { try $0.hasVideo(at: path) } }

    /// The files of the owner's videos with this content, `knownFilesLimit` at most: the same ones each time.
    package func knownFiles(owner: String, md5: String, size: Int) throws(CatalogueError) -> [String] {
        try read { try $0.files(owner: owner, md5: md5, size: size, limit: Video.knownFilesLimit) }
    }

    /// Runs `body` if no record points to this file, and while none can. Returns whether it was so.
    package func whileUnrecorded(_ path: String, _ body: () -> Void) throws(CatalogueError) -> Bool {
        try write { rows in
            guard try !rows.hasVideo(at: path) else { return false }
            body()
            return true
        }
    }

    /// Makes a record that points to the same file, once for each guid, or for each name without one; it survives power
    /// loss.
    /// - Parameter permit: asked for a record that is new.
    /// - Returns: the new record, or the one that there is already; `nil` if no record points to the file any more.
    /// - Throws: `CatalogueError` with `.quota` if it may not.
    package func copy(
        _ video: Video, name: String, classID: Int64?, guid: String?, now: Int64, permit: RecordPermit
    ) throws(CatalogueError) -> Video? {
        // What is recorded already needs no room.
        if let known = try read({ try $0.copy(of: video, name: name, guid: guid) }) { return known }
        return try driver.adding(durably: true) { rows in
            if let known = try rows.copy(of: video, name: name, guid: guid) { return known }
            // What the caller knows of the video may be older than its duration, or its end.
            guard let original = try rows.videos(ofFile: video.path, limit: 1).first else { return nil }
            guard permit.isGiven() else {
                throw CatalogueError(.quota, "the client has recorded too many videos in a short time")
            }
            permit.use()
            return try record(
                rows.nextVideoNumber(), client: "", owner: video.owner, md5: video.md5,
                VideoDraft(name: name, guid: guid ?? "", path: video.path, classID: classID), size: video.size,
                duration: original.duration, now: now, in: rows)
        }
    }

    /// What no record points to any more and is not removed yet, the oldest first.
    package func garbage(limit: Int) throws(CatalogueError) -> [Garbage] { try read { try $0.garbage(limit: limit) } }

    /// Of that what may be removed. What was made of a video stays until a day after the receiver has taken the last event that
    /// tells of what is there in its place; without a receiver for a day.
    package func garbage(limit: Int, dueAt now: Int64) throws(CatalogueError) -> [Garbage] {
        // What is further away was written when the clock was ahead, and is due.
        let waiting = now + 1...now + 3 * Garbage.retention
        return try read {
            try $0.garbage(limit: limit, notBeforeOutside: waiting, retention: Garbage.retention)
        }
    }

    /// Whether a path is to be removed.
    package func isGarbage(_ path: String) throws(CatalogueError) -> Bool {
        try read { try !$0.garbage(at: [path]).isEmpty }
    }

    /// Runs `body` if this still is garbage, and while no video can get its path: what it takes away has no record.
    /// - Returns: whether it was so.
    package func whileGarbage(_ garbage: Garbage, _ body: () -> Void) throws(CatalogueError) -> Bool {
        try write { rows in
            guard try rows.garbage(at: [garbage.path]) == [garbage] else { return false }
            body()
            return true
        }
    }

    /// Forgets garbage that is removed: videos may have its path.
    package func forget(_ garbage: Garbage) throws(CatalogueError) {
        try write { try $0.deleteGarbage(id: garbage.id) }
    }

    /// What was made of a file, `nil` if nothing was yet.
    package func media(ofFile path: String) throws(CatalogueError) -> MediaFacts? {
        try read { try $0.media(ofFile: path) }
    }

    /// The numbers of the videos that point to a file, the first one first.
    package func videoIDs(ofFile path: String) throws(CatalogueError) -> [Int64] {
        try read { try $0.videos(ofFile: path, limit: nil).map(\.id) }
    }

    /// The files of the videos whose duration was not asked for yet, the oldest first.
    package func unprobedPaths(limit: Int) throws(CatalogueError) -> [String] {
        try read { try $0.unprobedFiles(limit: limit) }
    }

    /// Records the duration of the videos that point to a file, if it is not known yet.
    /// - Parameter duration: seconds; 0 if it cannot be told.
    /// - Returns: the videos that this has changed.
    package func setDuration(_ duration: Double, path: String) throws(CatalogueError) -> [Video] {
        try write { rows in
            try rows.setDuration(duration, file: path, onlyUnprobed: true).compactMap { try rows.video(id: $0) }
        }
    }

    /// All videos, one after the other, by number.
    package func forEachVideo(_ body: (Video) -> Void) throws(CatalogueError) {
        // Page by page: a snapshot that lasts for hours would keep the log from being emptied.
        let page = 1000
        var last: Int64 = 0
        while true {
            let videos = try read { [last] in try $0.videos(after: last, limit: page) }
            videos.forEach(body)
            guard videos.count == page else { return }
            last = videos[page - 1].id
        }
    }

    /// Numbers of videos that will be given out, or are promised to unfinished uploads, and are taken. Sealing an upload
    /// gives it another one anyway, but until then the page is told a number that its video does not get.
    /// - Parameter isRepairing: gives out others.
    /// - Returns: one line for each finding.
    package func wrongNumbers(isRepairing: Bool) throws(CatalogueError) -> [String] {
        guard isRepairing else { return try read { try Video.wrongNumbers(isRepairing: false, in: $0) } }
        return try deleting { try Video.wrongNumbers(isRepairing: true, in: $0) }
    }

    /// Makes a record, sees to it that its file has a job, and writes what others want to be told, in a transaction.
    /// - Parameter client: whose job it is, as an upload has it; `""` for the owner's.
    package func record(
        _ id: Int64, client: String, owner: String, md5: String, _ draft: VideoDraft, size: Int, duration: Double?,
        now: Int64, in rows: any CatalogueRows
    ) throws -> Video {
        try rows.insertVideo(id, owner: owner, md5: md5, draft, size: size, duration: duration, time: now)
        if queuesJobs {
            let job = NewJob(path: draft.path, client: client, owner: owner, size: size)
            _ = try rows.insert([job], time: now)
        }
        let video = try rows.video(id: id)!
        try note(.uploadCompleted, [video], now: now, in: rows)
        // Nothing else will tell of a file that was transcoded before.
        switch video.state {
        case .ready: try note(.videoReady, [video], now: now, in: rows)
        case .failed:
            try note(.videoFailed, [video], error: rows.job(ofFile: draft.path)?.errorCode, now: now, in: rows)
        case .stored, .queued, .running: break
        }
        return video
    }
}

extension CatalogueRows {
    /// Whether a record points to this file.
    package func hasVideo(at path: String) throws -> Bool { try !videos(ofFile: path, limit: 1).isEmpty }

    /// Whether a path, or what would be made of a video there, is about to be removed.
    package func isGarbage(_ path: String) throws -> Bool {
        try !garbage(at: [path, StorageLayout.results(ofOriginal: path)]).isEmpty
    }

    /// Gives an upload another video number, which is returned.
    package func renumber(upload id: Int64) throws -> Int64 {
        let number = try nextVideoNumber()
        try setVideoNumber(number, upload: id)
        return number
    }
}

extension Video {
    /// How many files of one content an upload is compared with: more have its md5 only where collisions are made.
    package static let knownFilesLimit = 4

    fileprivate static func wrongNumbers(isRepairing: Bool, in rows: any CatalogueRows) throws -> [String] {
        var findings: [String] = []
        let (last, highest) = try rows.lastVideoNumbers()
        if last < highest {
            findings.append("the last number that was given out is said to be \(last), but \(highest) is taken")
            if isRepairing { try rows.setLastVideoNumber(highest) }
        }
        for (upload, number, isVideos) in try rows.uploadsWithTakenNumber() {
            let owner = isVideos ? "a video" : "an older upload"
            findings.append("upload \(upload) is to become video \(number), a number that \(owner) has")
            if isRepairing { _ = try rows.renumber(upload: upload) }
        }
        return findings
    }
}
