import Model
import GRDB

/// The catalogue's tables, one migration a version.
///
/// Times are seconds since 1970, sizes and lengths bytes, digests 32 lower-case hexadecimal digits.
enum Schema {
    /// That of the last migration.
    static let version = versions.count

    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        for (index, sql) in versions.enumerated() {
            migrator.registerMigration("\(index + 1)") { try $0.execute(sql: sql) }
        }
        return migrator
    }()

    /// What brings each version's tables from those of the one before.
    private static let versions = [
        // 1
        """
        -- Video numbers are handed out when an upload starts, before there is a record.
        CREATE TABLE id_sequence (
            name TEXT PRIMARY KEY,
            last INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO id_sequence VALUES ('video', 0);

        CREATE TABLE video_class (
            class_id INTEGER PRIMARY KEY AUTOINCREMENT,
            class_name TEXT NOT NULL,
            game_name TEXT NOT NULL DEFAULT '',
            UNIQUE (game_name, class_name)
        ) STRICT;

        CREATE TABLE video_info (
            video_id INTEGER PRIMARY KEY,
            owner TEXT NOT NULL,
            guid TEXT,
            video_name TEXT NOT NULL,
            path TEXT NOT NULL,
            size INTEGER NOT NULL,
            duration REAL NOT NULL,
            md5 TEXT NOT NULL,
            class_id INTEGER REFERENCES video_class ON DELETE SET NULL,
            create_time INTEGER NOT NULL,
            update_time INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX video_info_content ON video_info (md5, owner, size);
        CREATE INDEX video_info_class ON video_info (class_id);

        -- size_guid stands in for size where a page sends none.
        CREATE TABLE upload (
            upload_id INTEGER PRIMARY KEY AUTOINCREMENT,
            owner TEXT NOT NULL,
            md5 TEXT NOT NULL,
            size INTEGER,
            size_guid TEXT,
            chunks INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'rejected')),
            reason TEXT,
            video_id INTEGER NOT NULL,
            chunk_size INTEGER,
            last_length INTEGER,
            original_path TEXT,
            received INTEGER NOT NULL DEFAULT 0,
            create_time INTEGER NOT NULL,
            update_time INTEGER NOT NULL,
            CHECK ((size IS NULL) <> (size_guid IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX upload_unfinished
            ON upload (md5, owner, chunks, ifnull(size, -1), ifnull(size_guid, '')) WHERE state <> 'sealed';
        CREATE INDEX upload_update_time ON upload (update_time);

        CREATE TABLE upload_guid (
            guid TEXT NOT NULL,
            upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
            PRIMARY KEY (guid, upload_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX upload_guid_upload ON upload_guid (upload_id);

        CREATE TABLE upload_chunk (
            upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
            chunk INTEGER NOT NULL,
            length INTEGER NOT NULL,
            differs INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (upload_id, chunk)
        ) STRICT, WITHOUT ROWID;
        """,
        // 2
        """
        -- The boot of the machine in which the upload's chunks were last known to be good; '' if they are in doubt.
        ALTER TABLE upload ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
        -- What the video will be called: enough to complete a whole upload without a request.
        ALTER TABLE upload ADD COLUMN video_name TEXT NOT NULL DEFAULT '';
        ALTER TABLE upload ADD COLUMN guid TEXT NOT NULL DEFAULT '';
        ALTER TABLE upload ADD COLUMN path TEXT NOT NULL DEFAULT '';
        ALTER TABLE upload ADD COLUMN class_id INTEGER;
        CREATE INDEX upload_open ON upload (owner) WHERE state = 'open';

        -- NULL: recorded before there were checksums.
        ALTER TABLE upload_chunk ADD COLUMN crc32c INTEGER;
        """,
        // 3
        """
        -- 0: nobody has looked at the file yet, and the duration says nothing.
        ALTER TABLE video_info ADD COLUMN probed INTEGER NOT NULL DEFAULT 1 CHECK (probed IN (0, 1));
        CREATE INDEX video_info_unprobed ON video_info (video_id) WHERE probed = 0;
        CREATE INDEX video_info_path ON video_info (path);
        """,
        // 4
        """
        -- The transcoding of a file: one job, however many videos point to it. claims never starts anew, as attempts does.
        CREATE TABLE job (
            job_id INTEGER PRIMARY KEY AUTOINCREMENT,
            path TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            deaths INTEGER NOT NULL DEFAULT 0,
            claims INTEGER NOT NULL DEFAULT 0,
            not_before INTEGER NOT NULL,
            worker TEXT,
            lease_until INTEGER,
            progress REAL NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
            error TEXT,
            create_time INTEGER NOT NULL,
            update_time INTEGER NOT NULL,
            CHECK ((state = 'running') = (worker IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL))
        ) STRICT;
        CREATE INDEX job_queued ON job (job_id) WHERE state = 'queued';
        CREATE INDEX job_running ON job (job_id) WHERE state = 'running';

        -- What transcoding made of a file. The paths are relative to the store.
        CREATE TABLE media (
            path TEXT PRIMARY KEY,
            width INTEGER,
            height INTEGER,
            video_codec TEXT,
            audio_codec TEXT,
            bit_rate INTEGER,
            mp4_path TEXT,
            hls_path TEXT,
            poster_path TEXT,
            thumbnails_path TEXT
        ) STRICT, WITHOUT ROWID;

        -- What happened to a video, to be told to others. It stays true when the video is deleted.
        CREATE TABLE event (
            event_id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('upload.completed', 'video.ready', 'video.failed')),
            video_id INTEGER NOT NULL,
            payload TEXT NOT NULL CHECK (json_valid(payload)),
            create_time INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            not_before INTEGER NOT NULL,
            delivered_time INTEGER
        ) STRICT;
        CREATE INDEX event_undelivered ON event (event_id) WHERE delivered_time IS NULL;
        CREATE INDEX event_undelivered_video ON event (video_id, event_id) WHERE delivered_time IS NULL;
        CREATE INDEX event_delivered ON event (delivered_time) WHERE delivered_time IS NOT NULL;
        """,
        // 5
        """
        -- What is known of the catalogue itself: epoch (random, another one after a restore), events_given_up, and of the
        -- last check check_time and check_findings.
        CREATE TABLE fact (
            name TEXT PRIMARY KEY,
            value ANY NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO fact VALUES ('epoch', lower(hex(randomblob(8)))), ('events_given_up', 0);
        -- Events that wait have it as those that come.
        UPDATE event
        SET payload = '{"epoch":"' || (SELECT value FROM fact WHERE name = 'epoch') || '",' || substr(payload, 2)
        WHERE delivered_time IS NULL;

        -- The workers that run, or did lately.
        CREATE TABLE worker (
            name TEXT PRIMARY KEY,
            heartbeat_time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- How many jobs are in which state, and how long the oldest waits, is asked often.
        CREATE INDEX job_state ON job (state, update_time);

        -- A video number that somebody takes by SQL is never handed out, not even when its video is deleted.
        CREATE TRIGGER video_info_number AFTER INSERT ON video_info
            WHEN NEW.video_id > (SELECT last FROM id_sequence WHERE name = 'video')
        BEGIN
            UPDATE id_sequence SET last = NEW.video_id WHERE name = 'video';
        END;
        UPDATE id_sequence SET last = max(last, (SELECT ifnull(max(video_id), 0) FROM video_info)) WHERE name = 'video';
        """,
        // 6
        """
        -- Whom an upload counts for: limits are by client. is_known: the owner has the content already, so that it promises
        -- no room and lives shortly.
        ALTER TABLE upload ADD COLUMN client TEXT NOT NULL DEFAULT '';
        ALTER TABLE upload ADD COLUMN received_bytes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE upload ADD COLUMN is_known INTEGER NOT NULL DEFAULT 0 CHECK (is_known IN (0, 1));

        -- A guid whose upload was refused or is lost: each of its chunks gets the same refusal until it begins anew, with
        -- its first chunk. first_came: that has come once already, so that the next time is again. overlapped: some of its
        -- requests were under way at the same time. other_chunk: one that its page takes for stored, 0 if there is none but
        -- the first.
        CREATE TABLE refusal (
            owner TEXT NOT NULL,
            md5 TEXT NOT NULL,
            guid TEXT NOT NULL,
            reason TEXT NOT NULL,
            first_came INTEGER NOT NULL DEFAULT 1 CHECK (first_came IN (0, 1)),
            overlapped INTEGER NOT NULL DEFAULT 0 CHECK (overlapped IN (0, 1)),
            other_chunk INTEGER NOT NULL DEFAULT 1,
            client TEXT NOT NULL,
            create_time INTEGER NOT NULL,
            PRIMARY KEY (owner, md5, guid)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX refusal_client ON refusal (client, create_time);
        CREATE INDEX refusal_create_time ON refusal (create_time);

        -- Uploads whose chunks were only compared with a video, or whose last chunk may lie out of its place, are not taken
        -- over: their guids are told so, and they go, with their files, as those do that have expired.
        CREATE TEMP TABLE left_behind AS SELECT upload_id, owner, md5 FROM upload
            WHERE state = 'open' AND received > 0 AND (original_path IS NOT NULL
                OR size IS NULL AND last_length IS NOT NULL OR chunk_size IS NULL AND chunks > 1);
        INSERT OR IGNORE INTO refusal (owner, guid, md5, reason, client, create_time)
            SELECT owner, guid, md5, 'expired', '', CAST(strftime('%s', 'now') AS INTEGER)
            FROM left_behind JOIN upload_guid USING (upload_id);
        INSERT OR IGNORE INTO refusal (owner, guid, md5, reason, client, create_time)
            SELECT u.owner, g.guid, u.md5, ifnull(u.reason, 'container'), '', u.update_time
            FROM upload u JOIN upload_guid g USING (upload_id) WHERE u.state = 'rejected';
        DELETE FROM upload_guid WHERE upload_id IN (SELECT upload_id FROM upload WHERE state = 'rejected');
        DELETE FROM upload WHERE state = 'rejected';
        DELETE FROM upload_guid WHERE upload_id IN (SELECT upload_id FROM left_behind);
        DELETE FROM upload_chunk WHERE upload_id IN (SELECT upload_id FROM left_behind);
        UPDATE upload SET received = 0, update_time = 0, chunk_size = NULL
            WHERE upload_id IN (SELECT upload_id FROM left_behind);
        DROP TABLE left_behind;
        -- Without a chunk there is nothing to lose.
        UPDATE upload SET update_time = 0 WHERE state = 'open' AND received = 0 AND chunk_size IS NULL;
        UPDATE upload SET received_bytes =
            (SELECT ifnull(sum(length), 0) FROM upload_chunk c WHERE c.upload_id = upload.upload_id);
        -- Until now the disk was taken for the whole file at the first chunk: nothing more is to come of it.
        UPDATE upload SET received_bytes = size WHERE state = 'open' AND received > 0 AND size > received_bytes;

        -- The length of all chunks but the last is part of what an upload is. NULL only of those that are to go.
        DROP INDEX upload_unfinished;
        ALTER TABLE upload DROP COLUMN last_length;
        ALTER TABLE upload DROP COLUMN original_path;
        ALTER TABLE upload_chunk DROP COLUMN differs;
        CREATE UNIQUE INDEX upload_unfinished
            ON upload (md5, owner, chunks, ifnull(size, -1), ifnull(size_guid, ''), chunk_size) WHERE state <> 'sealed';

        -- Published files and directories that no record points to any more, written in the transaction that makes them so,
        -- and gone when they are removed. No video gets a path that is in here.
        CREATE TABLE garbage (
            garbage_id INTEGER PRIMARY KEY AUTOINCREMENT,
            path TEXT NOT NULL UNIQUE,
            create_time INTEGER NOT NULL
        ) STRICT;

        -- Whose video it is for, while it waits or runs, and the bytes of its file: the queue is fair between clients.
        ALTER TABLE job ADD COLUMN client TEXT NOT NULL DEFAULT '';
        ALTER TABLE job ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

        UPDATE upload SET client = 'owner:' || owner WHERE owner <> '';
        -- In which order an upload got its guids.
        ALTER TABLE upload_guid ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
        -- first_came: its own first chunk is stored; when it comes once more, that is again. overlapped: some of its
        -- requests were under way at the same time.
        ALTER TABLE upload_guid ADD COLUMN first_came INTEGER NOT NULL DEFAULT 0 CHECK (first_came IN (0, 1));
        ALTER TABLE upload_guid ADD COLUMN overlapped INTEGER NOT NULL DEFAULT 0 CHECK (overlapped IN (0, 1));
        DROP INDEX upload_open;
        CREATE INDEX upload_open ON upload (client) WHERE state = 'open';

        -- is_long: a worker has found that the lane of short jobs is not for it. postponed: how often it was given back for
        -- want of room.
        ALTER TABLE job ADD COLUMN is_long INTEGER NOT NULL DEFAULT 0 CHECK (is_long IN (0, 1));
        ALTER TABLE job ADD COLUMN postponed INTEGER NOT NULL DEFAULT 0;
        UPDATE job SET size = ifnull((SELECT max(size) FROM video_info v WHERE v.path = job.path), 0),
            client = ifnull((SELECT 'owner:' || max(owner) FROM video_info v WHERE v.path = job.path AND owner <> ''), '')
        WHERE state IN ('queued', 'running');

        CREATE INDEX job_client ON job (client) WHERE state = 'queued';

        -- Seconds that a client's jobs have run lately, as it was at a time: half as many an hour later.
        CREATE TABLE client_use (
            client TEXT PRIMARY KEY,
            seconds REAL NOT NULL,
            time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- What a worker can do at the same time: jobs, not counting its lane of short ones, and bytes for their tools.
        ALTER TABLE worker ADD COLUMN slots INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE worker ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;

        -- Bytes of uploads and videos that are gone, by the second in which they went: they may still be on their way off
        -- the disk. Only the last seconds.
        CREATE TABLE freed (
            time INTEGER PRIMARY KEY,
            bytes INTEGER NOT NULL
        ) STRICT;
        """,
        // 7
        """
        -- What is wrong with a video that plays all the same: a JSON array of names.
        ALTER TABLE media ADD COLUMN flaws TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(flaws));

        -- Why a job has failed for good, of the list that others are told of; error says it to operators.
        ALTER TABLE job ADD COLUMN failure TEXT CHECK (failure IS NULL OR state = 'failed');
        UPDATE job SET failure = CASE substr(error, 1, instr(error || char(10), char(10)) - 1)
            WHEN 'unsupported' THEN 'nothing-plays' WHEN 'timeLimit' THEN 'time-limit'
            WHEN 'memoryLimit' THEN 'memory-limit' WHEN 'noSpace' THEN 'no-space' WHEN 'toolFailed' THEN 'tool-failed'
            WHEN 'worker_died' THEN 'worker-died' WHEN 'cancelled' THEN 'cancelled' ELSE 'internal' END
        WHERE state = 'failed';
        """,
        // 8
        """
        -- Where all is that was made of the file; NULL: in its directory, beside those of claims, as earlier versions did it.
        ALTER TABLE media ADD COLUMN directory TEXT;

        -- Not removed earlier, nor before a day after the delivery of these events.
        ALTER TABLE garbage ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE garbage ADD COLUMN first_event INTEGER;
        ALTER TABLE garbage ADD COLUMN last_event INTEGER;
        """,
    ]
}
