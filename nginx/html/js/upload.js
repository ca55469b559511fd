import { Backoff } from './backoff.js';
import { chunkLength, defaultTitle } from './rules.js';
import { SpeedMeter } from './speed.js';

/**
 * A file of the list and how far it is. What is done with it is in transfer.js.
 *
 * `state` is one of: `reading` (its md5), `waiting` (for the button, its turn or the end of a pause), `uploading`,
 * `exists` (the server has had it before), `done`, `failed`.
 */
export class Upload {
    state = 'reading';
    /** Part of the file that was read, 0 to 1; null before its turn. */
    readFraction = null;
    /** @type {?string} */
    md5 = null;
    /** Whether the md5 is one from an earlier reading: of another content, if the file has been changed since. */
    isMD5Recalled = false;
    /** Whether it is to be uploaded: since the button was pressed. */
    isWanted = false;
    /** Whether its upload has been begun: the title is settled then. */
    isStarted = false;
    /** Whether the title was found empty. */
    isTitleMissing = false;
    /** Whether the server is being asked what it has. */
    isAsking = false;
    /** The server's reason for which it is tried again, empty without one. */
    delay = '';
    /** @type {?{key: string, said?: string}} why it failed: a message, and the server's words */
    problem = null;
    /** @type {?object} what the server says of the video: `video_id` and, of one that was there, name, game and time */
    video = null;
    /** @type {?object} what the server said last of the video's processing: the fields of video_info */
    processing = null;
    classID = '';
    /** Numbers of the chunks that the server has. */
    stored = new Set();
    /** Number → bytes sent so far, of the chunks on their way. */
    sending = new Map();
    backoff = new Backoff();
    meter = new SpeedMeter();
    #onChange;
    #abort = new AbortController();
    #page;
    #number;
    /** Contents that the file turned out to have, one after the other, less one. */
    #changes = 0;
    #lastMD5 = null;
    /** Bytes of a chunk, once that is settled. */
    #chunkLength = null;

    /**
     * @param {File} file
     * @param {number} number of this upload in the page, from 1
     * @param {string} page 13 digits that stand for this page load
     * @param {(upload: Upload, isProgress: boolean) => void} onChange called after each change
     */
    constructor(file, number, page, onChange) {
        this.file = file;
        this.id = `WU_FILE_${number}`;
        this.title = defaultTitle(file.name);
        this.#page = page;
        this.#number = number;
        this.#onChange = onChange;
    }

    /** The server's name for it. Another content needs another one: the server answers for the first one by this. */
    get guid() {
        return `${this.#page}${this.#number}${this.#changes > 0 ? `-${this.#changes}` : ''}`;
    }

    /** Bytes of a chunk; the last one may be shorter. */
    get chunkLength() {
        return this.#chunkLength ?? chunkLength();
    }

    /** How many chunks it is sent in. */
    get chunks() {
        return Math.ceil(this.file.size / this.chunkLength);
    }

    /** Aborted when what is under way for this upload is to end. */
    get signal() {
        return this.#abort.signal;
    }

    get isFinished() {
        return this.state === 'done' || this.state === 'exists';
    }

    /** Whether something is still to happen with it without a click. */
    get isPending() {
        return this.isWanted && ['reading', 'waiting', 'uploading'].includes(this.state);
    }

    /** Bytes at the server or on their way to it. */
    get bytes() {
        const { size } = this.file;
        if (this.isFinished) return size;
        const length = (chunk) => Math.min(this.chunkLength, size - chunk * this.chunkLength);
        let bytes = 0;
        for (const chunk of this.stored) bytes += length(chunk);
        for (const [chunk, sent] of this.sending) {
            if (!this.stored.has(chunk)) bytes += Math.min(sent, length(chunk));
        }
        return bytes;
    }

    /** Per cent, a whole number; 100 only when it is finished. */
    get progress() {
        return this.isFinished ? 100 : Math.min(99, Math.floor((this.bytes / this.file.size) * 100));
    }

    /** @param {number} fraction of the file that was read, 0 to 1 */
    noteReading(fraction) {
        this.readFraction = fraction;
        this.changed(true);
    }

    /**
     * @param {string} md5
     * @param {boolean} [isRecalled] whether it is one from an earlier reading
     */
    setMD5(md5, isRecalled = false) {
        if (this.#lastMD5 && md5 !== this.#lastMD5) this.#changes += 1;
        this.#lastMD5 = md5;
        this.md5 = md5;
        this.isMD5Recalled = isRecalled;
        this.state = 'waiting';
        this.changed();
    }

    /** Its turn has come: title and chunks are settled. */
    begin() {
        this.#chunkLength ??= chunkLength();
        this.isStarted = true;
        this.state = 'uploading';
    }

    /** Back to reading. */
    readAgain() {
        this.cancel();
        this.md5 = null;
        this.isMD5Recalled = false;
        this.readFraction = null;
        this.state = 'reading';
        this.changed();
    }

    /** After a failure: to be uploaded once more. */
    retry() {
        this.problem = null;
        this.isWanted = true;
        this.backoff.succeed();
        if (!this.md5) return this.readAgain();
        this.state = 'waiting';
        this.changed();
    }

    /** @param {{key: string, said?: string}} problem */
    fail(problem) {
        this.cancel();
        this.problem = problem;
        this.isWanted = false;
        this.state = 'failed';
        this.changed();
    }

    /**
     * @param {'done'|'exists'} state
     * @param {object} video with `video_id`
     */
    finish(state, video) {
        this.cancel();
        this.video = video;
        this.state = state;
        this.changed();
    }

    /** Ends what is under way. */
    cancel() {
        this.#abort.abort();
        this.#abort = new AbortController();
        this.sending.clear();
        this.isAsking = false;
        this.delay = '';
        this.meter.reset();
    }

    /** @param {boolean} [isProgress] whether no more than numbers have changed */
    changed(isProgress = false) {
        if (this.state === 'uploading') this.meter.add(this.bytes);
        this.#onChange(this, isProgress);
    }
}
