/** Milliseconds: the first wait, which doubles with each failure, and the longest if it is not said. */
const FIRST = 500;
const LONGEST = 15_000;

/** When to try again after failures in a row. */
export class Backoff {
    /** Failures in a row; requests that failed side by side count as one. */
    failures = 0;
    /** Time in ms (`performance.now()`) before which not to try again. */
    notBefore = 0;

    /**
     * @param {number} [started] when what failed was begun, in ms; by default just now
     * @param {number} [longest] wait in ms
     */
    fail(started = performance.now(), longest = LONGEST) {
        if (started < this.notBefore) return;
        const wait = Math.min(longest, FIRST * 2 ** this.failures);
        this.failures += 1;
        // Half of it by chance, so that many pages do not come back at the same moment.
        this.notBefore = performance.now() + wait * (0.5 + Math.random() / 2);
    }

    succeed() {
        this.failures = 0;
        this.notBefore = 0;
    }

    /** Ends the present wait, but does not forget the failures. */
    wake() {
        this.notBefore = 0;
    }

    /** Milliseconds to wait from now on, 0 if none. */
    get remaining() {
        return Math.max(0, this.notBefore - performance.now());
    }
}
