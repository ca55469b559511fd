/** Milliseconds that the speed is the mean of, and the shortest time from which it is told. */
const WINDOW = 5000;
const SHORTEST = 800;
/** Milliseconds between two samples. */
const INTERVAL = 200;

/** Measures how fast a number of bytes grows. */
export class SpeedMeter {
    #samples = [];

    /** Forgets everything: after a pause the time before it does not count. */
    reset() {
        this.#samples = [];
    }

    /**
     * @param {number} bytes so far
     * @param {number} [now] ms
     */
    add(bytes, now = performance.now()) {
        const last = this.#samples.at(-1);
        // Less than before: a chunk has to be sent again.
        if (last && bytes < last.bytes) this.reset();
        else if (last && now - last.now < INTERVAL) return;
        this.#samples.push({ bytes, now });
        while (this.#samples[0].now < now - WINDOW) this.#samples.shift();
    }

    /** Bytes a second, or null if that cannot be told yet. */
    get speed() {
        const first = this.#samples[0];
        const last = this.#samples.at(-1);
        if (!first || last.now - first.now < SHORTEST) return null;
        return ((last.bytes - first.bytes) / (last.now - first.now)) * 1000;
    }
}
