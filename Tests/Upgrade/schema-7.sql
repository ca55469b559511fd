-- A catalogue of schema 7 as the program of that time left it: Tests/Upgrade/make e5d2555
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('1');
INSERT INTO grdb_migrations VALUES('2');
INSERT INTO grdb_migrations VALUES('3');
INSERT INTO grdb_migrations VALUES('4');
INSERT INTO grdb_migrations VALUES('5');
INSERT INTO grdb_migrations VALUES('6');
INSERT INTO grdb_migrations VALUES('7');
CREATE TABLE id_sequence (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO id_sequence VALUES('video',18);
CREATE TABLE video_class (
    class_id INTEGER PRIMARY KEY AUTOINCREMENT,
    class_name TEXT NOT NULL,
    game_name TEXT NOT NULL DEFAULT '',
    UNIQUE (game_name, class_name)
) STRICT;
INSERT INTO video_class VALUES(1,'Clips','Go');
INSERT INTO video_class VALUES(2,'Films','Go');
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
, probed INTEGER NOT NULL DEFAULT 1 CHECK (probed IN (0, 1))) STRICT;
INSERT INTO video_info VALUES(1,'','first','first','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-45,unixepoch()-45,1);
INSERT INTO video_info VALUES(2,'','small','small','upload/mp4/2026/11/original/small.mp4',4500,1.0,'c80e29d5cd228cf7a3cb52fe489919b8',2,unixepoch()-44,unixepoch()-44,1);
INSERT INTO video_info VALUES(3,'','again','again','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',NULL,unixepoch()-44,unixepoch()-44,1);
INSERT INTO video_info VALUES(4,'','renamed','renamed','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-44,unixepoch()-44,1);
INSERT INTO video_info VALUES(5,'anna','first-anna','first','upload/mp4/2026/11/original/first-anna.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-44,unixepoch()-44,1);
INSERT INTO video_info VALUES(10,'','broken','broken','upload/mp4/2026/11/original/broken.mp4',4500,0.0,'e0f91a63b829304ef6fe766ece07694d',1,unixepoch()-44,unixepoch()-44,1);
INSERT INTO video_info VALUES(11,'','killed','killed','upload/mp4/2026/11/original/killed.mp4',4500,1.0,'b74a3924c802be66031bda7a4e84f536',1,unixepoch()-33,unixepoch()-33,1);
INSERT INTO video_info VALUES(12,'','waiting','waiting','upload/mp4/2026/11/original/waiting.mp4',4500,0.0,'c9a1d1d6cd3cbefca9b1505ea2bcaa15',1,unixepoch()-31,unixepoch()-31,0);
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
    received INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL, boot_id TEXT NOT NULL DEFAULT '', video_name TEXT NOT NULL DEFAULT '', guid TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '', class_id INTEGER, client TEXT NOT NULL DEFAULT '', received_bytes INTEGER NOT NULL DEFAULT 0, is_known INTEGER NOT NULL DEFAULT 0 CHECK (is_known IN (0, 1)),
    CHECK ((size IS NULL) <> (size_guid IS NULL))
) STRICT;
INSERT INTO upload VALUES(1,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,1,1000,5,unixepoch()-45,unixepoch()-45,'00000000-0000-0000-0000-000000000000','first','first','upload/mp4/2026/11/original/first.mp4',1,'192.0.2.1',4500,0);
INSERT INTO upload VALUES(2,'','c80e29d5cd228cf7a3cb52fe489919b8',4500,NULL,0,'sealed',NULL,2,4500,1,unixepoch()-45,unixepoch()-45,'00000000-0000-0000-0000-000000000000','small','small','upload/mp4/2026/11/original/small.mp4',2,'192.0.2.1',4500,0);
INSERT INTO upload VALUES(3,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,4,1000,5,unixepoch()-45,unixepoch()-45,'00000000-0000-0000-0000-000000000000','renamed','renamed','upload/mp4/2026/11/original/renamed.mp4',1,'192.0.2.1',4500,1);
INSERT INTO upload VALUES(4,'anna','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,5,1000,5,unixepoch()-45,unixepoch()-44,'00000000-0000-0000-0000-000000000000','first','first-anna','upload/mp4/2026/11/original/first-anna.mp4',1,'owner:anna',4500,0);
INSERT INTO upload VALUES(9,'','e0f91a63b829304ef6fe766ece07694d',4500,NULL,5,'sealed',NULL,10,1000,5,unixepoch()-44,unixepoch()-44,'00000000-0000-0000-0000-000000000000','broken','broken','upload/mp4/2026/11/original/broken.mp4',1,'192.0.2.1',4500,0);
INSERT INTO upload VALUES(10,'','b74a3924c802be66031bda7a4e84f536',4500,NULL,5,'sealed',NULL,11,1000,5,unixepoch()-33,unixepoch()-33,'00000000-0000-0000-0000-000000000000','killed','killed','upload/mp4/2026/11/original/killed.mp4',1,'192.0.2.1',4500,0);
INSERT INTO upload VALUES(11,'','c9a1d1d6cd3cbefca9b1505ea2bcaa15',4500,NULL,5,'sealed',NULL,12,1000,5,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','waiting','waiting','upload/mp4/2026/11/original/waiting.mp4',1,'192.0.2.1',4500,0);
INSERT INTO upload VALUES(12,'','220bc9e694d8402949de0a53d089663d',4500,NULL,5,'open',NULL,13,1000,4,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','middle','middle','upload/mp4/2026/11/original/middle.mp4',1,'192.0.2.1',3500,0);
INSERT INTO upload VALUES(13,'','471fe175183e5a8e7608a2de6c0c044f',4500,NULL,5,'open',NULL,14,1000,1,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','last','last','upload/mp4/2026/11/original/last.mp4',1,'192.0.2.1',500,0);
INSERT INTO upload VALUES(14,'anna','93c478eda75a271e6e857db8a81cc8cd',4500,NULL,5,'open',NULL,15,1000,1,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','begun','begun-anna','upload/mp4/2026/11/original/begun-anna.mp4',1,'owner:anna',1000,0);
INSERT INTO upload VALUES(15,'','232fb5958b3693ea701f575a6acaafcb',NULL,'sizeless',5,'open',NULL,16,1000,2,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','sizeless','sizeless','upload/mp4/2026/11/original/sizeless.mp4',1,'192.0.2.1',2000,0);
INSERT INTO upload VALUES(16,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'open',NULL,17,1000,2,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','known','known','upload/mp4/2026/11/original/known.mp4',1,'192.0.2.1',2000,1);
INSERT INTO upload VALUES(17,'','98d7465d2d978fbc9f4b105aa274a24b',4500,NULL,5,'open',NULL,18,1000,5,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','whole','whole','upload/mp4/2026/11/original/whole.mp4',1,'192.0.2.1',4500,0);
CREATE TABLE upload_guid (
    guid TEXT NOT NULL,
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE, number INTEGER NOT NULL DEFAULT 0, first_came INTEGER NOT NULL DEFAULT 0 CHECK (first_came IN (0, 1)), overlapped INTEGER NOT NULL DEFAULT 0 CHECK (overlapped IN (0, 1)),
    PRIMARY KEY (guid, upload_id)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_guid VALUES('begun-anna',14,1,1,0);
INSERT INTO upload_guid VALUES('broken',9,1,1,0);
INSERT INTO upload_guid VALUES('first',1,1,1,0);
INSERT INTO upload_guid VALUES('first-anna',4,1,1,0);
INSERT INTO upload_guid VALUES('killed',10,1,1,0);
INSERT INTO upload_guid VALUES('known',16,1,1,0);
INSERT INTO upload_guid VALUES('last',13,1,0,0);
INSERT INTO upload_guid VALUES('middle',12,1,1,0);
INSERT INTO upload_guid VALUES('renamed',3,1,1,0);
INSERT INTO upload_guid VALUES('sizeless',15,1,1,0);
INSERT INTO upload_guid VALUES('small',2,1,1,0);
INSERT INTO upload_guid VALUES('waiting',11,1,1,0);
INSERT INTO upload_guid VALUES('whole',17,1,1,0);
CREATE TABLE upload_chunk (
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    length INTEGER NOT NULL,
    crc32c INTEGER,
    PRIMARY KEY (upload_id, chunk)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_chunk VALUES(12,0,1000,2752093380);
INSERT INTO upload_chunk VALUES(12,1,1000,1053759282);
INSERT INTO upload_chunk VALUES(12,3,1000,1825828670);
INSERT INTO upload_chunk VALUES(12,4,500,1540938315);
INSERT INTO upload_chunk VALUES(13,4,500,2543876638);
INSERT INTO upload_chunk VALUES(14,0,1000,2752093380);
INSERT INTO upload_chunk VALUES(15,0,1000,2752093380);
INSERT INTO upload_chunk VALUES(15,1,1000,4016695916);
INSERT INTO upload_chunk VALUES(16,0,1000,2752093380);
INSERT INTO upload_chunk VALUES(16,1,1000,3328378666);
INSERT INTO upload_chunk VALUES(17,0,1000,2752093380);
INSERT INTO upload_chunk VALUES(17,1,1000,1713429730);
INSERT INTO upload_chunk VALUES(17,2,1000,261863730);
INSERT INTO upload_chunk VALUES(17,3,1000,1693496142);
INSERT INTO upload_chunk VALUES(17,4,500,1493831019);
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
    update_time INTEGER NOT NULL, client TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0, is_long INTEGER NOT NULL DEFAULT 0 CHECK (is_long IN (0, 1)), postponed INTEGER NOT NULL DEFAULT 0, failure TEXT CHECK (failure IS NULL OR state = 'failed'),
    CHECK ((state = 'running') = (worker IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL))
) STRICT;
INSERT INTO job VALUES(1,'upload/mp4/2026/11/original/first.mp4','done',1,0,1,unixepoch()-45,NULL,NULL,1.0,NULL,unixepoch()-45,unixepoch()-38,'',4500,0,0,NULL);
INSERT INTO job VALUES(2,'upload/mp4/2026/11/original/small.mp4','done',1,0,1,unixepoch()-44,NULL,NULL,1.0,NULL,unixepoch()-44,unixepoch()-34,'',4500,0,0,NULL);
INSERT INTO job VALUES(3,'upload/mp4/2026/11/original/first-anna.mp4','done',1,0,1,unixepoch()-44,NULL,NULL,1.0,NULL,unixepoch()-44,unixepoch()-38,'',4500,0,0,NULL);
INSERT INTO job VALUES(6,'upload/mp4/2026/11/original/broken.mp4','failed',1,0,1,unixepoch()-44,NULL,NULL,0.0,replace('unsupported\nffprobe cannot decode the file\n[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55fff44ca780] moov atom not found\nfile:/tmp/video-intake-upgrade-keutvd1q/data/upload/mp4/2026/11/original/broken.mp4: Invalid data found when processing input','\n',char(10)),unixepoch()-44,unixepoch()-34,'',4500,0,0,'nothing-plays');
INSERT INTO job VALUES(7,'upload/mp4/2026/11/original/killed.mp4','running',1,0,1,unixepoch()-33,'vm:6876',unixepoch()-29,0.0,NULL,unixepoch()-33,unixepoch()-31,'192.0.2.1',4500,0,0,NULL);
INSERT INTO job VALUES(8,'upload/mp4/2026/11/original/waiting.mp4','queued',0,0,0,unixepoch()-31,NULL,NULL,0.0,NULL,unixepoch()-31,unixepoch()-31,'192.0.2.1',4500,0,0,NULL);
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
, flaws TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(flaws))) STRICT, WITHOUT ROWID;
INSERT INTO media VALUES('upload/mp4/2026/11/original/first-anna.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/first-anna.mp4/video.mp4','upload/mp4/2026/11/transcoded/first-anna.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/first-anna.mp4/poster.jpg','upload/mp4/2026/11/transcoded/first-anna.mp4/thumbnails.vtt','[]');
INSERT INTO media VALUES('upload/mp4/2026/11/original/first.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/first.mp4/video.mp4','upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/first.mp4/poster.jpg','upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt','[]');
INSERT INTO media VALUES('upload/mp4/2026/11/original/small.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/small.mp4/video.mp4','upload/mp4/2026/11/transcoded/small.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/small.mp4/poster.jpg','upload/mp4/2026/11/transcoded/small.mp4/thumbnails.vtt','[]');
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
INSERT INTO event VALUES(1,'upload.completed',1,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911179,"video_id":1,"owner":"","guid":"first","video_name":"first","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911179,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-45,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(2,'upload.completed',2,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":2,"owner":"","guid":"small","video_name":"small","path":"upload/mp4/2026/11/original/small.mp4","size":4500,"duration":1.0,"md5":"c80e29d5cd228cf7a3cb52fe489919b8","class_id":2,"class_name":"Films","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(3,'upload.completed',3,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":3,"owner":"","guid":"again","video_name":"again","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":null,"class_name":"","game_name":"","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(4,'upload.completed',4,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":4,"owner":"","guid":"renamed","video_name":"renamed","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(5,'upload.completed',5,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":5,"owner":"anna","guid":"first-anna","video_name":"first","path":"upload/mp4/2026/11/original/first-anna.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(6,'upload.completed',6,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":6,"owner":"","guid":"deleted","video_name":"deleted","path":"upload/mp4/2026/11/original/deleted.mp4","size":4500,"duration":null,"md5":"f5a0bfbbc7656b77112143fa1c584f33","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(7,'upload.completed',7,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":7,"owner":"","guid":"garbage","video_name":"garbage","path":"upload/mp4/2026/11/original/garbage.mp4","size":4500,"duration":null,"md5":"9df1b90b54ff07cf6e609defebbf3255","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(8,'upload.completed',10,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911180,"video_id":10,"owner":"","guid":"broken","video_name":"broken","path":"upload/mp4/2026/11/original/broken.mp4","size":4500,"duration":null,"md5":"e0f91a63b829304ef6fe766ece07694d","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-44,1,unixepoch()+18,unixepoch()-42);
INSERT INTO event VALUES(9,'video.ready',5,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911186,"video_id":5,"owner":"anna","guid":"first-anna","video_name":"first","path":"upload/mp4/2026/11/original/first-anna.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-38,1,unixepoch()+22,unixepoch()-38);
INSERT INTO event VALUES(10,'video.ready',1,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911186,"video_id":1,"owner":"","guid":"first","video_name":"first","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911179,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-38,1,unixepoch()+22,unixepoch()-38);
INSERT INTO event VALUES(11,'video.ready',3,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911186,"video_id":3,"owner":"","guid":"again","video_name":"again","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":null,"class_name":"","game_name":"","create_time":1795911180,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-38,1,unixepoch()+22,unixepoch()-38);
INSERT INTO event VALUES(12,'video.ready',4,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911186,"video_id":4,"owner":"","guid":"renamed","video_name":"renamed","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-38,1,unixepoch()+22,unixepoch()-38);
INSERT INTO event VALUES(13,'video.ready',7,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911189,"video_id":7,"owner":"","guid":"garbage","video_name":"garbage","path":"upload/mp4/2026/11/original/garbage.mp4","size":4500,"duration":1.0,"md5":"9df1b90b54ff07cf6e609defebbf3255","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/garbage.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/garbage.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/garbage.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/garbage.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-35,1,unixepoch()+26,unixepoch()-34);
INSERT INTO event VALUES(14,'video.ready',2,'{"epoch":"8b6b1fb8ce83413c","kind":"video.ready","time":1795911190,"video_id":2,"owner":"","guid":"small","video_name":"small","path":"upload/mp4/2026/11/original/small.mp4","size":4500,"duration":1.0,"md5":"c80e29d5cd228cf7a3cb52fe489919b8","class_id":2,"class_name":"Films","game_name":"Go","create_time":1795911180,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/small.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/small.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/small.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/small.mp4/thumbnails.vtt","flaws":[],"failure":null}',unixepoch()-34,1,unixepoch()+26,unixepoch()-34);
INSERT INTO event VALUES(15,'video.failed',10,'{"epoch":"8b6b1fb8ce83413c","kind":"video.failed","time":1795911190,"video_id":10,"owner":"","guid":"broken","video_name":"broken","path":"upload/mp4/2026/11/original/broken.mp4","size":4500,"duration":0.0,"md5":"e0f91a63b829304ef6fe766ece07694d","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911180,"error":"unsupported","width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":"nothing-plays"}',unixepoch()-34,1,unixepoch()+26,unixepoch()-34);
INSERT INTO event VALUES(16,'upload.completed',11,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911191,"video_id":11,"owner":"","guid":"killed","video_name":"killed","path":"upload/mp4/2026/11/original/killed.mp4","size":4500,"duration":null,"md5":"b74a3924c802be66031bda7a4e84f536","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911191,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-33,1,unixepoch()-26,NULL);
INSERT INTO event VALUES(17,'upload.completed',12,'{"epoch":"8b6b1fb8ce83413c","kind":"upload.completed","time":1795911193,"video_id":12,"owner":"","guid":"waiting","video_name":"waiting","path":"upload/mp4/2026/11/original/waiting.mp4","size":4500,"duration":null,"md5":"c9a1d1d6cd3cbefca9b1505ea2bcaa15","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911193,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null,"flaws":null,"failure":null}',unixepoch()-31,0,unixepoch()-31,NULL);
CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO fact VALUES('clock',''||(unixepoch()-45)||' 20066 '||(unixepoch()-45)||' - 00000000-0000-0000-0000-000000000000');
INSERT INTO fact VALUES('epoch','8b6b1fb8ce83413c');
INSERT INTO fact VALUES('events_given_up',0);
INSERT INTO fact VALUES('worker_walls',1805);
CREATE TABLE worker (
    name TEXT PRIMARY KEY,
    heartbeat_time INTEGER NOT NULL
, slots INTEGER NOT NULL DEFAULT 0, memory INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO worker VALUES('vm:6876',unixepoch()-31,1,18688950272);
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
INSERT INTO refusal VALUES('','00000000000000000000000000000000','changed','md5',1,0,4,'192.0.2.1',unixepoch()-44);
INSERT INTO refusal VALUES('','47aabd16331e7dc6a3f5147824a5b2a9','refused','container text',1,0,4,'192.0.2.1',unixepoch()-44);
INSERT INTO refusal VALUES('','9df1b90b54ff07cf6e609defebbf3255','garbage','expired',1,0,1,'192.0.2.1',unixepoch()-31);
INSERT INTO refusal VALUES('','f5a0bfbbc7656b77112143fa1c584f33','deleted','expired',1,0,1,'192.0.2.1',unixepoch()-44);
CREATE TABLE garbage (
    garbage_id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    create_time INTEGER NOT NULL
) STRICT;
INSERT INTO garbage VALUES(3,'upload/mp4/2026/11/original/garbage.mp4',unixepoch()-30);
INSERT INTO garbage VALUES(4,'upload/mp4/2026/11/transcoded/garbage.mp4',unixepoch()-30);
CREATE TABLE client_use (
    client TEXT PRIMARY KEY,
    seconds REAL NOT NULL,
    time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO client_use VALUES('192.0.2.1',11.993456463529515332,unixepoch()-34);
INSERT INTO client_use VALUES('owner:anna',3.9988450141601878939,unixepoch()-38);
CREATE TABLE freed (
    time INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO freed VALUES(unixepoch()-31,4500);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('video_class',2);
INSERT INTO sqlite_sequence VALUES('upload',17);
INSERT INTO sqlite_sequence VALUES('job',8);
INSERT INTO sqlite_sequence VALUES('event',17);
INSERT INTO sqlite_sequence VALUES('garbage',4);
CREATE INDEX video_info_content ON video_info (md5, owner, size);
CREATE INDEX video_info_class ON video_info (class_id);
CREATE INDEX upload_update_time ON upload (update_time);
CREATE INDEX upload_guid_upload ON upload_guid (upload_id);
CREATE INDEX video_info_unprobed ON video_info (video_id) WHERE probed = 0;
CREATE INDEX video_info_path ON video_info (path);
CREATE INDEX job_queued ON job (job_id) WHERE state = 'queued';
CREATE INDEX job_running ON job (job_id) WHERE state = 'running';
CREATE INDEX event_undelivered ON event (event_id) WHERE delivered_time IS NULL;
CREATE INDEX event_undelivered_video ON event (video_id, event_id) WHERE delivered_time IS NULL;
CREATE INDEX event_delivered ON event (delivered_time) WHERE delivered_time IS NOT NULL;
CREATE INDEX job_state ON job (state, update_time);
CREATE TRIGGER video_info_number AFTER INSERT ON video_info
    WHEN NEW.video_id > (SELECT last FROM id_sequence WHERE name = 'video')
BEGIN
    UPDATE id_sequence SET last = NEW.video_id WHERE name = 'video';
END;
CREATE INDEX refusal_client ON refusal (client, create_time);
CREATE INDEX refusal_create_time ON refusal (create_time);
CREATE UNIQUE INDEX upload_unfinished
    ON upload (md5, owner, chunks, ifnull(size, -1), ifnull(size_guid, ''), chunk_size) WHERE state <> 'sealed';
CREATE INDEX upload_open ON upload (client) WHERE state = 'open';
CREATE INDEX job_client ON job (client) WHERE state = 'queued';
