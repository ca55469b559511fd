import { Backoff } from '/js/backoff.js';
import { formatPercent } from '/js/format.js';
import { applyTexts, failureText, flawsText, locale, text } from '/js/messages.js';
import { LoginNeeded, Refused, videoInfo } from '/js/service.js';
import { showInformation } from './information.js';
import { Player } from './player.js';

/** Seconds between two questions while the video is being processed: the first, the longest, and how they grow. */
const POLL = { first: 2, longest: 15, factor: 1.3 };

const PROCESSING = ['queued', 'running'];

const notice = document.querySelector('#notice');
const processing = document.querySelector('#processing');
const player = new Player((key, values) => showNotice(key ? notices(key, values) : stateNotice(shown)));
/** What the server said last. */
let shown = null;

document.documentElement.lang = locale;
document.title = text('playTitle');
applyTexts(document);
// The browser has looked at the video, too.
document.querySelector('#video').addEventListener('loadedmetadata', () => showInformation(shown));

/** What the state of a video and its flaws make worth telling. @returns {string} empty if nothing is */
function stateNotice({ state, flaws, mp4_url, hls_url }) {
    if (PROCESSING.includes(state)) return notices('noticeProcessing');
    if (state !== 'failed') return flawsText(flaws);
    return notices(mp4_url || hls_url ? 'noticeFailedAgain' : 'noticeFailed');
}

/** A message, which may say why the video that is shown could not be processed. */
function notices(key, values) {
    return text(key, { reason: failureText(shown?.failure), ...values });
}

/** @param {string} value empty hides the notice */
function showNotice(value) {
    notice.hidden = value === '';
    if (notice.textContent !== value) notice.textContent = value;
}

function show(video) {
    const isProcessing = PROCESSING.includes(video.state);
    shown = video;
    document.title = video.video_name;
    document.querySelector('#title').textContent = video.video_name;
    showInformation(video);

    processing.hidden = !isProcessing;
    processing.querySelector('progress').value = Math.round((video.progress ?? 0) * 100);
    processing.querySelector('[data-percent]').textContent = video.state === 'running'
        ? `${text('stateRunning')} ${formatPercent(video.progress ?? 0)}`
        : text('stateQueued');
    showNotice(stateNotice(video));
    // It may have more important things to say.
    player.show(video, isProcessing);
}

function showProblem(key) {
    document.querySelector('#title').textContent = text('playTitle');
    notice.classList.add('is-problem');
    showNotice(text(key));
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Ends when somebody sees the page: in the background it would ask for nobody. */
async function seen() {
    while (document.hidden) {
        await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    }
}

/** Ends when the user comes back to the page, perhaps after a login in another tab. */
function focused() {
    return new Promise((resolve) => addEventListener('focus', resolve, { once: true }));
}

/** Asks until the video is as it will stay. */
async function run(videoID) {
    const backoff = new Backoff();
    let seconds = POLL.first;
    for (;;) {
        await seen();
        let video;
        try {
            video = await videoInfo(videoID);
            backoff.succeed();
        } catch (error) {
            if (error instanceof Refused) {
                // Else it is an id that is none.
                return showProblem(error.reason === 'forbidden' ? 'noticeForbidden' : 'noticeMissing');
            }
            backoff.fail();
            showNotice(text(error instanceof LoginNeeded ? 'noticeLogin' : 'noticeUnavailable'));
            await Promise.race([sleep(backoff.remaining), focused()]);
            continue;
        }
        if (!video) return showProblem('noticeMissing');
        show(video);
        if (!PROCESSING.includes(video.state)) return;
        await sleep(seconds * 1000);
        seconds = Math.min(POLL.longest, seconds * POLL.factor);
    }
}

run(new URLSearchParams(location.search).get('video_id') ?? '');
