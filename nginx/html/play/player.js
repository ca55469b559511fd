/** File types that no browser plays. */
const UNPLAYABLE = ['avi', 'flv'];

/** The video element, the download link and what plays: the processed version if there is one, else the original. */
export class Player {
    #video = document.querySelector('#video');
    #switch = document.querySelector('#switch');
    #source = null;
    #best = null;
    #isBroken = false;
    #onNotice;

    /** @param {(key: string, values?: object) => void} onNotice called with what the user has to know */
    constructor(onNotice) {
        this.#onNotice = onNotice;
        this.#video.addEventListener('error', () => {
            // Without a source nothing was to be played.
            if (!this.#video.getAttribute('src')) return;
            this.#isBroken = true;
            this.#onNotice('noticeDamaged');
        });
        this.#switch.addEventListener('click', () => {
            const { currentTime } = this.#video;
            this.#play(this.#best);
            this.#video.currentTime = currentTime;
            this.#video.play();
        });
    }

    /**
     * @param {object} video what the server says of it
     * @param {boolean} isProcessing whether a playable version may still come
     */
    show(video, isProcessing) {
        const download = document.querySelector('#download');
        document.querySelector('#links').hidden = false;
        download.href = video.video_url;

        const type = extension(video.video_url);
        const isPlayable = Boolean(video.mp4_url) || !UNPLAYABLE.includes(type);
        this.#video.hidden = !isPlayable;
        if (!isPlayable) {
            return this.#onNotice(isProcessing ? 'noticeUnplayableYet' : 'noticeUnplayable', { type });
        }
        if (video.poster_url) this.#video.poster = video.poster_url;
        this.#best = video.mp4_url ?? video.video_url;
        // Who is watching is not interrupted.
        const isIdle = this.#video.paused && this.#video.currentTime === 0;
        const isReplaced = this.#source !== this.#best && (isIdle || this.#isBroken);
        if (this.#source === null || isReplaced) this.#play(this.#best);
        this.#switch.hidden = this.#source === this.#best;
        if (this.#isBroken) this.#onNotice('noticeDamaged');
    }

    #play(source) {
        this.#isBroken = false;
        this.#source = source;
        this.#video.src = source;
        this.#switch.hidden = true;
    }
}

function extension(address) {
    return new URL(address, location.href).pathname.split('.').at(-1).toLowerCase();
}
