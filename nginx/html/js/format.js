import { locale, text } from './messages.js';

const SIZE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
const KIBI = 1024;

const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
const times = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });

function quantity(value, unit, digits) {
    return new Intl.NumberFormat(locale, {
        style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits,
    }).format(value);
}

/**
 * A size for people; a megabyte is 1,048,576 bytes, as in the limits.
 *
 * @param {number} bytes
 * @returns {string} for example `1.5 MB`
 */
export function formatSize(bytes) {
    let value = bytes;
    let unit = 0;
    while (value >= KIBI && unit < SIZE_UNITS.length - 1) {
        value /= KIBI;
        unit += 1;
    }
    return quantity(value, SIZE_UNITS[unit], unit < 2 || value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/**
 * How long something will still take, as precise as such a guess can be.
 *
 * @param {number} seconds
 * @returns {string} for example `3 min`
 */
export function formatTimeLeft(seconds) {
    if (seconds < 60) return quantity(Math.max(1, Math.ceil(seconds)), 'second', 0);
    if (seconds < 3600) return quantity(Math.ceil(seconds / 60), 'minute', 0);
    return quantity(seconds / 3600, 'hour', 1);
}

/**
 * The length of a video.
 *
 * @param {number} seconds 0 if it is not known
 * @returns {string} `m:ss` or `h:mm:ss`
 */
export function formatDuration(seconds) {
    return seconds > 0 ? clock(Math.max(1, Math.round(seconds))) : text('unknown');
}

/**
 * A place in a video.
 *
 * @param {number} seconds from its beginning
 * @returns {string} `m:ss` or `h:mm:ss`
 */
export function formatPosition(seconds) {
    return clock(Math.max(0, Math.floor(seconds)));
}

/** @param {number} whole seconds */
function clock(whole) {
    const digits = (value) => String(value).padStart(2, '0');
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours > 0
        ? `${hours}:${digits(minutes)}:${digits(whole % 60)}`
        : `${minutes}:${digits(whole % 60)}`;
}

/**
 * @param {number} fraction 0 to 1
 * @returns {string} for example `37%`; 100% only for 1
 */
export function formatPercent(fraction) {
    return percents.format(Math.floor(fraction * 100) / 100);
}

/**
 * @param {string[]} words
 * @returns {string} for example `mp4, avi, flv`
 */
export function formatList(words) {
    return words.join(text('comma'));
}

/**
 * A time of the server's records. It is the server's clock, and is shown as it is.
 *
 * @param {string} time `yy-MM-dd HH:mm:ss`
 * @returns {string} the same for people, or as it came if it is something else
 */
export function formatServerTime(time) {
    const parts = /^(\d\d)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/.exec(time ?? '');
    if (!parts) return time || text('unknown');
    const [year, month, day, ...clock] = parts.slice(1).map(Number);
    return times.format(new Date(2000 + year, month - 1, day, ...clock));
}
