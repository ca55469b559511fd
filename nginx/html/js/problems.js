import { text } from './messages.js';

/** What the server's words are recognised by, and our own. They are the raw values in Failure.swift. */
const KNOWN = [
    ['disk full', 'problemDisk'],
    ['(md5)', 'problemMD5'],
    ['(container)', 'problemType'],
    ['(file extension)', 'problemType'],
    ['too many uploads', 'problemUploads'],
];

function keyOf(error) {
    if (error.status === 413) return 'problemLimit';
    return error.code === -3 ? KNOWN.find(([mark]) => error.message.includes(mark))?.[1] : undefined;
}

/**
 * Whether the bytes were not those of the md5.
 *
 * @param {import('./service.js').Refused} error
 * @returns {boolean}
 */
export function isMD5Problem(error) {
    return keyOf(error) === 'problemMD5';
}

/**
 * A refusal of the server, for `Upload.fail`.
 *
 * @param {import('./service.js').Refused} error
 * @returns {{key: string, said: string}}
 */
export function problemOf(error) {
    return { key: keyOf(error) ?? 'failed', said: error.message };
}

/**
 * @param {{key: string, said?: string}} problem
 * @returns {string} in plain words, or in the server's where there are none
 */
export function problemText({ key, said }) {
    return text('failedBecause', { reason: key === 'failed' ? said : text(key) });
}

/**
 * @param {{key: string, said?: string}} problem
 * @returns {string} what the server said, where `problemText` says it otherwise
 */
export function serverWords({ key, said }) {
    return said && key !== 'failed' ? text('serverSaid', { said }) : '';
}
