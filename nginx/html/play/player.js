import { SeekBar } from './seek-bar.js';
import { loadThumbnails } from './thumbnails.js';

/**
 * Types of originals, by extension: all that a server can allow. Chromium plays what is in a mov and knows only the type of its
 * sister.
 */
const TYPES = {
    '3gp': 'video/3gpp', avi: 'video/x-msvideo', flv: 'video/x-flv', m2ts: 'video/mp2t', m4v: 'video/mp4',
    mkv: 'video/x-matroska', mov: 'video/mp4', mp4: 'video/mp4', mpeg: 'video/mpeg', mpg: 'video/mpeg', mts: 'video/mp2t',
    ts: 'video/mp2t', vob: 'video/mpeg', webm: 'video/webm', asf: 'video/x-ms-asf', wmv: 'video/x-ms-wmv',
};

const HLS = 'application/vnd.apple.mpegurl';

/** Seconds that a stream may end before the end that it had announced. */
const END_TOLERANCE = 2;

/**
 * Milliseconds that a stream may be stuck. Chromium waits for ever for some pieces that are not there, and at holes, and tells
 * nothing of a piece before it is whole: a slow line, for which the stream is the best there is, looks the same. So the file is
 * tried after a moment, for a moment: where it comes as fast as it plays, it takes over, else the stream has more time.
 */
const STUCK = { trial: 2200, trialTime: 700, limit: 20_000 };

/** Seconds of a file that are enough to know that it comes fast. */
const ENOUGH = 4;

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
    /** Since when something of the stream is waited for, and what is then done; null while nothing is. */
    #stuck = null;
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
        for (const name of ['loadstart', 'loadeddata', 'suspend', 'progress', 'play', 'timeupdate', 'seeked', 'pause']) {
            listen(name, () => this.#watch());
        }
        for (const name of ['seeking', 'emptied']) {
            listen(name, () => {
                this.#endWatch();
                this.#watch();
            });
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
            this.#video.canPlayType(TYPES[type] ?? '') && info.video_url,
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

    /** Whether something of the stream is to come: it plays, or is to, or has no picture yet. */
    get #isWaiting() {
        const { ended, networkState, paused, readyState, seeking } = this.#video;
        if (this.#source !== this.#info.hls_url || ended) return false;
        if (seeking || !paused) return true;
        // A browser may put off loading until the user wants to see the video; this one is at it, and has no picture.
        return networkState === HTMLMediaElement.NETWORK_LOADING && readyState < HTMLMediaElement.HAVE_CURRENT_DATA;
    }

    /**
     * Sees to it that the stream does not wait for ever. To be called when what `isWaiting` tells may have changed, when it has
     * played on, and when something of it has come. Chromium says that it plays, and stands still: only the time tells.
     */
    #watch() {
        const { currentTime } = this.#video;
        if (!this.#isWaiting || currentTime !== this.#stuck?.position) this.#endWatch();
        if (!this.#isWaiting) return;
        this.#stuck ??= { position: currentTime, ended: new AbortController() };
        const stuck = this.#stuck;
        stuck.trial ??= setTimeout(() => this.#tryFile(stuck), STUCK.trial);
        clearTimeout(stuck.limit);
        stuck.limit = setTimeout(() => this.#fail(), STUCK.limit);
    }

    #endWatch() {
        clearTimeout(this.#stuck?.trial);
        clearTimeout(this.#stuck?.limit);
        this.#stuck?.ended.abort();
        this.#stuck = null;
    }

    async #tryFile(stuck) {
        const file = this.#info.mp4_url;
        if (!file || this.#failed.has(file)) return;
        // It may have played on without having said so.
        if (this.#video.currentTime !== stuck.position) return this.#watch();
        const isFast = await comesFast(file, this.#info.duration, stuck.ended);
        if (isFast && this.#stuck === stuck && this.#video.currentTime === stuck.position) this.#fail();
    }

    /** What plays does not: goes on with the next one. */
    #fail(isPlaying = this.#isPlaying) {
        this.#endWatch();
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

/**
 * Whether a file comes at least as fast as it plays.
 *
 * @param {string} address
 * @param {number} duration seconds
 * @param {AbortController} controller ends it, and is ended by it
 */
async function comesFast(address, duration, controller) {
    const timer = setTimeout(() => controller.abort(), STUCK.trialTime);
    try {
        const response = await fetch(address, { signal: controller.signal, cache: 'no-store' });
        const size = Number(response.headers.get('Content-Length'));
        if (!response.ok || !size || !duration) return false;
        const start = performance.now();
        let bytes = 0;
        for (let reader = response.body.getReader(); ;) {
            const { done, value } = await reader.read();
            bytes += value?.length ?? 0;
            const played = bytes * duration / size;
            const seconds = (performance.now() - start) / 1000;
            if (done || played >= ENOUGH) return true;
            if (seconds * 1000 >= STUCK.trialTime / 2) return played >= seconds;
        }
    } catch {
        return false;
    } finally {
        clearTimeout(timer);
        controller.abort();
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
