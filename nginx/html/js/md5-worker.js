/**
 * A worker that computes the md5 of one file. It is sent a `File` or `Blob` and answers `{done}` (bytes so far) after
 * each piece, then `{md5}`, or `{error: {name, message}}` if the file cannot be read. To cancel it, terminate it.
 */
import { MD5 } from './md5.js';

/** Bytes read at a time; a multiple of 64, so that MD5 takes them without copying. */
const PIECE = 4 * 1024 * 1024;

function read(file, offset) {
    const bytes = file.slice(offset, offset + PIECE).arrayBuffer();
    // It is awaited later; an error before that is not an unhandled one.
    bytes.catch(() => {});
    return bytes;
}

async function digest(file) {
    const md5 = new MD5();
    let next = read(file, 0);
    for (let offset = 0; offset < file.size; offset += PIECE) {
        const bytes = new Uint8Array(await next);
        // The browser reads the next piece while this one is digested.
        if (offset + PIECE < file.size) next = read(file, offset + PIECE);
        md5.update(bytes);
        postMessage({ done: offset + bytes.length });
    }
    return md5.hex();
}

addEventListener('message', async ({ data: file }) => {
    try {
        postMessage({ md5: await digest(file) });
    } catch (error) {
        postMessage({ error: { name: error.name, message: error.message } });
    }
});
