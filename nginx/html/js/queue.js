import { Pace } from './pace.js';
import { Transfer } from './transfer.js';

/**
 * Uploads the files of the list in their order, as many requests at a time as the pace says. The chunks of a file start
 * when the one before has none left. While a login is needed it waits.
 */
export class Queue {
    /** `idle`, `uploading` or `paused`. */
    state = 'idle';
    #uploads;
    #login;
    #pace = new Pace();
    #transfers = new Map();
    #onChange;
    #running = 0;
    #timer;
    #isPumping = false;

    /**
     * @param {import('./upload.js').Upload[]} uploads the list
     * @param {import('./login.js').Login} login
     * @param {() => void} onChange called when the state has changed
     */
    constructor(uploads, login, onChange) {
        this.#uploads = uploads;
        this.#login = login;
        this.#onChange = onChange;
    }

    /** Begins or continues with everything that is in the list. */
    start() {
        for (const upload of this.#uploads) {
            if (['reading', 'waiting'].includes(upload.state)) upload.isWanted = true;
        }
        this.#setState('uploading');
        this.pump();
    }

    pause() {
        this.#setState('paused');
        for (const upload of this.#uploads) this.#transfer(upload).stop();
    }

    /** After a failure; the other files stay as they are. */
    retry(upload) {
        if (this.state === 'idle') this.#setState('uploading');
        this.#transfer(upload).retry();
        this.pump();
    }

    /** Ends the requests of an upload that is no longer in the list. */
    remove(upload) {
        upload.isWanted = false;
        upload.cancel();
        this.#transfers.delete(upload);
        this.pump();
    }

    /** The connection may be back: no waiting. */
    wake() {
        for (const { backoff } of this.#uploads) backoff.wake();
        this.pump();
    }

    /** Makes, very soon, the requests that can be made. To be called after every change. */
    pump() {
        if (this.#isPumping) return;
        this.#isPumping = true;
        queueMicrotask(() => {
            this.#isPumping = false;
            this.#pump();
        });
    }

    #pump() {
        clearTimeout(this.#timer);
        if (this.state === 'uploading' && !this.#login.isNeeded) {
            for (const upload of [...this.#uploads]) {
                const transfer = this.#transfer(upload);
                while (this.#running < this.#pace.slots) {
                    const request = transfer.next();
                    if (!request) break;
                    this.#run(request);
                }
                if (this.#running >= this.#pace.slots || transfer.holdsBack) break;
            }
            const waits = this.#uploads.map((upload) => this.#transfer(upload).wait).filter((wait) => wait > 0);
            if (waits.length > 0) this.#timer = setTimeout(() => this.pump(), Math.min(...waits) + 1);
        }
        if (this.state !== 'idle' && !this.#uploads.some(({ isPending }) => isPending)) this.#setState('idle');
    }

    async #run(request) {
        this.#running += 1;
        await request();
        this.#running -= 1;
        this.pump();
    }

    #transfer(upload) {
        if (!this.#transfers.has(upload)) this.#transfers.set(upload, new Transfer(upload, this.#pace, this.#login));
        return this.#transfers.get(upload);
    }

    #setState(state) {
        if (state === this.state) return;
        this.state = state;
        this.#onChange();
    }
}
