-- A catalogue of schema 1 as the program of that time left it: Tests/Upgrade/make 311fa3d
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('1');
CREATE TABLE id_sequence (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO id_sequence VALUES('video',14);
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
) STRICT;
INSERT INTO video_info VALUES(1,'','first','first','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-5,unixepoch()-5);
INSERT INTO video_info VALUES(2,'','small','small','upload/mp4/2026/11/original/small.mp4',4500,1.0,'c80e29d5cd228cf7a3cb52fe489919b8',2,unixepoch()-5,unixepoch()-5);
INSERT INTO video_info VALUES(3,'','again','again','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',NULL,unixepoch()-5,unixepoch()-5);
INSERT INTO video_info VALUES(4,'','renamed','renamed','upload/mp4/2026/11/original/first.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-4,unixepoch()-4);
INSERT INTO video_info VALUES(5,'anna','first-anna','first','upload/mp4/2026/11/original/first-anna.mp4',4500,1.0,'bd00f9a57490a623726f371bfc3d3eb8',1,unixepoch()-3,unixepoch()-3);
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
INSERT INTO upload VALUES(1,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,1,1000,500,NULL,5,unixepoch()-5,unixepoch()-5);
INSERT INTO upload VALUES(2,'','c80e29d5cd228cf7a3cb52fe489919b8',4500,NULL,0,'sealed',NULL,2,4500,4500,NULL,1,unixepoch()-5,unixepoch()-5);
INSERT INTO upload VALUES(3,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,4,1000,500,'upload/mp4/2026/11/original/first.mp4',5,unixepoch()-5,unixepoch()-4);
INSERT INTO upload VALUES(4,'anna','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'sealed',NULL,5,1000,500,NULL,5,unixepoch()-4,unixepoch()-3);
INSERT INTO upload VALUES(5,'','47aabd16331e7dc6a3f5147824a5b2a9',4500,NULL,5,'rejected','container',6,NULL,NULL,NULL,0,unixepoch()-3,unixepoch()-3);
INSERT INTO upload VALUES(7,'','220bc9e694d8402949de0a53d089663d',4500,NULL,5,'open',NULL,8,1000,500,NULL,4,unixepoch()-3,unixepoch()-2);
INSERT INTO upload VALUES(8,'','471fe175183e5a8e7608a2de6c0c044f',4500,NULL,5,'open',NULL,9,1000,500,NULL,1,unixepoch()-2,unixepoch()-2);
INSERT INTO upload VALUES(9,'anna','93c478eda75a271e6e857db8a81cc8cd',4500,NULL,5,'open',NULL,10,1000,500,NULL,1,unixepoch()-2,unixepoch()-2);
INSERT INTO upload VALUES(10,'','232fb5958b3693ea701f575a6acaafcb',NULL,'sizeless',5,'open',NULL,11,1000,NULL,NULL,2,unixepoch()-2,unixepoch()-2);
INSERT INTO upload VALUES(11,'','06965e62fee90d5aeeae5606887f247e',NULL,'sizeless-last',5,'open',NULL,12,NULL,500,NULL,1,unixepoch()-2,unixepoch()-2);
INSERT INTO upload VALUES(12,'','bd00f9a57490a623726f371bfc3d3eb8',4500,NULL,5,'open',NULL,13,1000,500,'upload/mp4/2026/11/original/first.mp4',2,unixepoch()-2,unixepoch()-2);
INSERT INTO upload VALUES(13,'','98d7465d2d978fbc9f4b105aa274a24b',4500,NULL,5,'open',NULL,14,1000,500,NULL,5,unixepoch()-2,unixepoch()-1);
CREATE TABLE upload_guid (
    guid TEXT NOT NULL,
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
    PRIMARY KEY (guid, upload_id)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_guid VALUES('first',1);
INSERT INTO upload_guid VALUES('small',2);
INSERT INTO upload_guid VALUES('renamed',3);
INSERT INTO upload_guid VALUES('first-anna',4);
INSERT INTO upload_guid VALUES('refused',5);
INSERT INTO upload_guid VALUES('middle',7);
INSERT INTO upload_guid VALUES('last',8);
INSERT INTO upload_guid VALUES('begun-anna',9);
INSERT INTO upload_guid VALUES('sizeless',10);
INSERT INTO upload_guid VALUES('sizeless-last',11);
INSERT INTO upload_guid VALUES('known',12);
INSERT INTO upload_guid VALUES('whole',13);
CREATE TABLE upload_chunk (
    upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    length INTEGER NOT NULL,
    differs INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (upload_id, chunk)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_chunk VALUES(7,0,1000,0);
INSERT INTO upload_chunk VALUES(7,1,1000,0);
INSERT INTO upload_chunk VALUES(7,3,1000,0);
INSERT INTO upload_chunk VALUES(7,4,500,0);
INSERT INTO upload_chunk VALUES(8,4,500,0);
INSERT INTO upload_chunk VALUES(9,0,1000,0);
INSERT INTO upload_chunk VALUES(10,0,1000,0);
INSERT INTO upload_chunk VALUES(10,1,1000,0);
INSERT INTO upload_chunk VALUES(11,4,500,0);
INSERT INTO upload_chunk VALUES(12,0,1000,0);
INSERT INTO upload_chunk VALUES(12,1,1000,0);
INSERT INTO upload_chunk VALUES(13,0,1000,0);
INSERT INTO upload_chunk VALUES(13,1,1000,0);
INSERT INTO upload_chunk VALUES(13,2,1000,0);
INSERT INTO upload_chunk VALUES(13,3,1000,0);
INSERT INTO upload_chunk VALUES(13,4,500,0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('video_class',2);
INSERT INTO sqlite_sequence VALUES('upload',13);
CREATE INDEX video_info_content ON video_info (md5, owner, size);
CREATE INDEX video_info_class ON video_info (class_id);
CREATE UNIQUE INDEX upload_unfinished
    ON upload (md5, owner, chunks, ifnull(size, -1), ifnull(size_guid, '')) WHERE state <> 'sealed';
CREATE INDEX upload_update_time ON upload (update_time);
CREATE INDEX upload_guid_upload ON upload_guid (upload_id);
