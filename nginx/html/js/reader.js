import { md5File } from './md5-file.js';
import { rememberMD5 } from './md5-memory.js';

/** Reads the md5 of files, one at a time: two at once would only slow each other down. */
export class Reader {
    #uploads;
    #isBusy = false;

    /** @param {import('./upload.js').Upload[]} uploads the list, in which it looks for those in state `reading` */
    constructor(uploads) {
        this.#uploads = uploads;
    }

    /** Reads the next file that has to be read, unless it is reading one. */
    async pump() {
        if (this.#isBusy) return;
        const upload = this.#uploads.find(({ state }) => state === 'reading');
        if (!upload) return;
        this.#isBusy = true;
        const { file, signal } = upload;
        try {
            const md5 = await md5File(file, { signal, onProgress: (fraction) => upload.noteReading(fraction) });
            rememberMD5(file, md5);
            upload.setMD5(md5);
        } catch (error) {
            if (!signal.aborted) upload.fail({ key: isFileGone(error) ? 'problemFile' : 'problemReading' });
        } finally {
            this.#isBusy = false;
        }
        this.pump();
    }
}

/**
 * Whether reading failed because the file has changed on disk or is not there any more.
 *
 * @param {Error} error
 * @returns {boolean}
 */
export function isFileGone(error) {
    return ['NotReadableError', 'NotFoundError'].includes(error.name);
}
