import { text } from './messages.js';
import { limitTexts } from './rules.js';

/** Messages for the server's reasons. What is not here is told in the server's own words. */
const MESSAGES = {
    'missing-parameter': 'problemRequest',
    'missing-file': 'problemRequest',
    malformed: 'problemRequest',
    'form-limit': 'problemRequest',
    'body-limit': 'problemLimit',
    extension: 'problemExtension',
    container: 'problemContainer',
    'disk-full': 'problemDisk',
    quota: 'problemQuota',
    md5: 'problemMD5',
    length: 'problemLength',
    expired: 'problemExpired',
    record: 'problemRecord',
    forbidden: 'problemForbidden',
    origin: 'problemOrigin',
    'unknown-action': 'problemAddress',
    method: 'problemAddress',
};

/**
 * A refusal of the server, for `Upload.fail`; or the reason that it gave each time while it was tried again.
 *
 * @param {{reason: string, message: string}} error
 * @returns {{key: string, said: string}}
 */
export function problemOf({ reason, message }) {
    return { key: MESSAGES[reason] ?? 'failed', said: message };
}

/**
 * @param {{key: string, said?: string}} problem
 * @returns {string} in plain words, or in the server's where there are none
 */
export function problemText({ key, said }) {
    return text('failedBecause', { reason: key === 'failed' ? said : text(key, limitTexts()) });
}

/**
 * @param {{key: string, said?: string}} problem
 * @returns {string} what the server said, where `problemText` says it otherwise
 */
export function serverWords({ key, said }) {
    return said && key !== 'failed' ? text('serverSaid', { said }) : '';
}
