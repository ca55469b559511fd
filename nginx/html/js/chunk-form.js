import { CHUNK_SIZE } from './rules.js';

/**
 * How many chunks a file is sent in.
 *
 * @param {number} size bytes
 * @returns {number}
 */
export function chunkCount(size) {
    return Math.ceil(size / CHUNK_SIZE);
}

/**
 * The bytes of a file that are a chunk. They stay on disk until they are sent.
 *
 * @param {File} file
 * @param {number} chunk from 0
 * @returns {Blob}
 */
export function chunkBytes(file, chunk) {
    return file.slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE);
}

/**
 * The form of one request, as WebUploader sends it: same fields, same order.
 *
 * @param {import('./upload.js').Upload} upload
 * @param {number} chunk from 0; a file of one chunk is sent whole, without `chunks` and `chunk`
 * @returns {FormData}
 */
export function chunkForm(upload, chunk) {
    const { file, chunks } = upload;
    const form = new FormData();
    form.append('file_id', 'file');
    form.append('guid', upload.guid);
    form.append('file_name', upload.title.trim());
    form.append('id', upload.id);
    form.append('name', file.name);
    form.append('type', file.type || 'application/octet-stream');
    form.append('lastModifiedDate', new Date(file.lastModified).toString());
    form.append('size', file.size);
    if (chunks > 1) {
        form.append('chunks', chunks);
        form.append('chunk', chunk);
    }
    form.append('md5', upload.md5);
    form.append('class_id', upload.classID);
    form.append('file', chunks > 1 ? chunkBytes(file, chunk) : file, file.name);
    return form;
}
