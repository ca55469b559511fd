import { formatPercent, formatSize, formatTimeLeft } from './format.js';
import { text } from './messages.js';
import { problemText } from './problems.js';

/** Failures in a row from which the user is told: one or two pass unnoticed. */
const TOLD_FROM = 2;

/** What is said of reasons with which the server asks to try again, in place of a lost connection. */
const DELAYS = { 'disk-full': 'delayDisk', quota: 'delayQuota', length: 'delayLength' };

/**
 * How an upload is, in words.
 *
 * @param {import('./upload.js').Upload} upload
 * @param {{isPaused: boolean, isLoginNeeded: boolean}} page how the page is
 * @returns {string}
 */
export function statusText(upload, { isPaused, isLoginNeeded }) {
    if (isLoginNeeded && !isPaused && upload.isPending && upload.state !== 'reading') return text('login');
    switch (upload.state) {
        case 'reading': return readingText(upload);
        case 'waiting':
            if (upload.isWanted) return text(isPaused ? 'paused' : 'inTurn');
            return text('waiting');
        case 'uploading': return uploadingText(upload);
        case 'failed': return problemText(upload.problem);
        default: return text(upload.state);
    }
}

function readingText({ readFraction }) {
    if (readFraction === null) return text('readingNext');
    return text('reading', { percent: formatPercent(readFraction) });
}

function uploadingText(upload) {
    if (upload.backoff.failures >= TOLD_FROM) return text(DELAYS[upload.delay] ?? 'lost');
    if (upload.bytes >= upload.file.size) return text('confirming');
    if (upload.isAsking) return text('asking');
    return text('uploading', { percent: formatPercent(upload.progress / 100) });
}

/**
 * How fast an upload is and how long it will take; empty if that cannot be told.
 *
 * @param {import('./upload.js').Upload} upload
 * @returns {string}
 */
export function speedText(upload) {
    const { speed } = upload.meter;
    if (upload.state !== 'uploading' || upload.backoff.failures >= TOLD_FROM || !speed) return '';
    const time = formatTimeLeft((upload.file.size - upload.bytes) / speed);
    return `${text('speed', { speed: formatSize(speed) })} · ${text('timeLeft', { time })}`;
}
