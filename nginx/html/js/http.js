/** Milliseconds without any progress after which a request is given up. nginx waits 110 s for the application. */
const STALL_LIMIT = 120_000;

/**
 * Posts a form.
 *
 * @param {string} path
 * @param {FormData|URLSearchParams} form
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]
 * @param {(bytes: number) => void} [options.onProgress] bytes of the body sent so far, with the form around the file
 * @returns {Promise<{status: number, reply: ?object}>} the HTTP status and the JSON object of the body, null if it is
 *     none; status 0: no answer (no connection, connection lost, or nothing happened for 120 s)
 * @throws {DOMException} `AbortError`
 */
export function post(path, form, { signal, onProgress } = {}) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        // fetch tells nothing about how much has been sent.
        const request = new XMLHttpRequest();
        let stall;
        const settle = (action, value) => {
            clearTimeout(stall);
            signal?.removeEventListener('abort', onAbort);
            action(value);
        };
        const onAbort = () => {
            request.abort();
            settle(reject, new DOMException('aborted', 'AbortError'));
        };
        const onLost = () => settle(resolve, { status: 0, reply: null });
        const watch = () => {
            clearTimeout(stall);
            stall = setTimeout(() => {
                request.abort();
                onLost();
            }, STALL_LIMIT);
        };
        signal?.addEventListener('abort', onAbort);

        request.open('POST', path);
        request.addEventListener('load', () => {
            settle(resolve, { status: request.status, reply: parse(request.responseText) });
        });
        request.addEventListener('error', onLost);
        request.upload.addEventListener('progress', (event) => {
            watch();
            onProgress?.(event.loaded);
        });
        watch();
        request.send(form);
    });
}

function parse(body) {
    try {
        const value = JSON.parse(body);
        return typeof value === 'object' && typeof value?.code === 'number' ? value : null;
    } catch {
        return null;
    }
}
