import { Backoff } from './backoff.js';
import { LoginNeeded, Unanswered } from './service.js';

/** Milliseconds after which a login that ends has been one. Before that, the question may need none where uploads do. */
const CALM = 60_000;

/** Whether the server wants a login. While it does, asks it now and then, and when the user comes back to the page. */
export class Login {
    isNeeded = false;
    #question;
    #onChange;
    #backoff = new Backoff();
    #isAsking = false;
    #timer;
    /** Time in ms (`performance.now()`) since which none is needed. */
    #since = -CALM;

    /**
     * @param {() => Promise<void>} question a cheap one, which needs the login too
     * @param {() => void} onChange called when `isNeeded` has changed
     */
    constructor(question, onChange) {
        this.#question = question;
        this.#onChange = onChange;
        addEventListener('focus', () => this.#wake());
        addEventListener('online', () => this.#wake());
        document.addEventListener('visibilitychange', () => {
            if (!document.hidden) this.#wake();
        });
    }

    /** A request was answered so. */
    need() {
        if (this.isNeeded) return;
        this.isNeeded = true;
        if (performance.now() - this.#since >= CALM) this.#backoff.succeed();
        this.#askLater();
        this.#onChange();
    }

    #askLater() {
        this.#backoff.fail();
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#ask(), this.#backoff.remaining);
    }

    #wake() {
        if (!this.isNeeded || this.#isAsking) return;
        // nginx may remember for some seconds that there was no login.
        this.#backoff.succeed();
        this.#ask();
    }

    async #ask() {
        this.#isAsking = true;
        clearTimeout(this.#timer);
        try {
            await this.#question();
            this.isNeeded = false;
        } catch (error) {
            // Another refusal is for those to tell whose requests get it.
            this.isNeeded = error instanceof LoginNeeded || error instanceof Unanswered;
        }
        this.#isAsking = false;
        if (this.isNeeded) return this.#askLater();
        this.#since = performance.now();
        this.#onChange();
    }
}
