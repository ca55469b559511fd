<?php
// The PHP that video-intake replaces, as the article has it that many sites took it over from (README.md tells what differs), and
// with what a careful shop would give it: opcache, persistent connections, temporary files on the data's own file system.
// Every chunk becomes a file and a memcached key; every request looks through all keys of its upload, twice at those that are there;
// the one that finds the last of them copies the chunks into one file. One thing is better than in the article: the merge's file is
// opened such that only one request gets it. Left out: the transcoding that the article forks.

declare(strict_types=1);

const DAY = 86400;

date_default_timezone_set('Asia/Shanghai');

match (basename($_SERVER['DOCUMENT_URI'])) {
    'upload_file' => upload_file(),
    'determine_video_exist' => determine_video_exist(),
    default => reply(-1, 'no such action', status: 404),
};

function upload_file(): void
{
    $guid = text('guid');
    $name = text('file_name');
    $md5 = text('md5');
    $chunks = (int) text('chunks');
    $chunk = (int) text('chunk');
    $file = $_FILES[text('file_id', 'file')] ?? null;

    if (empty($guid) || empty($name) || empty($md5)) {
        reply(-1, 'guid 或 file_name 或 md5 不能为空');
    }
    if (empty($file['name'])) {
        reply(-1, '请上传一个文件');
    }
    if (
        !preg_match('/^[A-Za-z0-9_-]{1,64}$/D', $guid) || !preg_match('/^[0-9a-f]{32}$/D', $md5)
        || $chunk < 0 || $chunks > 0 && $chunk >= $chunks
    ) {
        reply(-1, 'guid, md5, chunks or chunk is malformed');
    }
    $type = strtolower(pathinfo($file['name'], PATHINFO_EXTENSION));
    if ($file['error'] !== UPLOAD_ERR_OK || !in_array($type, ['mp4', 'avi', 'flv'], true)) {
        reply($chunks ? -2 : -3, $chunks ? '分片上传失败' : '上传文件出错!');
    }

    $path = 'upload/mp4/' . date('Y/m') . "/original/$guid.$type";
    if ($chunks) {
        $part = 'upload/chunks/' . date('Y/m') . "/$guid$chunk.$type";
        if (!store($file, $part)) {
            reply(-2, '分片上传失败');
        }
        $parts = note_chunk($guid, $chunk, $chunks, $part);
        if (count($parts) < $chunks || !merge($parts, $path, $guid)) {
            reply(2, '分片上传成功', ['chunks' => $chunks, 'chunk' => $chunk]);
        }
    } elseif (!store($file, $path)) {
        reply(-3, '上传文件出错!');
    }

    $now = date('y-m-d H:i:s');
    $size = filesize(data_path($path));
    $video = [
        'video_name' => $name,
        'video_url' => "http://video.example/$path",
        'size' => $size,
        'create_time' => $now,
        'update_time' => $now,
        'duration' => duration($path),
        'md5' => $md5,
    ];
    $id = save_video([...$video, 'class_id' => text('class_id') ?: null, 'guid' => $guid]);
    if (!$id) {
        reply(-6, '视频信息保存失败');
    }
    reply(1, '视频上传成功', [
        'path' => $path,
        ...($chunks ? ['chunks' => $chunks, 'chunk' => $chunk] : ['video_data' => $video]),
        'size' => text('unsize_change') ? $size : readable($size),
        'guid' => $guid,
        'video_id' => $id,
        'file' => $file,
        'id' => text('id'),
    ]);
}

function determine_video_exist(): void
{
    $md5 = text('md5');
    if (!preg_match('/^[0-9a-f]{32}$/D', $md5)) {
        reply(-1, 'md5 不能为空');
    }
    $find = database()->prepare(
        'SELECT video.*, game_name FROM video LEFT JOIN class USING (class_id) WHERE md5 = ? ORDER BY video_id LIMIT 1'
    );
    $find->execute([$md5]);
    $video = $find->fetch(PDO::FETCH_ASSOC);
    $find->closeCursor();
    if (!$video) {
        reply(2, '视频不存在');
    }
    if (text('file_name')) {
        $copy = array_diff_key($video, ['video_id' => 0, 'game_name' => 0]);
        $video['video_name'] = $copy['video_name'] = text('file_name');
        $video['create_time'] = $copy['create_time'] = $copy['update_time'] = date('y-m-d H:i:s');
        $video['video_id'] = save_video($copy);
    }
    unset($video['guid'], $video['update_time']);
    $video['game_name'] ??= '';
    reply(1, '视频已存在', $video);
}

// A scalar field, from the query or the body.
function text(string $field, string $default = ''): string
{
    $value = $_REQUEST[$field] ?? $default;
    return is_string($value) ? $value : $default;
}

function data_path(string $path): string
{
    return $_SERVER['UPLOAD_DIR'] . '/' . $path;
}

function store(array $file, string $path): bool
{
    $target = data_path($path);
    if (!is_dir(dirname($target))) {
        @mkdir(dirname($target), 0755, true);
    }
    return move_uploaded_file($file['tmp_name'], $target);
}

// Remembers the chunk and answers which chunks of the upload are known, as [number => path].
function note_chunk(string $guid, int $chunk, int $chunks, string $path): array
{
    $cache = cache();
    if (!$cache->get($guid)) {
        $cache->set($guid, array_map(fn ($i) => $guid . $i, range(0, $chunks - 1)), DAY);
    }
    $cache->set($guid . $chunk, $path, DAY);
    $known = [];
    for ($i = 0; $i < $chunks; $i++) {
        if ($cache->get($guid . $i)) {
            $known[$i] = $cache->get($guid . $i);
        }
    }
    return $known;
}

// Copies the chunks into one file and deletes them; false when another request is doing or has done so.
function merge(array $parts, string $path, string $guid): bool
{
    $target = data_path($path);
    if (!is_dir(dirname($target))) {
        @mkdir(dirname($target), 0755, true);
    }
    // Mode x lets one of two simultaneous "last" requests through; the article's file_exists() followed by fopen() lets both.
    $out = @fopen($target, 'xb');
    if (!$out || !flock($out, LOCK_EX)) {
        return false;
    }
    ksort($parts);
    foreach ($parts as $part) {
        $part = data_path($part);
        $in = fopen($part, 'rb');
        fwrite($out, fread($in, filesize($part)));
        fclose($in);
        unlink($part);
    }
    fclose($out);
    $cache = cache();
    $cache->delete($guid);
    foreach (array_keys($parts) as $i) {
        $cache->delete($guid . $i);
    }
    return true;
}

function duration(string $path): float
{
    $file = escapeshellarg(data_path($path));
    return round((float) shell_exec("ffprobe -v error -show_entries format=duration -of csv=p=0 $file 2>/dev/null"), 3);
}

function save_video(array $video): int
{
    $columns = implode(', ', array_keys($video));
    $values = ':' . implode(', :', array_keys($video));
    database()->prepare("INSERT INTO video ($columns) VALUES ($values)")->execute($video);
    return (int) database()->lastInsertId();
}

function database(): PDO
{
    static $db = null;
    if (!$db) {
        $db = new PDO('sqlite:' . data_path('video.db'), options: [
            PDO::ATTR_PERSISTENT => true,
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_TIMEOUT => 10,
        ]);
        $db->exec('PRAGMA synchronous = NORMAL');
    }
    return $db;
}

function cache(): Memcached
{
    static $cache = null;
    if (!$cache) {
        $cache = new Memcached('upload');
        if (!$cache->getServerList()) {
            $cache->addServer('127.0.0.1', (int) $_SERVER['MEMCACHED_PORT']);
        }
    }
    return $cache;
}

function readable(int $size): string
{
    foreach (['G' => 1 << 30, 'M' => 1 << 20, 'K' => 1 << 10] as $unit => $bytes) {
        if ($size >= $bytes) {
            return round($size / $bytes, 1) . $unit;
        }
    }
    return $size . 'B';
}

function reply(int $code, string $msg, ?array $data = null, int $status = 200): never
{
    http_response_code($status);
    header('Content-Type: application/json; charset=utf-8');
    exit(json_encode(['code' => $code, 'msg' => $msg, 'data' => $data], JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE));
}
