import { Backoff } from './backoff.js';
import { chunkBytes, chunkForm } from './chunk-form.js';
import { forgetMD5 } from './md5-memory.js';
import { isMD5Problem, problemOf } from './problems.js';
import { isFileGone } from './reader.js';
import { isTitle } from './rules.js';
import { Refused, ask, existingVideo, receivedChunks } from './service.js';

/** Times that the server may leave a file unconfirmed of which it has all chunks. */
const ROUNDS = 8;

/** Failures in a row, some 10 s, after which other files need not wait for this one. */
const PATIENCE = 6;

/** Sends one upload: asks what the server has, and sends what it has not. The queue says when. */
export class Transfer {
    /** @type {import('./upload.js').Upload} */
    #upload;
    /** Numbers of the chunks to be sent, or null if the server has to be asked first. @type {?number[]} */
    #todo = null;
    /** Whether the server has said that there is no such video. */
    #isNew = false;
    /** Times that all chunks were stored, and the file not complete. */
    #rounds = 0;
    #pause = new Backoff();

    constructor(upload) {
        this.#upload = upload;
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
            upload.backoff.fail(started);
            if (chunk !== null) {
                upload.sending.delete(chunk);
                this.#todo.unshift(chunk);
            }
        } finally {
            if (!signal.aborted) {
                if (chunk === null) upload.isAsking = false;
                upload.changed();
            }
        }
    }

    async #ask(signal) {
        const upload = this.#upload;
        const { file: { size }, md5, chunks } = upload;
        upload.isAsking = true;
        upload.isStarted = true;
        upload.state = 'uploading';
        upload.changed();

        // Later on it may be there by another page, or by an upload of the same content.
        if (!this.#isNew || this.#rounds > 1) {
            const video = await existingVideo({ md5, size }, signal);
            if (signal.aborted) return;
            if (video) return upload.finish('exists', video);
            this.#isNew = true;
        }
        const received = chunks > 1 ? await receivedChunks({ md5, size, chunks }, signal) : null;
        if (signal.aborted) return;
        upload.backoff.succeed();
        upload.stored = received ?? new Set();
        const missing = Array.from({ length: chunks }, (_, chunk) => chunk).filter((chunk) => !received?.has(chunk));
        // A complete upload is not under way any more: any chunk of it is answered with the video.
        const isComplete = missing.length === 0 || (!received && this.#rounds > 0);
        this.#todo = isComplete ? [chunks - 1] : missing;
    }

    async #send(chunk, signal) {
        const upload = this.#upload;
        // The time without a connection does not count.
        if (upload.backoff.failures > 0) upload.meter.reset();
        upload.sending.set(chunk, 0);
        const onProgress = (bytes) => {
            upload.sending.set(chunk, bytes);
            upload.changed(true);
        };
        const reply = await ask('upload_file', chunkForm(upload, chunk), { signal, onProgress });
        if (signal.aborted) return;
        upload.sending.delete(chunk);
        upload.backoff.succeed();
        if (reply.code === 1) upload.finish('done', reply.data);
        else upload.stored.add(chunk);
    }

    #refused(error) {
        const upload = this.#upload;
        if (isMD5Problem(error)) {
            forgetMD5(upload.file);
            this.#isNew = false;
            if (upload.isMD5Recalled) return upload.readAgain();
            upload.md5 = null;
        }
        upload.fail(problemOf(error));
    }

    /** A request whose file cannot be read any more looks like a lost connection. */
    async #isFileGone(chunk) {
        try {
            await chunkBytes(this.#upload.file, chunk).slice(0, 1).arrayBuffer();
            return false;
        } catch (error) {
            return isFileGone(error);
        }
    }
}
