import Catalogue
import Foundation
import GRDB
import Model

extension Database: VideoRows {
    private static let selectVideo = """
        SELECT video_id, owner, guid, video_name, v.path, v.size, iif(probed, duration, NULL) AS duration, md5, class_id,
            ifnull(class_name, '') AS class_name, ifnull(game_name, '') AS game_name, v.create_time, v.update_time,
            j.state, failure, progress, m.path AS media_path, width, height, video_codec, audio_codec, bit_rate, mp4_path,
            hls_path, poster_path, thumbnails_path, flaws, directory
        FROM video_info v LEFT JOIN video_class USING (class_id) LEFT JOIN job j ON j.path = v.path
            LEFT JOIN media m ON m.path = v.path
        """

    private func videos(_ rest: String, _ arguments: StatementArguments) throws -> [Video] {
        try rows(Self.selectVideo + rest, arguments).map(Video.init(row:))
    }

    package func video(id: Int64) throws -> Video? { try videos(" WHERE video_id = ?", [id]).first }

    package func video(owner: String, md5: String, size: Int?) throws -> Video? {
        try videos(
            " WHERE md5 = ? AND owner = ? AND v.size = ifnull(?, v.size) ORDER BY video_id LIMIT 1", [md5, owner, size]
        ).first
    }

    package func copy(of video: Video, name: String, guid: String?) throws -> Video? {
        let (rest, arguments): (String, StatementArguments) =
            if let guid {
                (" WHERE md5 = ? AND owner = ? AND guid = ?", [video.md5, video.owner, guid])
            } else {
                (
                    " WHERE md5 = ? AND owner = ? AND v.path = ? AND video_name = ?",
                    [video.md5, video.owner, video.path, name]
                )
            }
        return try videos(rest + " ORDER BY video_id LIMIT 1", arguments).first
    }

    package func videos(owner: String?, limit: Int) throws -> [Video] {
        try videos(" WHERE owner = ifnull(?, owner) ORDER BY video_id DESC LIMIT ?", [owner, limit])
    }

    package func videos(after id: Int64, limit: Int) throws -> [Video] {
        try videos(" WHERE video_id > ? ORDER BY video_id LIMIT ?", [id, limit])
    }

    package func videos(ofFile path: String, limit: Int?) throws -> [Video] {
        try videos(" WHERE v.path = ? ORDER BY video_id LIMIT ?", [path, limit ?? -1])
    }

    package func files(owner: String, md5: String, size: Int, limit: Int) throws -> [String] {
        try rows(
            """
            SELECT path FROM video_info WHERE md5 = ? AND owner = ? AND size = ? GROUP BY path ORDER BY min(video_id)
            LIMIT ?
            """, [md5, owner, size, limit]
        ).map { $0[0] }
    }

    package func insertVideo(
        _ id: Int64, owner: String, md5: String, _ draft: VideoDraft, size: Int, duration: Double?, time: Int64
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
                draft.classID, time, time,
            ])
    }

    package func deleteVideo(id: Int64) throws { try run("DELETE FROM video_info WHERE video_id = ?", [id]) }

    package func unprobedFiles(limit: Int) throws -> [String] {
        try rows(
            "SELECT path FROM video_info WHERE probed = 0 GROUP BY path ORDER BY min(video_id) LIMIT ?", [limit]
        ).map { $0[0] }
    }

    package func setDuration(_ duration: Double, file path: String, onlyUnprobed: Bool) throws -> [Int64] {
        try rows(
            """
            UPDATE video_info SET duration = ?, probed = 1 WHERE path = ? AND (probed = 0 OR NOT ?)
            RETURNING video_id
            """, [duration, path, onlyUnprobed]
        ).map { $0[0] }
    }
}

extension Database: FileRows {
    package func media(ofFile path: String) throws -> MediaFacts? {
        try row("SELECT * FROM media WHERE path = ?", [path]).map(MediaFacts.init(row:))
    }

    package func setMedia(_ media: MediaFacts, file path: String) throws {
        try run(
            """
            INSERT OR REPLACE INTO media (path, width, height, video_codec, audio_codec, bit_rate, mp4_path,
                hls_path, poster_path, thumbnails_path, flaws, directory)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                path, media.width, media.height, media.videoCodec, media.audioCodec, media.bitRate, media.mp4Path,
                media.hlsPath, media.posterPath, media.thumbnailsPath, media.flawsText, media.directory,
            ])
    }

    package func deleteMedia(ofFile path: String) throws { try run("DELETE FROM media WHERE path = ?", [path]) }

    package func garbage(limit: Int) throws -> [Garbage] {
        try rows("SELECT garbage_id, path FROM garbage ORDER BY garbage_id LIMIT ?", [limit]).map(Garbage.init(row:))
    }

    package func garbage(at paths: [String]) throws -> [Garbage] {
        try paths.compactMap { path in
            try row("SELECT garbage_id, path FROM garbage WHERE path = ?", [path]).map(Garbage.init(row:))
        }
    }

    package func garbage(
        limit: Int, notBeforeOutside waiting: ClosedRange<Int64>, retention: Int64
    ) throws -> [Garbage] {
        try rows(
            """
            SELECT garbage_id, path FROM garbage WHERE not_before NOT BETWEEN ?1 AND ?2 AND NOT EXISTS (
                SELECT 1 FROM event WHERE event_id BETWEEN first_event AND last_event
                    AND (delivered_time IS NULL OR delivered_time + ?3 BETWEEN ?1 AND ?2))
            ORDER BY garbage_id LIMIT ?4
            """, [waiting.lowerBound, waiting.upperBound, retention, limit]
        ).map(Garbage.init(row:))
    }

    package func insertGarbage(
        _ paths: [String], time: Int64, notBefore: Int64, events: ClosedRange<Int64>?
    ) throws -> [Garbage] {
        for path in paths {
            try run(
                """
                INSERT INTO garbage (path, create_time, not_before, first_event, last_event) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """, [path, time, notBefore, events?.lowerBound, events?.upperBound])
        }
        return try garbage(at: paths)
    }

    package func deleteGarbage(id: Int64) throws { try run("DELETE FROM garbage WHERE garbage_id = ?", [id]) }
}

extension Database: NumberRows {
    package func nextVideoNumber() throws -> Int64 {
        try row(
            """
            UPDATE id_sequence SET last = max(last, (SELECT ifnull(max(video_id), 0) FROM video_info)) + 1
            WHERE name = 'video' RETURNING last
            """)![0]
    }

    package func lastVideoNumbers() throws -> (given: Int64, highest: Int64) {
        let row = try row(
            """
            SELECT last, max(ifnull((SELECT max(video_id) FROM video_info), 0),
                ifnull((SELECT max(video_id) FROM upload WHERE state <> 'sealed'), 0))
            FROM id_sequence WHERE name = 'video'
            """)!
        return (row[0], row[1])
    }

    package func setLastVideoNumber(_ number: Int64) throws {
        try run("UPDATE id_sequence SET last = ? WHERE name = 'video'", [number])
    }

    package func uploadsWithTakenNumber() throws -> [(upload: Int64, number: Int64, isVideos: Bool)] {
        try rows(
            """
            SELECT upload_id, video_id, video_id IN (SELECT video_id FROM video_info) AS is_videos FROM upload
            WHERE state <> 'sealed' AND (is_videos OR upload_id NOT IN (
                SELECT min(upload_id) FROM upload WHERE state <> 'sealed' GROUP BY video_id))
            """
        ).map { ($0[0], $0[1], $0[2]) }
    }

    package func setVideoNumber(_ number: Int64, upload id: Int64) throws {
        try run("UPDATE upload SET video_id = ? WHERE upload_id = ?", [number, id])
    }
}

extension Database: CategoryRows {
    package func classes() throws -> [VideoClass] {
        try rows("SELECT class_id, class_name, game_name FROM video_class ORDER BY class_id").map {
            VideoClass(id: $0["class_id"], name: $0["class_name"], gameName: $0["game_name"])
        }
    }

    package func insertClass(name: String, game: String) throws -> Int64? {
        try run("INSERT INTO video_class (class_name, game_name) VALUES (?, ?) ON CONFLICT DO NOTHING", [name, game])
        return changesCount > 0 ? lastInsertedRowID : nil
    }

    package func deleteClass(id: Int64) throws -> Bool {
        try run("DELETE FROM video_class WHERE class_id = ?", [id]) > 0
    }
}

extension Garbage {
    fileprivate init(row: Row) { self.init(id: row[0], path: row[1]) }
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
        directory = row["directory"]
    }

    /// The flaws as the catalogue has them: a JSON array.
    var flawsText: String { "[" + [VideoFlaw](flaws).map { "\"\($0.rawValue)\"" }.joined(separator: ",") + "]" }

    /// Those of such an array that this version knows.
    static func flaws(_ text: String) -> Set<VideoFlaw> {
        let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8))
        return Set((names ?? []).compactMap(VideoFlaw.init(rawValue:)))
    }
}

extension VideoFailure {
    /// That of a failed job. A later version may have reasons that this one does not know.
    init(stored name: String?) { self = name.flatMap(Self.init(rawValue:)) ?? .internal }
}
