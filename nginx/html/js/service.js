import { post } from './http.js';

const ROOT = '/service/upload/';

/** No usable answer: asking again may help. */
export class Unanswered extends Error {}

/** The server said no, and would again. `message` is what it said. */
export class Refused extends Error {
    /**
     * @param {string} message
     * @param {number} code of the reply, negative
     * @param {number} status of HTTP
     */
    constructor(message, code, status) {
        super(message);
        this.code = code;
        this.status = status;
    }
}

/**
 * Asks the application.
 *
 * @param {string} action last part of the address
 * @param {FormData|Object<string, string|number>} form
 * @param {object} [options] as for `post`
 * @returns {Promise<{code: number, msg: string, data: ?object}>} a reply with a positive code
 * @throws {Unanswered|Refused|DOMException} the last one: `AbortError`
 */
export async function ask(action, form, options) {
    const body = form instanceof FormData ? form : new URLSearchParams(form);
    const { status, reply } = await post(ROOT + action, body, options);
    if (status === 413) throw new Refused(reply?.msg ?? 'HTTP 413', reply?.code ?? -1, status);
    if (status !== 200 || !reply) throw new Unanswered(`HTTP ${status}`);
    if (reply.code <= 0) throw new Refused(String(reply.msg), reply.code, status);
    return reply;
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
    const reply = await ask('determine_video_exist', { md5, type: 1, size }, { signal });
    return reply.code === 1 ? reply.data : null;
}

/**
 * Which chunks of an unfinished upload the server has.
 *
 * @param {{md5: string, size: number, chunks: number}} upload size in bytes
 * @param {AbortSignal} signal
 * @returns {Promise<?Set<number>>} their numbers, from 0; null if no such upload is under way
 * @throws as `ask`
 */
export async function receivedChunks({ md5, size, chunks }, signal) {
    const reply = await ask('determine_chunk_exist', { md5, size, chunks }, { signal });
    return reply.code === 1 ? numbers(reply.data?.received ?? '') : null;
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
 * The categories that a video can have.
 *
 * @returns {Promise<{class_id: number, class_name: string, game_name: string}[]>}
 * @throws as `ask`
 */
export async function listClasses() {
    const reply = await ask('list_class', {});
    return reply.data?.classes ?? [];
}

/**
 * What is known of a video.
 *
 * @param {string} videoID
 * @returns {Promise<?object>} the fields of protocol.md, "video_info"; null if there is no such video
 * @throws as `ask`
 */
export async function videoInfo(videoID) {
    const reply = await ask('video_info', { video_id: videoID });
    return reply.code === 1 ? reply.data : null;
}
