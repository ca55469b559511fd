import Model
import Catalogue
import Foundation
import GRDB

extension SQLiteCatalogue {
    package func video(owner: String, md5: String, size: Int?) throws(CatalogueError) -> Video? {
        try read { db in try db.video(owner: owner, md5: md5, size: size) }
    }

    package func video(id: Int64, owner: String) throws(CatalogueError) -> Video? {
        // By bytes, as SQLite compares: Swift takes canonically equivalent text for equal.
        try read { db in try db.video(id: id).flatMap { $0.owner.utf8.elementsEqual(owner.utf8) ? $0 : nil } }
    }

    package func video(id: Int64) throws(CatalogueError) -> Video? {
        try read { db in try db.video(id: id) }
    }

    package func videos(owner: String?, limit: Int) throws(CatalogueError) -> [Video] {
        try read { db in
            try db.rows(
                Database.selectVideo + " WHERE owner = ifnull(?, owner) ORDER BY video_id DESC LIMIT ?", [owner, limit]
            ).map(Video.init(row:))
        }
    }

    package func hasVideo(atPath path: String) throws(CatalogueError) -> Bool {
        try read { db in try db.row("SELECT 1 FROM video_info WHERE path = ?", [path]) != nil }
    }

    package func knownFiles(owner: String, md5: String, size: Int) throws(CatalogueError) -> [String] {
        try read { db in try db.knownFiles(owner: owner, md5: md5, size: size) }
    }

    package func whileUnrecorded(_ path: String, _ body: () -> Void) throws(CatalogueError) -> Bool {
        try write { db in
            guard try db.videos(ofFile: path, limit: 1).isEmpty else { return false }
            body()
            return true
        }
    }

    package func copy(
        _ video: Video, name: String, classID: Int64?, guid: String?, now: Int64, permit: RecordPermit
    ) throws(CatalogueError) -> Video? {
        // What is recorded already needs no room.
        if let known = try read({ db in try db.copy(of: video, name: name, guid: guid) }) { return known }
        return try adding(durably: true) { db in
            if let known = try db.copy(of: video, name: name, guid: guid) { return known }
            // What the caller knows of the video may be older than its duration, or its end.
            guard let original = try db.videos(ofFile: video.path, limit: 1).first else { return nil }
            guard permit.isGiven() else {
                throw CatalogueError(.quota, "the client has recorded too many videos in a short time")
            }
            permit.use()
            return try record(
                db.nextVideoID(), client: "", owner: video.owner, md5: video.md5,
                VideoDraft(name: name, guid: guid ?? "", path: video.path, classID: classID), size: video.size,
                duration: original.duration, now: now, in: db)
        }
    }

    package func sealedUploads(video id: Int64) throws(CatalogueError) -> [Int64] {
        try read { db in
            try db.rows("SELECT upload_id FROM upload WHERE video_id = ? AND state = 'sealed'", [id]).map { $0[0] }
        }
    }

    package func deleteVideo(id: Int64, now: Int64) throws(CatalogueError) -> [Garbage]? {
        let uploadTime = clock
        return try deleting(durably: true) { db in
            guard let video = try db.video(id: id) else { return nil }
            try db.run("DELETE FROM video_info WHERE video_id = ?", [id])
            try db.retireSealed(as: id, now: uploadTime)
            guard try db.videos(ofFile: video.path, limit: 1).isEmpty else { return [] }
            try db.noteFreed(video.size, now: uploadTime)
            try db.run("DELETE FROM job WHERE path = ?", [video.path])
            try db.run("DELETE FROM media WHERE path = ?", [video.path])
            let directory = MediaFacts.directory(ofOriginal: video.path)
            let elsewhere = (video.media?.paths ?? []).filter { !$0.hasPrefix(directory + "/") && $0 != video.path }
            return try ([video.path, directory] + elsewhere).map { path in
                try db.run(
                    "INSERT INTO garbage (path, create_time) VALUES (?, ?) ON CONFLICT DO NOTHING", [path, now])
                return try db.garbage(path: path)!
            }
        }
    }

    package func garbage(limit: Int) throws(CatalogueError) -> [Garbage] {
        try read { db in
            try db.rows("SELECT garbage_id, path FROM garbage ORDER BY garbage_id LIMIT ?", [limit]).map {
                Garbage(id: $0[0], path: $0[1])
            }
        }
    }

    package func whileGarbage(_ garbage: Garbage, _ body: () -> Void) throws(CatalogueError) -> Bool {
        try write { db in
            guard try db.garbage(path: garbage.path) == garbage else { return false }
            body()
            return true
        }
    }

    package func forget(_ garbage: Garbage) throws(CatalogueError) {
        try write { db in try db.run("DELETE FROM garbage WHERE garbage_id = ?", [garbage.id]) }
    }

    /// What was made of a file, `nil` if nothing was yet.
    package func media(ofFile path: String) throws(CatalogueError) -> MediaFacts? {
        try read { db in try db.row("SELECT * FROM media WHERE path = ?", [path]).map(MediaFacts.init(row:)) }
    }

    /// The numbers of the videos that point to a file, the first one first.
    package func videoIDs(ofFile path: String) throws(CatalogueError) -> [Int64] {
        try read { db in
            try db.rows("SELECT video_id FROM video_info WHERE path = ? ORDER BY video_id", [path]).map { $0[0] }
        }
    }

    package func unprobedPaths(limit: Int) throws(CatalogueError) -> [String] {
        try read { db in
            try db.rows(
                "SELECT path FROM video_info WHERE probed = 0 GROUP BY path ORDER BY min(video_id) LIMIT ?", [limit]
            ).map { $0[0] }
        }
    }

    package func setDuration(_ duration: Double, path: String) throws(CatalogueError) -> [Video] {
        try write { db in
            let changed = try db.rows(
                "UPDATE video_info SET duration = ?, probed = 1 WHERE path = ? AND probed = 0 RETURNING video_id",
                [duration, path])
            return try changed.compactMap { try db.video(id: $0[0]) }
        }
    }

    package func forEachVideo(_ body: (Video) -> Void) throws(CatalogueError) {
        // Page by page: a snapshot that lasts for hours would keep the log from being emptied.
        let page = 1000
        var last: Int64 = 0
        while true {
            let videos = try read { [last] db in try db.videos(after: last, limit: page) }
            videos.forEach(body)
            guard videos.count == page else { return }
            last = videos[page - 1].id
        }
    }

    package func damage() throws(CatalogueError) -> [String] {
        try read { db in
            try String.fetchAll(db, sql: "PRAGMA quick_check").filter { $0 != "ok" }
        }
    }

    package func classes() throws(CatalogueError) -> [VideoClass] {
        try read { db in
            try db.rows("SELECT class_id, class_name, game_name FROM video_class ORDER BY class_id").map {
                VideoClass(id: $0["class_id"], name: $0["class_name"], gameName: $0["game_name"])
            }
        }
    }

    package func addClass(name: String, game: String) throws(CatalogueError) -> Int64 {
        try adding(durably: true) { db in
            try db.run(
                "INSERT INTO video_class (class_name, game_name) VALUES (?, ?) ON CONFLICT DO NOTHING", [name, game])
            guard db.changesCount > 0 else {
                throw CatalogueError(.failed, "there is a category \"\(name)\" of \"\(game)\" already")
            }
            return db.lastInsertedRowID
        }
    }

    package func removeClass(_ id: Int64) throws(CatalogueError) -> Bool {
        try deleting(durably: true) { db in
            try db.run("DELETE FROM video_class WHERE class_id = ?", [id])
            return db.changesCount > 0
        }
    }
}

extension SQLiteCatalogue {
    /// Makes a record, sees to it that its file has a job, and writes what others want to be told, in a transaction.
    ///
    /// - Parameter client: whose job it is, as an upload has it; `""` for the owner's.
    func record(
        _ id: Int64, client: String, owner: String, md5: String, _ draft: VideoDraft, size: Int, duration: Double?,
        now: Int64,
        in db: Database
    ) throws -> Video {
        try db.insertVideo(id, owner: owner, md5: md5, draft, size: size, duration: duration, now: now)
        if queuesJobs { try db.queueJob(draft.path, client: client, owner: owner, size: size, now: now) }
        let video = try db.video(id: id)!
        try note(.uploadCompleted, file: draft.path, video: id, now: now, in: db)
        // Nothing else will tell of a file that was transcoded before.
        switch video.state {
        case .ready: try note(.videoReady, file: draft.path, video: id, now: now, in: db)
        case .failed: try note(.videoFailed, file: draft.path, video: id, now: now, in: db)
        case .stored, .queued, .running: break
        }
        return video
    }
}

extension Database {
    fileprivate static let selectVideo = """
        SELECT video_id, owner, guid, video_name, v.path, v.size, iif(probed, duration, NULL) AS duration, md5, class_id,
            ifnull(class_name, '') AS class_name, ifnull(game_name, '') AS game_name, v.create_time, v.update_time,
            j.state, failure, progress, m.path AS media_path, width, height, video_codec, audio_codec, bit_rate, mp4_path,
            hls_path, poster_path, thumbnails_path, flaws
        FROM video_info v LEFT JOIN video_class USING (class_id) LEFT JOIN job j ON j.path = v.path
            LEFT JOIN media m ON m.path = v.path
        """

    /// The record that points to a video's file and was made for this guid, or without one for this name.
    fileprivate func copy(of video: Video, name: String, guid: String?) throws -> Video? {
        guard let guid else { return try self.video(like: video, name: name) }
        return try self.video(owner: video.owner, md5: video.md5, guid: guid)
    }

    func video(id: Int64) throws -> Video? {
        try row(Self.selectVideo + " WHERE video_id = ?", [id]).map(Video.init(row:))
    }

    /// The videos that point to a file, by number.
    ///
    /// - Parameter limit: how many at most; negative for all.
    func videos(ofFile path: String, limit: Int = -1) throws -> [Video] {
        try rows(Self.selectVideo + " WHERE v.path = ? ORDER BY video_id LIMIT ?", [path, limit]).map(Video.init(row:))
    }

    func videos(after id: Int64, limit: Int) throws -> [Video] {
        try rows(Self.selectVideo + " WHERE video_id > ? ORDER BY video_id LIMIT ?", [id, limit]).map(Video.init(row:))
    }

    /// The owner's first video with this content.
    func video(owner: String, md5: String, size: Int?) throws -> Video? {
        try row(
            Self.selectVideo + " WHERE md5 = ? AND owner = ? AND v.size = ifnull(?, v.size) ORDER BY video_id LIMIT 1",
            [md5, owner, size]
        ).map(Video.init(row:))
    }

    /// How many files of one content an upload is compared with: more have its md5 only where somebody makes collisions.
    private static let knownFilesLimit = 4

    func knownFiles(owner: String, md5: String, size: Int) throws -> [String] {
        try rows(
            """
            SELECT path FROM video_info WHERE md5 = ? AND owner = ? AND size = ? GROUP BY path ORDER BY min(video_id)
            LIMIT ?
            """, [md5, owner, size, Self.knownFilesLimit]
        ).map { $0[0] }
    }

    func garbage(path: String) throws -> Garbage? {
        try row("SELECT garbage_id, path FROM garbage WHERE path = ?", [path]).map { Garbage(id: $0[0], path: $0[1]) }
    }

    /// Whether a path, or what would be made of a video there, is about to be removed.
    func isGarbage(_ path: String) throws -> Bool {
        try garbage(path: path) != nil || garbage(path: MediaFacts.directory(ofOriginal: path)) != nil
    }

    func video(owner: String, md5: String, guid: String) throws -> Video? {
        try row(
            Self.selectVideo + " WHERE md5 = ? AND owner = ? AND guid = ? ORDER BY video_id LIMIT 1",
            [md5, owner, guid]
        ).map(Video.init(row:))
    }

    /// The owner's first video with this one's file that is called so.
    fileprivate func video(like video: Video, name: String) throws -> Video? {
        try row(
            Self.selectVideo
                + " WHERE md5 = ? AND owner = ? AND v.path = ? AND video_name = ? ORDER BY video_id LIMIT 1",
            [video.md5, video.owner, video.path, name]
        ).map(Video.init(row:))
    }

    /// Inserts a record. A class that does not exist (any more) becomes none.
    fileprivate func insertVideo(
        _ id: Int64, owner: String, md5: String, _ draft: VideoDraft, size: Int, duration: Double?, now: Int64
    ) throws {
        try run(
            """
            INSERT INTO video_info (video_id, owner, guid, video_name, path, size, duration, probed, md5, class_id,
                create_time, update_time)
            VALUES (?, ?, nullif(?, ''), ?, ?, ?, ?, ?, ?,
                (SELECT class_id FROM video_class WHERE class_id = ?), ?, ?)
            """,
            [
                id, owner, draft.guid, draft.name, draft.path, size, duration ?? 0, duration != nil, md5,
                draft.classID, now, now,
            ])
    }
}

extension Video {
    fileprivate init(row: Row) {
        let job: Job.State? = (row["state"] as String?).flatMap(Job.State.init(rawValue:))
        let state = State(job)
        self.init(
            id: row["video_id"], owner: row["owner"], guid: row["guid"], name: row["video_name"], path: row["path"],
            size: row["size"], duration: row["duration"], md5: row["md5"], classID: row["class_id"],
            className: row["class_name"], gameName: row["game_name"], createTime: row["create_time"],
            updateTime: row["update_time"], state: state,
            progress: state == .queued || state == .running ? row["progress"] : nil,
            media: row["media_path"] == nil ? nil : MediaFacts(row: row),
            failure: state == .failed ? VideoFailure(stored: row["failure"]) : nil)
    }
}

extension Video.State {
    /// That of a video whose file has a job in this state, or none.
    fileprivate init(_ job: Job.State?) {
        self =
            switch job {
            case nil: .stored
            case .queued: .queued
            case .running: .running
            case .done: .ready
            case .failed: .failed
            }
    }
}

extension MediaFacts {
    fileprivate init(row: Row) {
        self.init()
        width = row["width"]
        height = row["height"]
        videoCodec = row["video_codec"]
        audioCodec = row["audio_codec"]
        bitRate = row["bit_rate"]
        mp4Path = row["mp4_path"]
        hlsPath = row["hls_path"]
        posterPath = row["poster_path"]
        thumbnailsPath = row["thumbnails_path"]
        flaws = Self.flaws(row["flaws"])
    }
}

extension VideoFailure {
    /// That of a failed job. A later version may have reasons that this one does not know.
    init(stored name: String?) { self = name.flatMap(Self.init(rawValue:)) ?? .internal }
}

extension MediaFacts {
    /// The flaws as the catalogue has them: a JSON array.
    var flawsText: String { "[" + [VideoFlaw](flaws).map { "\"\($0.rawValue)\"" }.joined(separator: ",") + "]" }

    /// Those of such an array that this version knows.
    static func flaws(_ text: String) -> Set<VideoFlaw> {
        let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8))
        return Set((names ?? []).compactMap(VideoFlaw.init(rawValue:)))
    }
}
