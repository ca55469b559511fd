/** Bytes of a chunk; a file of at most as many is sent whole. */
export const CHUNK_SIZE = 2 * 1024 * 1024;

/** Bytes that a video may have. */
const SIZE_LIMIT = 2 * 1024 * 1024 * 1024;

/** Files that may be in the list and not be finished. */
const COUNT_LIMIT = 10;

const EXTENSIONS = ['mp4', 'avi', 'flv'];

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
    if (!EXTENSIONS.includes(extension(file.name))) return 'refusedType';
    if (file.size === 0) return 'refusedEmpty';
    if (file.size > SIZE_LIMIT) return 'refusedSize';
    if (others.some((other) => isSame(file, other))) return 'refusedTwice';
    if (others.length >= COUNT_LIMIT) return 'refusedCount';
    return null;
}

function isSame(one, other) {
    return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
