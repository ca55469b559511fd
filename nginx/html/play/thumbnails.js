/** Bytes and cues of an index. Ours has at most a hundred cues, and a few kilobytes. */
const INDEX_LIMIT = 1 << 20;
const CUES_LIMIT = 1000;

const TIMES = /^(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)\.(\d{3})[\t ]+-->[\t ]+(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)\.(\d{3})[\t ]*$/;
const PICTURE = /^([^#\s]+)#xywh=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/;

/**
 * A picture that consists of small ones, each for some time of a video.
 *
 * @typedef {{start: number, x: number, y: number, width: number, height: number}} Thumbnail `start` in seconds, the rest in
 *     pixels of the picture
 */
export class Thumbnails {
    /** The picture's address. */
    picture;
    #cues;

    /**
     * @param {string} picture
     * @param {Thumbnail[]} cues at least one, sorted by start
     */
    constructor(picture, cues) {
        this.picture = picture;
        this.#cues = cues;
    }

    /**
     * The thumbnail of a time: the one that began last.
     *
     * @param {number} seconds
     * @returns {Thumbnail}
     */
    at(seconds) {
        return this.#cues.findLast(({ start }) => start <= seconds) ?? this.#cues[0];
    }

    /** Whether all thumbnails are inside a picture of this size. */
    fit(width, height) {
        return this.#cues.every((cue) => cue.x + cue.width <= width && cue.y + cue.height <= height);
    }
}

/**
 * Loads the thumbnails of a video.
 *
 * @param {string} address of the WebVTT file
 * @returns {Promise<?Thumbnails>} null if there are none that can be used, for whatever reason: a page does without them
 */
export async function loadThumbnails(address) {
    try {
        const thumbnails = parseIndex(await readText(address), new URL(address, location.href));
        const image = new Image();
        // The video comes first.
        image.fetchPriority = 'low';
        image.src = thumbnails.picture;
        await image.decode();
        return thumbnails.fit(image.naturalWidth, image.naturalHeight) ? thumbnails : null;
    } catch {
        return null;
    }
}

async function readText(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let [text, length] = ['', 0];
    for (let reader = response.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) return text + decoder.decode();
        length += value.length;
        if (length > INDEX_LIMIT) {
            reader.cancel();
            throw new Error('too long');
        }
        text += decoder.decode(value, { stream: true });
    }
}

/**
 * Reads an index: WebVTT (https://www.w3.org/TR/webvtt1/) whose cues are parts of one picture, `picture.jpg#xywh=x,y,w,h`
 * (https://www.w3.org/TR/media-frags/#naming-space). Whatever is not of this form makes all of it unusable.
 *
 * @param {string} text
 * @param {URL} base the address that it has come from; the picture must be of the same origin
 * @returns {Thumbnails}
 * @throws {Error}
 */
export function parseIndex(text, base) {
    const [head, ...blocks] = text.replace(/\r\n?/g, '\n').split(/\n{2,}/);
    if (!/^WEBVTT(?:[\t \n]|$)/.test(head)) throw new Error('not WebVTT');
    const cues = [];
    let picture = null;
    for (const block of blocks) {
        const lines = block.split('\n').filter(Boolean);
        if (lines.length === 0 || /^(?:NOTE|STYLE|REGION)(?:[\t ]|$)/.test(lines[0])) continue;
        // A cue may have a name.
        if (!lines[0].includes('-->')) lines.shift();
        const { address, ...cue } = parseCue(lines, base);
        if (address !== (picture ??= address)) throw new Error('two pictures');
        if (cue.start < (cues.at(-1)?.start ?? 0)) throw new Error('not in order');
        cues.push(cue);
        if (cues.length > CUES_LIMIT) throw new Error('too many');
    }
    if (cues.length === 0) throw new Error('empty');
    return new Thumbnails(picture, cues);
}

function parseCue(lines, base) {
    const [times, part] = [TIMES.exec(lines[0]), PICTURE.exec(lines[1])];
    if (lines.length !== 2 || !times || !part) throw new Error('not a thumbnail');
    const [start, end] = [seconds(times.slice(1, 5)), seconds(times.slice(5))];
    const [x, y, width, height] = part.slice(2).map(Number);
    if (start >= end || width === 0 || height === 0) throw new Error('nothing');
    const { href: address, origin } = new URL(part[1], base);
    if (origin !== base.origin) throw new Error('elsewhere');
    return { address, start, x, y, width, height };
}

function seconds([hours = '0', minutes, whole, thousandths]) {
    return Number(hours) * 3600 + Number(minutes) * 60 + Number(whole) + Number(thousandths) / 1000;
}
