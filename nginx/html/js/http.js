/**
 * What came of a request.
 *
 * @typedef {object} Answer
 * @property {number} status of HTTP; 0: none, because there was no connection, it was lost, or nothing came in time
 * @property {?object} reply the JSON object of the body, null if it is none
 * @property {string} reason `X-Intake-Reason`, empty without one
 * @property {boolean} isElsewhere whether it is a redirection, or the page that one led to: what a login script does
 * @property {'lost'|'aborted'|'stalled'|'arrived'} [end] with status 0: how the request ended, see `post`
 */

/**
 * Asks a question with a form. Follows no redirection.
 *
 * @param {string} path
 * @param {URLSearchParams} form
 * @param {object} options
 * @param {AbortSignal} [options.signal]
 * @param {number} options.limit milliseconds to wait
 * @returns {Promise<Answer>}
 * @throws {DOMException} `AbortError`, if the signal says so
 */
export async function question(path, form, { signal, limit }) {
    signal?.throwIfAborted();
    const controller = new AbortController();
    const onAbort = () => controller.abort();
    const timer = setTimeout(onAbort, limit);
    signal?.addEventListener('abort', onAbort);
    try {
        const response = await fetch(path, {
            method: 'POST', body: form, redirect: 'manual', cache: 'no-store', signal: controller.signal,
        });
        const { status, headers, type } = response;
        if (type === 'opaqueredirect') return { status, reply: null, reason: '', isElsewhere: true };
        return answer(status, (name) => headers.get(name), await response.text());
    } catch {
        signal?.throwIfAborted();
        return nothing('lost');
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
    }
}

/**
 * Posts a form with a file.
 *
 * @param {string} path
 * @param {FormData} form
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {number} options.limit milliseconds without any progress after which the request is given up
 * @param {(bytes: number) => void} options.onProgress bytes of the body sent so far, with the form around the file
 * @param {() => Promise<boolean>} options.hasArrived asked before it is given up: whether the server has it all the same
 * @returns {Promise<Answer>} `end` with status 0: `lost`; `aborted`, by the browser and not by the signal; `stalled`,
 *     given up; `arrived`, given up and the server has it
 * @throws {DOMException} `AbortError`, if the signal says so
 */
export function post(path, form, { signal, limit, onProgress, hasArrived }) {
    return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        // fetch tells nothing about how much has been sent.
        const request = new XMLHttpRequest();
        let timer;
        let isSettled = false;
        const settle = (action, value) => {
            isSettled = true;
            clearTimeout(timer);
            signal.removeEventListener('abort', onAbort);
            action(value);
        };
        const onAbort = () => {
            settle(reject, new DOMException('aborted', 'AbortError'));
            request.abort();
        };
        const watch = () => {
            clearTimeout(timer);
            timer = setTimeout(giveUp, limit);
        };
        const giveUp = async () => {
            const asked = timer;
            const isThere = await hasArrived();
            // There was an answer after all, or progress, which is as good.
            if (isSettled || timer !== asked) return;
            settle(resolve, nothing(isThere ? 'arrived' : 'stalled'));
            request.abort();
        };
        signal.addEventListener('abort', onAbort);

        request.open('POST', path);
        request.addEventListener('load', () => {
            const { status, responseText, responseURL } = request;
            const isRedirected = responseURL !== '' && responseURL !== new URL(path, location.href).href;
            settle(resolve, answer(status, (name) => request.getResponseHeader(name), responseText, isRedirected));
        });
        request.addEventListener('error', () => settle(resolve, nothing('lost')));
        request.addEventListener('abort', () => {
            if (!isSettled) settle(resolve, nothing('aborted'));
        });
        request.upload.addEventListener('progress', (event) => {
            if (isSettled) return;
            watch();
            onProgress(event.loaded);
        });
        watch();
        request.send(form);
    });
}

/** @returns {Answer} */
function nothing(end) {
    return { status: 0, reply: null, reason: '', isElsewhere: false, end };
}

/** @returns {Answer} */
function answer(status, header, body, isRedirected = false) {
    const reply = parse(body);
    const isPage = status === 200 && reply === null && /^text\/html\b/i.test(header('Content-Type') ?? '');
    return { status, reply, reason: header('X-Intake-Reason') ?? '', isElsewhere: isRedirected || isPage };
}

function parse(body) {
    try {
        const value = JSON.parse(body);
        return typeof value === 'object' && typeof value?.code === 'number' ? value : null;
    } catch {
        return null;
    }
}
