import { formatList, formatSize } from './format.js';

const KIB = 1024;

/** Files that may be in the list and not be finished. */
const COUNT_LIMIT = 10;

/** Bytes of a request that are not the file's: the form around it. */
const FORM_ROOM = 64 * KIB;

/**
 * What the server takes: extensions without the dot, and bytes of a video, of a request and of a chunk. These hold until
 * it has said.
 */
const limits = {
    extensions: ['mp4', 'avi', 'flv'],
    size: 2 * KIB ** 3,
    body: 5 * KIB ** 2,
    chunk: 2 * KIB ** 2,
};

/** @param {?object} told what the server says of `limits`; what is missing in it, or is no limit, stays as it is */
export function setLimits(told) {
    const isExtensions = (value) => Array.isArray(value) && value.length > 0
        && value.every((extension) => /^[a-z0-9]+$/i.test(extension));
    if (isExtensions(told?.extensions)) limits.extensions = told.extensions.map((extension) => extension.toLowerCase());
    for (const name of ['size', 'body', 'chunk']) {
        if (Number.isSafeInteger(told?.[name]) && told[name] > 0) limits[name] = told[name];
    }
}

/** @returns {string[]} extensions of videos that the server takes, in lower case, without the dot */
export function extensions() {
    return limits.extensions;
}

/** @returns {{types: string, size: string, count: number}} the limits as messages have them */
export function limitTexts() {
    return { types: formatList(limits.extensions), size: formatSize(limits.size), count: COUNT_LIMIT };
}

/** @returns {number} bytes of a chunk; a file of at most as many is sent whole */
export function chunkLength() {
    return Math.min(limits.chunk, Math.max(FORM_ROOM, limits.body - FORM_ROOM));
}

function extension(name) {
    return name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
}

/**
 * What a video is called until somebody changes it: the file's name without its extension.
 *
 * @param {string} fileName
 * @returns {string}
 */
export function defaultTitle(fileName) {
    return fileName.slice(0, -extension(fileName).length - 1) || fileName;
}

/**
 * Whether the server takes a title. For it, as for PHP, "0" is empty too.
 *
 * @param {string} title
 * @returns {boolean}
 */
export function isTitle(title) {
    return !['', '0'].includes(title.trim());
}

/**
 * Why a file cannot be added.
 *
 * @param {File} file
 * @param {File[]} others the files of the list that are not finished
 * @returns {?string} key of the message, or null if it can
 */
export function refusal(file, others) {
    if (!limits.extensions.includes(extension(file.name))) return 'refusedType';
    if (file.size === 0) return 'refusedEmpty';
    if (file.size > limits.size) return 'refusedSize';
    if (others.some((other) => isSame(file, other))) return 'refusedTwice';
    if (others.length >= COUNT_LIMIT) return 'refusedCount';
    return null;
}

function isSame(one, other) {
    return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
