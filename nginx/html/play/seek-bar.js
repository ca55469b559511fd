import { formatPosition } from '/js/format.js';
import { text } from '/js/messages.js';

/** Seconds that an arrow key moves, and the part of the video that a page key does. */
const STEP = 5;
const PAGE = 0.1;

/** Seconds: nearer to the end than this is an error for Chromium's own HLS player. */
const END = 0.1;

/** Pixels: larger thumbnails are shown smaller. */
const PICTURE_LIMIT = 240;

/**
 * A second time line below the video, one with pictures: what the browser's own controls cannot show. It is there for as long
 * as there are thumbnails and a video whose length is known.
 */
export class SeekBar {
    #root = document.querySelector('#seek');
    #bar = this.#root.querySelector('.seek-bar');
    #played = this.#root.querySelector('.seek-played');
    #preview = this.#root.querySelector('.seek-preview');
    #picture = this.#root.querySelector('.seek-picture');
    #time = this.#root.querySelector('.seek-time');
    #video;
    #thumbnails = null;
    /** Seconds; still that of the last source while the next one is loaded. */
    #duration = 0;
    /** The seconds that the pointer is at, null if it is elsewhere. */
    #pointed = null;
    /** Whether the keyboard is used, and the preview wanted. */
    #isFollowing = false;

    /** @param {HTMLVideoElement} video */
    constructor(video) {
        this.#video = video;
        for (const name of ['timeupdate', 'seeking', 'durationchange']) {
            video.addEventListener(name, () => this.#update());
        }
        new ResizeObserver(() => this.#showPreview()).observe(this.#root);
        const listen = (name, action) => this.#bar.addEventListener(name, action);
        listen('pointermove', (event) => this.#point(event));
        listen('pointerdown', (event) => this.#press(event));
        listen('pointerup', (event) => this.#release(event));
        // A finger that scrolls the page after all.
        listen('pointercancel', () => this.#leave());
        listen('pointerleave', () => this.#leave());
        listen('keydown', (event) => this.#onKey(event));
        listen('focus', () => {
            this.#isFollowing = this.#bar.matches(':focus-visible');
            this.#update();
        });
        listen('blur', () => {
            this.#isFollowing = false;
            this.#update();
        });
    }

    /** @param {?Thumbnails} thumbnails null: there are none, and no bar */
    set thumbnails(thumbnails) {
        this.#thumbnails = thumbnails;
        if (thumbnails) this.#picture.style.backgroundImage = `url("${CSS.escape(thumbnails.picture)}")`;
        this.#update();
    }

    #update() {
        if (Number.isFinite(this.#video.duration)) this.#duration = this.#video.duration;
        this.#root.hidden = this.#thumbnails === null || this.#duration === 0;
        if (this.#root.hidden) return;
        const { currentTime } = this.#video;
        this.#played.style.width = `${100 * Math.min(1, currentTime / this.#duration)}%`;
        this.#bar.setAttribute('aria-valuemax', Math.floor(this.#duration));
        this.#bar.setAttribute('aria-valuenow', Math.floor(currentTime));
        this.#bar.setAttribute('aria-valuetext', text('positionOf', {
            position: formatPosition(currentTime), duration: formatPosition(this.#duration),
        }));
        this.#showPreview();
    }

    #seek(seconds) {
        this.#video.currentTime = Math.max(0, Math.min(this.#duration - END, seconds));
        this.#update();
    }

    // -- The pointer --

    #secondsAt({ clientX }) {
        const { left, width } = this.#bar.getBoundingClientRect();
        return Math.max(0, Math.min(1, (clientX - left) / width)) * this.#duration;
    }

    #point(event) {
        this.#pointed = this.#secondsAt(event);
        this.#showPreview();
    }

    #press(event) {
        if (event.button !== 0) return;
        // What follows comes here wherever it is: the finger covers the bar.
        this.#bar.setPointerCapture(event.pointerId);
        this.#point(event);
    }

    #release(event) {
        if (!this.#bar.hasPointerCapture(event.pointerId)) return;
        this.#seek(this.#secondsAt(event));
        // A finger that is lifted points at nothing.
        if (event.pointerType !== 'mouse') this.#leave();
    }

    #leave() {
        this.#pointed = null;
        this.#showPreview();
    }

    // -- The keyboard: https://www.w3.org/WAI/ARIA/apg/patterns/slider/ --

    #onKey(event) {
        if (event.altKey || event.ctrlKey || event.metaKey) return;
        const { currentTime } = this.#video;
        if (event.key === 'Escape') {
            this.#isFollowing = false;
            return this.#leave();
        }
        const target = {
            ArrowLeft: currentTime - STEP,
            ArrowDown: currentTime - STEP,
            ArrowRight: currentTime + STEP,
            ArrowUp: currentTime + STEP,
            PageDown: currentTime - PAGE * this.#duration,
            PageUp: currentTime + PAGE * this.#duration,
            Home: 0,
            End: this.#duration,
        }[event.key];
        if (target === undefined) return;
        event.preventDefault();
        this.#isFollowing = true;
        this.#pointed = null;
        this.#seek(target);
    }

    // -- The picture --

    #showPreview() {
        const seconds = this.#pointed ?? (this.#isFollowing ? this.#video.currentTime : null);
        this.#preview.hidden = seconds === null || this.#root.hidden;
        if (this.#preview.hidden) return;
        const { x, y, width, height } = this.#thumbnails.at(seconds);
        const scale = Math.min(1, PICTURE_LIMIT / Math.max(width, height));
        const { style } = this.#picture;
        style.width = `${width}px`;
        style.height = `${height}px`;
        style.zoom = scale;
        style.backgroundPosition = `${-x}px ${-y}px`;
        this.#time.textContent = formatPosition(seconds);
        // Above its place on the bar, but not beyond the ends.
        const { offsetLeft, offsetWidth } = this.#bar;
        const left = offsetLeft + seconds / this.#duration * offsetWidth - this.#preview.offsetWidth / 2;
        const room = this.#root.clientWidth - this.#preview.offsetWidth;
        this.#preview.style.left = `${Math.max(0, Math.min(room, left))}px`;
    }
}
