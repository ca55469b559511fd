<?php
// Makes the database of upload.php. Run once, with the database's path, before php-fpm starts.

$db = new PDO('sqlite:' . $argv[1], options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec('PRAGMA journal_mode = WAL');
$db->exec(<<<SQL
    CREATE TABLE IF NOT EXISTS class (
        class_id INTEGER PRIMARY KEY,
        class_name TEXT NOT NULL,
        game_name TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS video (
        video_id INTEGER PRIMARY KEY AUTOINCREMENT,
        video_name TEXT NOT NULL,
        video_url TEXT NOT NULL,
        size INTEGER NOT NULL,
        create_time TEXT NOT NULL,
        update_time TEXT NOT NULL,
        duration REAL NOT NULL,
        md5 TEXT NOT NULL,
        class_id INTEGER,
        guid TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS video_md5 ON video (md5);
    INSERT OR IGNORE INTO class VALUES (1, '攻略', '测试游戏');
    SQL);
