import { SeekBar } from './seek-bar.js';
import { loadThumbnails } from './thumbnails.js';

/** Whether some browser plays files with an extension: all that can be uploaded. */
const PLAYS = {
    '3gp': true, asf: false, avi: false, flv: false, m2ts: false, m4v: true, mkv: true, mov: true, mp4: true,
    mpeg: false, mpg: false, mts: false, ts: false, vob: false, webm: true, wmv: false,
};

const HLS = 'application/vnd.apple.mpegurl';

/** Seconds that a stream may end before the end that it had announced. */
const END_TOLERANCE = 2;

/**
 * Milliseconds that a stream may be stuck. Chromium waits for ever for some pieces that are not there; a slow connection,
 * for which the stream is the best there is, needs many seconds for one that is.
 */
const STUCK_LIMIT = 20_000;

/**
 * The video element, its links and what plays: the stream if the browser plays HLS by itself, else the processed file, else the
 * original. What turns out not to play is left out, and the next one goes on at the same place.
 */
export class Player {
    #video = document.querySelector('#video');
    #seekBar = new SeekBar(this.#video);
    #switch = document.querySelector('#switch');
    #retry = document.querySelector('#retry');
    /** What the server said last. */
    #info = {};
    #isProcessing = false;
    /** Addresses, best first, and those of them that did not play. */
    #sources = [];
    #failed = new Set();
    #source = null;
    /** Seconds: where it plays or is to begin, and the longest that the source has said to be. */
    #position = 0;
    #duration = 0;
    /** Whether the user wants it to play. When there is an error, Chromium's controls have stopped it already. */
    #isPlaying = false;
    #thumbnailsAddress = null;
    #stuck;
    #onNotice;

    /** @param {(key: ?string, values?: object) => void} onNotice called with what the user has to know; null: nothing */
    constructor(onNotice) {
        this.#onNotice = onNotice;
        const listen = (name, action) => this.#video.addEventListener(name, action);
        listen('error', () => {
            // Without an error it was that of the source before.
            if (this.#video.error) this.#fail();
        });
        listen('play', () => { this.#isPlaying = true; });
        listen('pause', () => { this.#isPlaying = false; });
        listen('timeupdate', () => this.#notePosition());
        listen('seeking', () => this.#notePosition());
        listen('durationchange', () => {
            if (Number.isFinite(this.#video.duration)) this.#duration = Math.max(this.#duration, this.#video.duration);
        });
        listen('ended', () => {
            // Chromium takes a piece that it cannot read for the end of the stream.
            const isCutOff = this.#video.currentTime < this.#duration - END_TOLERANCE;
            if (isCutOff && this.#source === this.#info.hls_url) this.#fail(true);
        });
        for (const name of ['waiting', 'seeking', 'seeked', 'playing', 'pause', 'progress', 'timeupdate', 'emptied']) {
            listen(name, () => this.#watch());
        }
        this.#switch.addEventListener('click', () => this.#play(this.#best, this.#video.currentTime, true));
        this.#retry.addEventListener('click', () => {
            this.#failed.clear();
            this.#onNotice(null);
            this.#play(this.#best, this.#position, true);
        });
    }

    /**
     * @param {object} info what the server says of the video
     * @param {boolean} isProcessing whether a playable version may still come
     */
    show(info, isProcessing) {
        this.#info = info;
        this.#isProcessing = isProcessing;
        document.querySelector('#links').hidden = false;
        const type = extension(info.video_url);
        const download = document.querySelector('#download');
        download.download = fileName(info.video_name, type);
        // From another host browsers heed no attribute, only what nginx says when it is asked by `name`.
        download.href = `${info.video_url}?name=${encode(download.download)}`;
        this.#sources = [
            this.#video.canPlayType(HLS) && info.hls_url,
            info.mp4_url,
            PLAYS[type] !== false && info.video_url,
        ].filter(Boolean);
        this.#video.hidden = this.#sources.length === 0;
        if (this.#video.hidden) {
            const last = info.state === 'failed' ? 'noticeFailedUnplayable' : 'noticeUnplayable';
            return this.#onNotice(isProcessing ? 'noticeUnplayableYet' : last, { type });
        }
        if (info.poster_url) this.#video.poster = info.poster_url;
        this.#showThumbnails(info.thumbnails_url);

        // Who is watching is not interrupted.
        const isIdle = this.#video.paused && this.#video.currentTime === 0;
        const isBroken = this.#failed.has(this.#source);
        const best = this.#best;
        if (best && best !== this.#source && (this.#source === null || isIdle || isBroken)) this.#play(best, this.#position);
        this.#switch.hidden = !best || this.#source === best;
        if (!best) this.#showFailure();
    }

    get #best() {
        return this.#sources.find((source) => !this.#failed.has(source));
    }

    /** @param {number} position in seconds */
    #play(source, position = 0, isPlaying = false) {
        const { playbackRate } = this.#video;
        this.#source = source;
        this.#position = position;
        this.#duration = 0;
        this.#isPlaying = isPlaying;
        this.#switch.hidden = true;
        this.#retry.hidden = true;
        this.#video.src = source;
        // Before anything is known of the video, this is where it will begin.
        if (position > 0) this.#video.currentTime = position;
        this.#video.playbackRate = playbackRate;
        // If it does not play, `error` tells.
        if (isPlaying) this.#video.play().catch(() => {});
    }

    #notePosition() {
        const { currentTime, readyState } = this.#video;
        // What has not begun says 0, or where the user wants it to begin.
        if (readyState > 0 || currentTime > 0) this.#position = currentTime;
    }

    #watch() {
        clearTimeout(this.#stuck);
        const { paused, readyState, seeking } = this.#video;
        const isStuck = seeking || (!paused && readyState < HTMLMediaElement.HAVE_FUTURE_DATA);
        if (isStuck && this.#source === this.#info.hls_url) this.#stuck = setTimeout(() => this.#fail(), STUCK_LIMIT);
    }

    /** What plays does not: goes on with the next one. */
    #fail(isPlaying = this.#isPlaying) {
        clearTimeout(this.#stuck);
        this.#notePosition();
        this.#failed.add(this.#source);
        if (this.#best) this.#play(this.#best, this.#position, isPlaying);
        else this.#showFailure();
    }

    #showFailure() {
        this.#retry.hidden = this.#isProcessing;
        const last = this.#info.state === 'failed' ? 'noticeFailedDamaged' : 'noticeDamaged';
        this.#onNotice(this.#isProcessing ? 'noticeDamagedYet' : last);
    }

    async #showThumbnails(address) {
        if (!address || address === this.#thumbnailsAddress) return;
        this.#thumbnailsAddress = address;
        const thumbnails = await loadThumbnails(address);
        if (address === this.#thumbnailsAddress) this.#seekBar.thumbnails = thumbnails;
    }
}

/** What a downloaded video is called. */
function fileName(title, type) {
    return title.toLowerCase().endsWith(`.${type}`) ? title : `${title}.${type}`;
}

/** Percent-encodes for a header, where fewer characters stand for themselves: https://www.rfc-editor.org/rfc/rfc8187 */
function encode(text) {
    return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

function extension(address) {
    return new URL(address, location.href).pathname.split('.').at(-1).toLowerCase();
}
