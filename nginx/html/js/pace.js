/** Requests at once. */
const SLOTS = 3;

/** Milliseconds without any progress after which a request is given up: at first, and at most. */
const FIRST_LIMIT = 2 * 60_000;
const LAST_LIMIT = 30 * 60_000;

/** Milliseconds in which a chunk gets through where three at once are far from the first limit. */
const EASY = 10_000;

/**
 * How much is sent at once and how long it may take, for all uploads of the page: they share the connection. A slow one
 * takes in megabytes that the browser counts as sent, and shows no progress until they are through. So after a stall there
 * is one chunk at a time, and more patience.
 */
export class Pace {
    /** Requests at once, of all files together. */
    slots = SLOTS;
    /** Milliseconds without any progress after which a request is given up. */
    limit = FIRST_LIMIT;
    /**
     * Whether chunks are read into memory before they are sent. Safari at times never gets the reply to a request whose
     * bytes it has taken from a file.
     */
    isReadFirst = false;

    /** @param {number} limit that of the request that was given up */
    noteStall(limit) {
        this.slots = 1;
        // Those that were begun side by side count as one.
        if (limit === this.limit) this.limit = Math.min(LAST_LIMIT, 2 * limit);
    }

    /** A reply never came, although the server had the chunk. */
    noteLostReply() {
        this.slots = 1;
        this.isReadFirst = true;
    }

    /** @param {number} time milliseconds that a chunk took */
    noteStored(time) {
        if (time > EASY) return;
        this.slots = SLOTS;
        this.limit = FIRST_LIMIT;
    }
}
