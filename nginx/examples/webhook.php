<?php
// Takes the events of video-intake's webhook and stores each of them once.
//
// php-fpm clears the environment, so the settings belong into the pool, /etc/php/8.2/fpm/pool.d/www.conf. `chmod 640` that file: the
// secret is that of VIDEO_INTAKE_WEBHOOK_SECRET. Then `systemctl reload php8.2-fpm`.
//
//     env[WEBHOOK_SECRET] = "0123456789abcdef0123456789abcdef"
//     env[WEBHOOK_DATABASE] = "mysql:unix_socket=/run/mysqld/mysqld.sock;dbname=shop;charset=utf8mb4"
//     env[WEBHOOK_USER] = "shop"
//     env[WEBHOOK_PASSWORD] = "secret"
//
// For SQLite "sqlite:/var/lib/shop/events.db", without user and password; PHP must be able to write that directory. The table, once:
//
//     CREATE TABLE video_event (epoch VARCHAR(32) NOT NULL, id BIGINT NOT NULL, kind VARCHAR(32) NOT NULL,
//         video_id BIGINT NOT NULL, event JSON NOT NULL, PRIMARY KEY (epoch, id));

function answer(int $status, string $problem = ''): never
{
    if ($problem !== '') {
        error_log("video-intake webhook: $problem");
    }
    http_response_code($status);
    exit;
}

// An empty key would make everybody's signature right.
$secret = (string) getenv('WEBHOOK_SECRET');
if (strlen($secret) < 16) {
    answer(503, 'WEBHOOK_SECRET is not set in the pool of php-fpm, or has fewer than 16 bytes');
}

// Compared before anything is decoded. A time that is long ago may be somebody else who sends a request again.
$body = (string) file_get_contents('php://input');
if (!preg_match('/^t=(\d{1,12}),v1=([0-9a-f]{64})$/D', $_SERVER['HTTP_X_VIDEO_INTAKE_SIGNATURE'] ?? '', $part)
    || !hash_equals(hash_hmac('sha256', "$part[1].$body", $secret), $part[2])) {
    answer(403, 'wrong signature; is the secret the same on both sides?');
}
if (abs(time() - (int) $part[1]) > 300) {
    answer(403, 'the signature is more than 5 minutes old; are both clocks right?');
}

$event = json_decode($body, true);
if (!is_string($event['epoch'] ?? null) || !is_int($event['id'] ?? null)) {
    answer(400, 'no event with epoch and id');
}
$number = [$event['epoch'], $event['id']];

try {
    $database = new PDO(
        (string) getenv('WEBHOOK_DATABASE'), getenv('WEBHOOK_USER') ?: null, getenv('WEBHOOK_PASSWORD') ?: null,
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $database->beginTransaction();
    $known = $database->prepare('SELECT 1 FROM video_event WHERE epoch = ? AND id = ?');
    $known->execute($number);
    if ($known->fetch()) {
        // After a lost answer an event comes again.
        answer(204);
    }
    // Of two that come at once the key refuses one; that one comes again and finds the other.
    $database->prepare('INSERT INTO video_event (epoch, id, kind, video_id, event) VALUES (?, ?, ?, ?, ?)')
        ->execute([...$number, $event['kind'], $event['video_id'], $body]);
    // What your site does with it belongs here, in the same transaction: if it fails, the event comes again. For example
    // if ($event['kind'] === 'video.ready') {
    //     $database->prepare('UPDATE article SET video_path = ? WHERE video_id = ?')->execute([$event['mp4_path'], $event['video_id']]);
    // }
    $database->commit();
} catch (Throwable $problem) {
    // Tried again later.
    answer(503, $problem->getMessage());
}
answer(204);
