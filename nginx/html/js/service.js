import { post, question } from './http.js';

const ROOT = '/service/upload/';

/** Milliseconds for the answer to a question. nginx waits 110 s for the application. */
const QUESTION_LIMIT = 120_000;

/** Milliseconds for the question whether a chunk has arrived whose own reply does not come. */
const ARRIVAL_LIMIT = 30_000;

/** HTTP statuses of a fault that passes. */
const PASSING = [0, 408, 409, 425, 429];

/** What replies without a reason mean, which are not ours or nginx's, by their HTTP status. */
const REASONS = {
    400: 'malformed', 401: 'login', 403: 'forbidden', 404: 'unknown-action', 405: 'method', 413: 'body-limit',
};

/** No usable answer: asking again may help. */
export class Unanswered extends Error {
    /**
     * @param {string} message
     * @param {object} [how]
     * @param {string} [how.reason] the server's, if it gave one
     * @param {string} [how.end] as in `Answer`
     */
    constructor(message, { reason = '', end } = {}) {
        super(message);
        this.reason = reason;
        this.end = end;
    }
}

/** The server wants a login first. The same request will do after it. */
export class LoginNeeded extends Error {}

/** The server said no, and would again. `message` is what it said. */
export class Refused extends Error {
    /**
     * @param {string} message
     * @param {string} reason why, one word of the server's list; empty if that is not known
     */
    constructor(message, reason) {
        super(message);
        this.reason = reason;
    }
}

/**
 * What an answer means.
 *
 * @param {import('./http.js').Answer} answer
 * @returns {{code: number, msg: string, data: ?object}} a reply with a positive code
 * @throws {Unanswered|LoginNeeded|Refused}
 */
function replyOf({ status, reply, reason: told, isElsewhere, end }) {
    const reason = told || (REASONS[status] ?? '');
    if (isElsewhere || reason === 'login') throw new LoginNeeded(reply?.msg ?? 'HTTP 401');
    const isPassing = PASSING.includes(status) || status >= 500 || reason === 'retry' || reason === 'unavailable';
    if (isPassing) throw new Unanswered(reply?.msg ?? `HTTP ${status}`, { reason, end });
    if (status === 200 && !reply) throw new Unanswered('no reply');
    if (status !== 200 || reply.code <= 0) throw new Refused(String(reply?.msg ?? `HTTP ${status}`), reason);
    return reply;
}

/**
 * Asks the application.
 *
 * @param {string} action last part of the address
 * @param {Object<string, string|number>} fields
 * @param {AbortSignal} [signal]
 * @param {number} [limit] milliseconds
 * @returns {Promise<{code: number, msg: string, data: ?object}>} a reply with a positive code
 * @throws {Unanswered|LoginNeeded|Refused|DOMException} the last one: `AbortError`
 */
async function ask(action, fields, signal, limit = QUESTION_LIMIT) {
    return replyOf(await question(ROOT + action, new URLSearchParams(fields), { signal, limit }));
}

/**
 * Sends a chunk, or a file of one chunk.
 *
 * @param {FormData} form
 * @param {object} options as for `post`
 * @returns {Promise<{code: number, msg: string, data: ?object}>} a reply with a positive code
 * @throws as `ask`
 */
export async function sendChunk(form, options) {
    return replyOf(await post(`${ROOT}upload_file`, form, options));
}

/**
 * The video that has these bytes, if there is one already.
 *
 * @param {{md5: string, size: number}} content size in bytes
 * @param {AbortSignal} signal
 * @returns {Promise<?object>} its `video_id`, `video_name`, `game_name`, `create_time` and more, or null
 * @throws as `ask`
 */
export async function existingVideo({ md5, size }, signal) {
    // Without a file_name: with one the server would make a second record.
    const reply = await ask('determine_video_exist', { md5, type: 1, size }, signal);
    return reply.code === 1 ? reply.data : null;
}

/**
 * Which chunks of an unfinished upload the server has.
 *
 * @param {{guid: string, md5: string, size: number, chunks: number, chunkLength: number}} upload size and length of a chunk
 *     in bytes; the guid may begin anew if it was refused
 * @param {AbortSignal} signal
 * @returns {Promise<?Set<number>>} their numbers, from 0; null if no such upload is under way
 * @throws as `ask`
 */
export async function receivedChunks({ guid, md5, size, chunks, chunkLength }, signal) {
    const reply = await ask('determine_chunk_exist', { guid, md5, size, chunks, chunk_size: chunkLength }, signal);
    return reply.code === 1 ? numbers(reply.data?.received ?? '') : null;
}

/**
 * Whether the server has a chunk of an unfinished upload. For a reply that does not come.
 *
 * @param {{guid: string, md5: string, size: number, chunks: number, chunkLength: number, chunk: number}} upload as above, and which
 *     chunk, from 0
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} false also if it does not say
 */
export async function hasChunk({ guid, md5, size, chunks, chunkLength, chunk }, signal) {
    try {
        const form = { guid, md5, size, chunks, chunk_size: chunkLength, chunk };
        const reply = await ask('determine_chunk_exist', form, signal, ARRIVAL_LIMIT);
        return reply.data?.exist === 1;
    } catch {
        return false;
    }
}

/** @param {string} ranges for example `0-11,14` */
function numbers(ranges) {
    const found = new Set();
    for (const range of ranges.split(',').filter(Boolean)) {
        const [first, last = first] = range.split('-').map(Number);
        for (let number = first; number <= last; number += 1) found.add(number);
    }
    return found;
}

/**
 * What the server takes, and the categories that a video can have. It is the cheapest of all questions, too.
 *
 * @returns {Promise<{classes: {class_id: number, class_name: string, game_name: string}[], limits: ?object}>} `limits`:
 *     see `setLimits`
 * @throws as `ask`
 */
export async function listClasses() {
    const { data } = await ask('list_class', {});
    return { classes: data?.classes ?? [], limits: data?.limits };
}

/**
 * What is known of a video.
 *
 * @param {string} videoID
 * @returns {Promise<?object>} the fields of video_info; null if there is no such video
 * @throws as `ask`
 */
export async function videoInfo(videoID) {
    const reply = await ask('video_info', { video_id: videoID });
    return reply.code === 1 ? reply.data : null;
}
