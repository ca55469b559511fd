const KEY = 'video-intake.md5';
const ENTRIES = 50;

function keyOf(file) {
    return `${file.name}/${file.size}/${file.lastModified}`;
}

/** @returns {[string, string][]} file and md5, the latest last */
function entries() {
    try {
        const value = JSON.parse(localStorage.getItem(KEY));
        return Array.isArray(value) ? value.filter((entry) => /^[0-9a-f]{32}$/.test(entry?.[1])) : [];
    } catch {
        return [];
    }
}

function save(list) {
    try {
        localStorage.setItem(KEY, JSON.stringify(list.slice(-ENTRIES)));
    } catch {
        // Private windows may have no storage: the file is read again then.
    }
}

/**
 * The md5 that a file had when it was read last, so that an upload continues at once after a reload. It may be that of
 * another content: a file can be changed, or be replaced by another one, and have the same name, size and date. So the
 * server verifies what it gets, and before the page says that the server has the file, the file is read.
 *
 * @param {File} file
 * @returns {?string}
 */
export function recallMD5(file) {
    return entries().find(([key]) => key === keyOf(file))?.[1] ?? null;
}

/**
 * @param {File} file
 * @param {string} md5
 */
export function rememberMD5(file, md5) {
    save([...entries().filter(([key]) => key !== keyOf(file)), [keyOf(file), md5]]);
}

/** @param {File} file */
export function forgetMD5(file) {
    save(entries().filter(([key]) => key !== keyOf(file)));
}
