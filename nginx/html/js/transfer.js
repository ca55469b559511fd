import { Backoff } from './backoff.js';
import { chunkBytes, chunkForm } from './chunk-form.js';
import { forgetMD5 } from './md5-memory.js';
import { problemOf } from './problems.js';
import { isFileGone } from './reader.js';
import { isTitle } from './rules.js';
import { LoginNeeded, Refused, existingVideo, hasChunk, receivedChunks, sendChunk } from './service.js';

/** Times that the server may leave a file unconfirmed of which it has all chunks. */
const ROUNDS = 8;

/** Times that an upload may be begun anew because the server has dropped it. */
const RENEWALS = 1;

/**
 * Reasons with which the server asks to try again and which may never pass: how often it is tried in a row before the
 * user is told, and the longest wait between, in ms. Want of room: about ten minutes. A wrong length: what has cut a chunk
 * on its way once will mostly do so again.
 */
const DELAYS = {
    'disk-full': { tries: 18, longest: 60_000 },
    quota: { tries: 18, longest: 60_000 },
    length: { tries: 4, longest: 2_000 },
};

/** Failures in a row, some 10 s, after which other files need not wait for this one. */
const PATIENCE = 6;

/** Requests in a row that the browser may end before that counts as a lost connection. */
const ABORTS = 5;

/** Sends one upload: asks what the server has, and sends what it has not. The queue says when. */
export class Transfer {
    /** @type {import('./upload.js').Upload} */
    #upload;
    /** @type {import('./pace.js').Pace} */
    #pace;
    /** @type {import('./login.js').Login} */
    #login;
    /** Numbers of the chunks to be sent, or null if the server has to be asked first. @type {?number[]} */
    #todo = null;
    /** Whether the server has said that there is no such video. */
    #isNew = false;
    /** Times that all chunks were stored, and the file not complete. */
    #rounds = 0;
    /** Times that the server had dropped it. */
    #renewals = 0;
    /** Requests in a row that the browser ended. */
    #aborts = 0;
    /** Answers in a row with a reason of DELAYS. */
    #delays = 0;
    /** What is to be said if the file has this md5. @type {?{md5: string, state: 'done'|'exists', video: object}} */
    #claim = null;
    #pause = new Backoff();

    constructor(upload, pace, login) {
        this.#upload = upload;
        this.#pace = pace;
        this.#login = login;
    }

    /** Milliseconds until there may be something to do again; 0 if that is not a matter of time. */
    get wait() {
        const { state, backoff } = this.#upload;
        return state === 'uploading' ? Math.max(backoff.remaining, this.#pause.remaining) : 0;
    }

    /** Whether the files after this one have to wait. */
    get holdsBack() {
        const { state, isAsking, backoff } = this.#upload;
        return state === 'uploading' && (isAsking || (backoff.failures > 0 && backoff.failures < PATIENCE));
    }

    /**
     * The next request, if there is one to be made now.
     *
     * @returns {?() => Promise<void>} makes it; never fails
     */
    next() {
        const upload = this.#upload;
        if (!upload.isWanted || !['waiting', 'uploading'].includes(upload.state)) return null;
        if (upload.isAsking || this.wait > 0) return null;
        if (upload.state === 'waiting') {
            upload.isTitleMissing = !isTitle(upload.title);
            if (upload.isTitleMissing) {
                upload.isWanted = false;
                upload.changed();
                return null;
            }
            if (this.#isClaimTrue()) return null;
            this.#todo = null;
        }
        if (this.#todo?.length > 0) {
            const chunk = this.#todo.shift();
            return () => this.#attempt((signal) => this.#send(chunk, signal), chunk);
        }
        if (this.#todo && upload.sending.size > 0) return null;
        if (this.#todo && !this.#beginRound()) return null;
        return () => this.#attempt((signal) => this.#ask(signal));
    }

    /** Ends the requests; the next one will ask again what the server has. */
    stop() {
        const upload = this.#upload;
        if (upload.state !== 'uploading') return;
        upload.cancel();
        upload.backoff.succeed();
        upload.state = 'waiting';
        upload.changed();
    }

    /** After a failure. */
    retry() {
        this.#isNew = false;
        this.#rounds = 0;
        this.#renewals = 0;
        this.#delays = 0;
        this.#pause.succeed();
        this.#upload.retry();
    }

    /** Everything was stored, yet no reply said that the file is complete. @returns {boolean} whether to go on */
    #beginRound() {
        this.#todo = null;
        this.#rounds += 1;
        if (this.#rounds > ROUNDS) {
            this.#upload.fail({ key: 'problemUnconfirmed' });
            return false;
        }
        if (this.#rounds === 1) return true;
        this.#pause.fail();
        return false;
    }

    async #attempt(request, chunk = null) {
        const upload = this.#upload;
        const { signal } = upload;
        const started = performance.now();
        try {
            await request(signal);
        } catch (error) {
            if (signal.aborted) return;
            if (error instanceof Refused) return this.#refused(error);
            const isGone = chunk !== null && await this.#isFileGone(chunk);
            if (signal.aborted) return;
            if (isGone) return upload.fail({ key: 'problemFile' });
            if (chunk !== null) {
                upload.sending.delete(chunk);
                this.#todo?.unshift(chunk);
            }
            if (error instanceof LoginNeeded) this.#loggedOut();
            else this.#unanswered(error, started);
        } finally {
            if (!signal.aborted) {
                if (chunk === null) upload.isAsking = false;
                upload.changed();
            }
        }
    }

    async #ask(signal) {
        const upload = this.#upload;
        upload.begin();
        upload.isAsking = true;
        upload.changed();
        const { file: { size }, guid, md5, chunks, chunkLength } = upload;

        // Later on it may be there by another page, or by an upload of the same content.
        if (!this.#isNew || this.#rounds > 1) {
            const video = await existingVideo({ md5, size }, signal);
            if (signal.aborted) return;
            if (video) return this.#finish('exists', video);
            this.#isNew = true;
        }
        const before = new Set(upload.stored);
        const received = chunks > 1 ? await receivedChunks({ guid, md5, size, chunks, chunkLength }, signal) : null;
        if (signal.aborted) return;
        this.#answered();
        // What has arrived meanwhile, the answer may not tell.
        const later = [...upload.stored].filter((chunk) => !before.has(chunk));
        upload.stored = new Set([...(received ?? []), ...later]);
        const { stored, sending } = upload;
        const missing = Array.from({ length: chunks }, (_, chunk) => chunk)
            .filter((chunk) => !stored.has(chunk) && !sending.has(chunk));
        // A complete upload is not under way any more: any chunk of it is answered with the video.
        const isForgotten = !received && (this.#rounds > 0 || before.size > 0);
        const isComplete = sending.size === 0 && (missing.length === 0 || isForgotten);
        this.#todo = isComplete ? [chunks - 1] : missing;
    }

    async #send(chunk, signal) {
        const upload = this.#upload;
        const { file: { size }, guid, md5, chunks, chunkLength } = upload;
        const { limit, isReadFirst } = this.#pace;
        // The time without a connection does not count.
        if (upload.backoff.failures > 0) upload.meter.reset();
        upload.sending.set(chunk, 0);
        let bytes = chunkBytes(upload, chunk);
        if (isReadFirst) bytes = new Blob([await bytes.arrayBuffer()], { type: bytes.type });
        if (signal.aborted) return;
        const started = performance.now();
        try {
            const reply = await sendChunk(chunkForm(upload, chunk, bytes), {
                signal,
                limit,
                onProgress: (sent) => {
                    upload.sending.set(chunk, sent);
                    upload.changed(true);
                },
                hasArrived: async () => chunks > 1 && hasChunk({ guid, md5, size, chunks, chunkLength, chunk }, signal),
            });
            if (signal.aborted) return;
            if (reply.code === 1) return this.#finish('done', reply.data);
            this.#pace.noteStored(performance.now() - started);
        } catch (error) {
            if (error.end === 'stalled') this.#pace.noteStall(limit);
            if (error.end !== 'arrived') throw error;
            this.#pace.noteLostReply();
        }
        if (signal.aborted) return;
        upload.sending.delete(chunk);
        this.#answered();
        this.#delays = 0;
        upload.stored.add(chunk);
    }

    #answered() {
        this.#upload.backoff.succeed();
        this.#upload.delay = '';
        this.#aborts = 0;
    }

    #unanswered(error, started) {
        const { end, reason = '' } = error;
        const upload = this.#upload;
        const delay = DELAYS[reason];
        upload.delay = reason;
        if (delay) {
            const { failures } = upload.backoff;
            upload.backoff.fail(started, delay.longest);
            // Requests that were refused side by side count as one.
            if (upload.backoff.failures > failures) this.#delays += 1;
            if (this.#delays >= delay.tries) upload.fail(problemOf(error));
            return;
        }
        if (end === 'aborted') {
            // Escape, or a click on a link that leads nowhere: nothing is wrong with the connection.
            this.#aborts += 1;
            if (this.#aborts <= ABORTS) return;
        }
        upload.backoff.fail(started);
        // The chunk may be there all the same, and only the reply be lost.
        if (end === 'lost') this.#todo = null;
    }

    /** It goes on after the login, which may be that of somebody else, with other uploads. */
    #loggedOut() {
        this.#todo = null;
        this.#isNew = false;
        this.#upload.backoff.succeed();
        this.#upload.delay = '';
        this.#login.need();
    }

    #refused(error) {
        const upload = this.#upload;
        if (error.reason === 'md5') {
            forgetMD5(upload.file);
            this.#isNew = false;
            if (upload.isMD5Recalled) return upload.readAgain();
            upload.md5 = null;
        }
        if (error.reason === 'expired' && this.#renewals < RENEWALS) {
            // The question by which it goes on begins it anew.
            upload.cancel();
            upload.stored = new Set();
            this.#todo = null;
            this.#rounds = 0;
            this.#renewals += 1;
            return upload.changed();
        }
        upload.fail(problemOf(error));
    }

    /** The server has a content with this md5. Whether it is the file's, only reading it tells. */
    #finish(state, video) {
        const upload = this.#upload;
        if (!upload.isMD5Recalled) return upload.finish(state, video);
        this.#claim = { md5: upload.md5, state, video };
        upload.readAgain();
    }

    /** After that reading. @returns {boolean} whether the upload has ended by it */
    #isClaimTrue() {
        const upload = this.#upload;
        const claim = this.#claim;
        if (!claim || upload.isMD5Recalled) return false;
        this.#claim = null;
        if (claim.md5 === upload.md5) {
            upload.finish(claim.state, claim.video);
            return true;
        }
        this.#isNew = false;
        this.#rounds = 0;
        return false;
    }

    /** A request whose file cannot be read any more looks like a lost connection. */
    async #isFileGone(chunk) {
        try {
            await chunkBytes(this.#upload, chunk).slice(0, 1).arrayBuffer();
            return false;
        } catch (error) {
            return isFileGone(error);
        }
    }
}
