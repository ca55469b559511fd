<?php
// video-intake 0.3.0
// Says who asks: HTTP 200 lets the request in, 401 is "log in first", 403 "you have no permission". See server.conf.

// It is only read: a session that is open for writing lets one request in at a time, and the shop's pages would wait.
session_start(['read_and_close' => true]);

if (empty($_SESSION['user_id'])) {
    http_response_code(401);
    exit;
}

// For an owner per user; at most 255 bytes. Without that line in login.conf nobody reads it.
header('X-Video-Intake-Owner: ' . $_SESSION['user_id']);
