-- A catalogue of schema 4 as the program of that time left it: Tests/Upgrade/make 4d8853a
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('1');
INSERT INTO grdb_migrations VALUES('2');
INSERT INTO grdb_migrations VALUES('3');
INSERT INTO grdb_migrations VALUES('4');
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
INSERT INTO video_info VALUES(1,'','first','first','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-42,unixepoch()-42,1);
INSERT INTO video_info VALUES(2,'','small','small','upload/mp4/2026/11/original/small.mp4',4500,1.0,'c80e29d5cd228cf7a3cb52fe489919b8',2,unixepoch()-42,unixepoch()-42,1);
INSERT INTO video_info VALUES(3,'','again','again','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',NULL,unixepoch()-42,unixepoch()-42,1);
INSERT INTO video_info VALUES(4,'','renamed','renamed','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-42,unixepoch()-42,1);
INSERT INTO video_info VALUES(5,'anna','first-anna','first','upload/mp4/2026/11/original/first-anna.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-41,unixepoch()-41,1);
INSERT INTO video_info VALUES(9,'','broken','broken','upload/mp4/2026/11/original/broken.mp4',4500,0.0,'e0f91a63b829304ef6fe766ece07694d',1,unixepoch()-41,unixepoch()-41,1);
INSERT INTO video_info VALUES(10,'','killed','killed','upload/mp4/2026/11/original/killed.mp4',4500,0.0,'b74a3924c802be66031bda7a4e84f536',1,unixepoch()-31,unixepoch()-31,0);
INSERT INTO video_info VALUES(11,'','waiting','waiting','upload/mp4/2026/11/original/waiting.mp4',4500,0.0,'c9a1d1d6cd3cbefca9b1505ea2bcaa15',1,unixepoch()-30,unixepoch()-30,0);
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
    update_time INTEGER NOT NULL, boot_id TEXT NOT NULL DEFAULT '', video_name TEXT NOT NULL DEFAULT '', guid TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '', class_id INTEGER,
    CHECK ((size IS NULL) <> (size_guid IS NULL))
) STRICT;
INSERT INTO upload VALUES(1,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,1,1000,500,NULL,5,unixepoch()-42,unixepoch()-42,'00000000-0000-0000-0000-000000000000','first','first','upload/mp4/2026/11/original/first.mp4',1);
INSERT INTO upload VALUES(2,'','c80e29d5cd228cf7a3cb52fe489919b8',4500,NULL,0,'sealed',NULL,2,4500,4500,NULL,1,unixepoch()-42,unixepoch()-42,'00000000-0000-0000-0000-000000000000','small','small','upload/mp4/2026/11/original/small.mp4',2);
INSERT INTO upload VALUES(3,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,4,1000,500,'upload/mp4/2026/11/original/first.mp4',5,unixepoch()-42,unixepoch()-42,'00000000-0000-0000-0000-000000000000','renamed','renamed','upload/mp4/2026/11/original/renamed.mp4',1);
INSERT INTO upload VALUES(4,'anna','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,5,1000,500,NULL,5,unixepoch()-42,unixepoch()-41,'00000000-0000-0000-0000-000000000000','first','first-anna','upload/mp4/2026/11/original/first-anna.mp4',1);
INSERT INTO upload VALUES(5,'','f5a0bfbbc7656b77112143fa1c584f33',4500,NULL,5,'sealed',NULL,6,1000,500,NULL,5,unixepoch()-41,unixepoch()-41,'00000000-0000-0000-0000-000000000000','deleted','deleted','upload/mp4/2026/11/original/deleted.mp4',1);
INSERT INTO upload VALUES(6,'','47aabd16331e7dc6a3f5147824a5b2a9',4500,NULL,5,'rejected','container',7,NULL,NULL,NULL,0,unixepoch()-41,unixepoch()-41,'00000000-0000-0000-0000-000000000000','refused','refused','upload/mp4/2026/11/original/refused.mp4',1);
INSERT INTO upload VALUES(8,'','e0f91a63b829304ef6fe766ece07694d',4500,NULL,5,'sealed',NULL,9,1000,500,NULL,5,unixepoch()-41,unixepoch()-41,'00000000-0000-0000-0000-000000000000','broken','broken','upload/mp4/2026/11/original/broken.mp4',1);
INSERT INTO upload VALUES(9,'','b74a3924c802be66031bda7a4e84f536',4500,NULL,5,'sealed',NULL,10,1000,500,NULL,5,unixepoch()-31,unixepoch()-31,'00000000-0000-0000-0000-000000000000','killed','killed','upload/mp4/2026/11/original/killed.mp4',1);
INSERT INTO upload VALUES(10,'','c9a1d1d6cd3cbefca9b1505ea2bcaa15',4500,NULL,5,'sealed',NULL,11,1000,500,NULL,5,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','waiting','waiting','upload/mp4/2026/11/original/waiting.mp4',1);
INSERT INTO upload VALUES(11,'','220bc9e694d8402949de0a53d089663d',4500,NULL,5,'open',NULL,12,1000,500,NULL,4,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','middle','middle','upload/mp4/2026/11/original/middle.mp4',1);
INSERT INTO upload VALUES(12,'','471fe175183e5a8e7608a2de6c0c044f',4500,NULL,5,'open',NULL,13,1000,500,NULL,1,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','last','last','upload/mp4/2026/11/original/last.mp4',1);
INSERT INTO upload VALUES(13,'anna','93c478eda75a271e6e857db8a81cc8cd',4500,NULL,5,'open',NULL,14,1000,500,NULL,1,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','begun','begun-anna','upload/mp4/2026/11/original/begun-anna.mp4',1);
INSERT INTO upload VALUES(14,'','232fb5958b3693ea701f575a6acaafcb',NULL,'sizeless',5,'open',NULL,15,1000,NULL,NULL,2,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','sizeless','sizeless','upload/mp4/2026/11/original/sizeless.mp4',1);
INSERT INTO upload VALUES(15,'','06965e62fee90d5aeeae5606887f247e',NULL,'sizeless-last',5,'open',NULL,16,NULL,500,NULL,1,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','sizeless-last','sizeless-last','upload/mp4/2026/11/original/sizeless-last.mp4',1);
INSERT INTO upload VALUES(16,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'open',NULL,17,1000,500,'upload/mp4/2026/11/original/first.mp4',2,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','known','known','upload/mp4/2026/11/original/known.mp4',1);
INSERT INTO upload VALUES(17,'','98d7465d2d978fbc9f4b105aa274a24b',4500,NULL,5,'open',NULL,18,1000,500,NULL,5,unixepoch()-30,unixepoch()-30,'00000000-0000-0000-0000-000000000000','whole','whole','upload/mp4/2026/11/original/whole.mp4',1);
CREATE TABLE upload_guid (
    guid TEXT NOT NULL,
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
    PRIMARY KEY (guid, upload_id)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_guid VALUES('first',1);
INSERT INTO upload_guid VALUES('small',2);
INSERT INTO upload_guid VALUES('renamed',3);
INSERT INTO upload_guid VALUES('first-anna',4);
INSERT INTO upload_guid VALUES('deleted',5);
INSERT INTO upload_guid VALUES('refused',6);
INSERT INTO upload_guid VALUES('broken',8);
INSERT INTO upload_guid VALUES('killed',9);
INSERT INTO upload_guid VALUES('waiting',10);
INSERT INTO upload_guid VALUES('middle',11);
INSERT INTO upload_guid VALUES('last',12);
INSERT INTO upload_guid VALUES('begun-anna',13);
INSERT INTO upload_guid VALUES('sizeless',14);
INSERT INTO upload_guid VALUES('sizeless-last',15);
INSERT INTO upload_guid VALUES('known',16);
INSERT INTO upload_guid VALUES('whole',17);
CREATE TABLE upload_chunk (
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    length INTEGER NOT NULL,
    differs INTEGER NOT NULL DEFAULT 0, crc32c INTEGER,
    PRIMARY KEY (upload_id, chunk)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_chunk VALUES(11,0,1000,0,2752093380);
INSERT INTO upload_chunk VALUES(11,1,1000,0,1053759282);
INSERT INTO upload_chunk VALUES(11,3,1000,0,1825828670);
INSERT INTO upload_chunk VALUES(11,4,500,0,1540938315);
INSERT INTO upload_chunk VALUES(12,4,500,0,2543876638);
INSERT INTO upload_chunk VALUES(13,0,1000,0,2752093380);
INSERT INTO upload_chunk VALUES(14,0,1000,0,2752093380);
INSERT INTO upload_chunk VALUES(14,1,1000,0,4016695916);
INSERT INTO upload_chunk VALUES(15,4,500,0,2236794511);
INSERT INTO upload_chunk VALUES(16,0,1000,0,2752093380);
INSERT INTO upload_chunk VALUES(16,1,1000,0,3328378666);
INSERT INTO upload_chunk VALUES(17,0,1000,0,2752093380);
INSERT INTO upload_chunk VALUES(17,1,1000,0,1713429730);
INSERT INTO upload_chunk VALUES(17,2,1000,0,261863730);
INSERT INTO upload_chunk VALUES(17,3,1000,0,1693496142);
INSERT INTO upload_chunk VALUES(17,4,500,0,1493831019);
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
INSERT INTO job VALUES(1,'upload/mp4/2026/11/original/first.mp4','done',1,0,1,unixepoch()-42,NULL,NULL,1.0,NULL,unixepoch()-42,unixepoch()-38);
INSERT INTO job VALUES(2,'upload/mp4/2026/11/original/small.mp4','done',1,0,1,unixepoch()-42,NULL,NULL,1.0,NULL,unixepoch()-42,unixepoch()-34);
INSERT INTO job VALUES(3,'upload/mp4/2026/11/original/first-anna.mp4','done',1,0,1,unixepoch()-41,NULL,NULL,1.0,NULL,unixepoch()-41,unixepoch()-32);
INSERT INTO job VALUES(5,'upload/mp4/2026/11/original/broken.mp4','failed',1,0,1,unixepoch()-41,NULL,NULL,0.0,replace('unsupported\nffprobe cannot decode the file\n[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55d1eead4600] moov atom not found\nfile:/tmp/video-intake-upgrade-wai0wv4z/data/upload/mp4/2026/11/original/broken.mp4: Invalid data found when processing input','\n',char(10)),unixepoch()-41,unixepoch()-32);
INSERT INTO job VALUES(6,'upload/mp4/2026/11/original/killed.mp4','running',1,0,1,unixepoch()-31,'vm:13987',unixepoch()-28,0.0,NULL,unixepoch()-31,unixepoch()-30);
INSERT INTO job VALUES(7,'upload/mp4/2026/11/original/waiting.mp4','queued',0,0,0,unixepoch()-30,NULL,NULL,0.0,NULL,unixepoch()-30,unixepoch()-30);
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
INSERT INTO media VALUES('upload/mp4/2026/11/original/first-anna.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/first-anna.mp4/video.mp4','upload/mp4/2026/11/transcoded/first-anna.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/first-anna.mp4/poster.jpg','upload/mp4/2026/11/transcoded/first-anna.mp4/thumbnails.vtt');
INSERT INTO media VALUES('upload/mp4/2026/11/original/first.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/first.mp4/video.mp4','upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/first.mp4/poster.jpg','upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt');
INSERT INTO media VALUES('upload/mp4/2026/11/original/small.mp4',64,64,'h264',NULL,36000,'upload/mp4/2026/11/transcoded/small.mp4/video.mp4','upload/mp4/2026/11/transcoded/small.mp4/hls/master.m3u8','upload/mp4/2026/11/transcoded/small.mp4/poster.jpg','upload/mp4/2026/11/transcoded/small.mp4/thumbnails.vtt');
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
INSERT INTO event VALUES(1,'upload.completed',1,'{"kind":"upload.completed","time":1795911684,"video_id":1,"owner":"","guid":"first","video_name":"first","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911684,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-42,1,unixepoch()+19,unixepoch()-40);
INSERT INTO event VALUES(2,'upload.completed',2,'{"kind":"upload.completed","time":1795911684,"video_id":2,"owner":"","guid":"small","video_name":"small","path":"upload/mp4/2026/11/original/small.mp4","size":4500,"duration":1.0,"md5":"c80e29d5cd228cf7a3cb52fe489919b8","class_id":2,"class_name":"Films","game_name":"Go","create_time":1795911684,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-42,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(3,'upload.completed',3,'{"kind":"upload.completed","time":1795911684,"video_id":3,"owner":"","guid":"again","video_name":"again","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":null,"class_name":"","game_name":"","create_time":1795911684,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-42,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(4,'upload.completed',4,'{"kind":"upload.completed","time":1795911684,"video_id":4,"owner":"","guid":"renamed","video_name":"renamed","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911684,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-42,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(5,'upload.completed',5,'{"kind":"upload.completed","time":1795911685,"video_id":5,"owner":"anna","guid":"first-anna","video_name":"first","path":"upload/mp4/2026/11/original/first-anna.mp4","size":4500,"duration":null,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911685,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-41,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(6,'upload.completed',6,'{"kind":"upload.completed","time":1795911685,"video_id":6,"owner":"","guid":"deleted","video_name":"deleted","path":"upload/mp4/2026/11/original/deleted.mp4","size":4500,"duration":null,"md5":"f5a0bfbbc7656b77112143fa1c584f33","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911685,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-41,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(7,'upload.completed',9,'{"kind":"upload.completed","time":1795911685,"video_id":9,"owner":"","guid":"broken","video_name":"broken","path":"upload/mp4/2026/11/original/broken.mp4","size":4500,"duration":null,"md5":"e0f91a63b829304ef6fe766ece07694d","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911685,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-41,1,unixepoch()+20,unixepoch()-40);
INSERT INTO event VALUES(8,'video.ready',1,'{"kind":"video.ready","time":1795911688,"video_id":1,"owner":"","guid":"first","video_name":"first","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911684,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt"}',unixepoch()-38,1,unixepoch()+23,unixepoch()-37);
INSERT INTO event VALUES(9,'video.ready',3,'{"kind":"video.ready","time":1795911688,"video_id":3,"owner":"","guid":"again","video_name":"again","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":null,"class_name":"","game_name":"","create_time":1795911684,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt"}',unixepoch()-38,1,unixepoch()+23,unixepoch()-37);
INSERT INTO event VALUES(10,'video.ready',4,'{"kind":"video.ready","time":1795911688,"video_id":4,"owner":"","guid":"renamed","video_name":"renamed","path":"upload/mp4/2026/11/original/first.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911684,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first.mp4/thumbnails.vtt"}',unixepoch()-38,1,unixepoch()+23,unixepoch()-37);
INSERT INTO event VALUES(11,'video.ready',2,'{"kind":"video.ready","time":1795911692,"video_id":2,"owner":"","guid":"small","video_name":"small","path":"upload/mp4/2026/11/original/small.mp4","size":4500,"duration":1.0,"md5":"c80e29d5cd228cf7a3cb52fe489919b8","class_id":2,"class_name":"Films","game_name":"Go","create_time":1795911684,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/small.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/small.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/small.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/small.mp4/thumbnails.vtt"}',unixepoch()-34,1,unixepoch()+26,unixepoch()-34);
INSERT INTO event VALUES(12,'video.ready',5,'{"kind":"video.ready","time":1795911694,"video_id":5,"owner":"anna","guid":"first-anna","video_name":"first","path":"upload/mp4/2026/11/original/first-anna.mp4","size":4500,"duration":1.0,"md5":"bd00f9a57490a623726f371bfc3d3eb8","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911685,"error":null,"width":64,"height":64,"mp4_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/video.mp4","hls_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/hls/master.m3u8","poster_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/poster.jpg","thumbnails_path":"upload/mp4/2026/11/transcoded/first-anna.mp4/thumbnails.vtt"}',unixepoch()-32,1,unixepoch()+29,unixepoch()-31);
INSERT INTO event VALUES(13,'video.failed',9,'{"kind":"video.failed","time":1795911694,"video_id":9,"owner":"","guid":"broken","video_name":"broken","path":"upload/mp4/2026/11/original/broken.mp4","size":4500,"duration":0.0,"md5":"e0f91a63b829304ef6fe766ece07694d","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911685,"error":"unsupported","width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-32,1,unixepoch()+29,unixepoch()-31);
INSERT INTO event VALUES(14,'upload.completed',10,'{"kind":"upload.completed","time":1795911695,"video_id":10,"owner":"","guid":"killed","video_name":"killed","path":"upload/mp4/2026/11/original/killed.mp4","size":4500,"duration":null,"md5":"b74a3924c802be66031bda7a4e84f536","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911695,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-31,1,unixepoch()-24,NULL);
INSERT INTO event VALUES(15,'upload.completed',11,'{"kind":"upload.completed","time":1795911696,"video_id":11,"owner":"","guid":"waiting","video_name":"waiting","path":"upload/mp4/2026/11/original/waiting.mp4","size":4500,"duration":null,"md5":"c9a1d1d6cd3cbefca9b1505ea2bcaa15","class_id":1,"class_name":"Clips","game_name":"Go","create_time":1795911696,"error":null,"width":null,"height":null,"mp4_path":null,"hls_path":null,"poster_path":null,"thumbnails_path":null}',unixepoch()-30,0,unixepoch()-30,NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('video_class',2);
INSERT INTO sqlite_sequence VALUES('upload',17);
INSERT INTO sqlite_sequence VALUES('job',7);
INSERT INTO sqlite_sequence VALUES('event',15);
CREATE INDEX video_info_content ON video_info (md5, owner, size);
CREATE INDEX video_info_class ON video_info (class_id);
CREATE UNIQUE INDEX upload_unfinished
    ON upload (md5, owner, chunks, ifnull(size, -1), ifnull(size_guid, '')) WHERE state <> 'sealed';
CREATE INDEX upload_update_time ON upload (update_time);
CREATE INDEX upload_guid_upload ON upload_guid (upload_id);
CREATE INDEX upload_open ON upload (owner) WHERE state = 'open';
CREATE INDEX video_info_unprobed ON video_info (video_id) WHERE probed = 0;
CREATE INDEX video_info_path ON video_info (path);
CREATE INDEX job_queued ON job (job_id) WHERE state = 'queued';
CREATE INDEX job_running ON job (job_id) WHERE state = 'running';
CREATE INDEX event_undelivered ON event (event_id) WHERE delivered_time IS NULL;
CREATE INDEX event_undelivered_video ON event (video_id, event_id) WHERE delivered_time IS NULL;
CREATE INDEX event_delivered ON event (delivered_time) WHERE delivered_time IS NOT NULL;
