/**
 * The bytes of a file that are a chunk. They stay on disk until they are sent.
 *
 * @param {import('./upload.js').Upload} upload
 * @param {number} chunk from 0
 * @returns {Blob} of a file of one chunk, the file
 */
export function chunkBytes({ file, chunks, chunkLength }, chunk) {
    return chunks > 1 ? file.slice(chunk * chunkLength, (chunk + 1) * chunkLength) : file;
}

/**
 * The form of one request, as WebUploader sends it: same fields, same order.
 *
 * @param {import('./upload.js').Upload} upload
 * @param {number} chunk from 0; a file of one chunk is sent whole, without `chunks` and `chunk`
 * @param {Blob} bytes of the chunk
 * @returns {FormData}
 */
export function chunkForm(upload, chunk, bytes) {
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
    form.append('file', bytes, file.name);
    return form;
}
