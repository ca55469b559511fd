/**
 * Computes the md5 of a whole file in a worker of its own; the file is never in memory as a whole.
 *
 * @param {Blob} file
 * @param {object} [options]
 * @param {(fraction: number) => void} [options.onProgress] called with 0 to 1, every 4 MiB
 * @param {AbortSignal} [options.signal] ends the reading at once
 * @returns {Promise<string>} 32 lower-case hexadecimal digits
 * @throws {DOMException} `NotReadableError` or `NotFoundError`: the file has changed or is gone; `AbortError`: aborted
 */
export function md5File(file, { onProgress, signal } = {}) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const worker = new Worker(new URL('./md5-worker.js', import.meta.url), { type: 'module' });
        const end = (settle, value) => {
            worker.terminate();
            signal?.removeEventListener('abort', onAbort);
            settle(value);
        };
        const onAbort = () => end(reject, signal.reason);
        signal?.addEventListener('abort', onAbort);

        worker.addEventListener('message', ({ data }) => {
            if (data.md5) end(resolve, data.md5);
            else if (data.error) end(reject, new DOMException(data.error.message, data.error.name));
            else onProgress?.(file.size === 0 ? 1 : data.done / file.size);
        });
        worker.addEventListener('error', (event) => {
            end(reject, new Error(event.message || 'the md5 worker could not be started'));
        });
        worker.postMessage(file);
    });
}
