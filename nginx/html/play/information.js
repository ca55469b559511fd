import { formatDuration, formatServerTime, formatSize } from '/js/format.js';
import { text } from '/js/messages.js';

const STATES = {
    stored: 'stateStored', queued: 'stateQueued', running: 'stateRunning', ready: 'stateReady', failed: 'stateFailed',
};

document.querySelector('#copy').addEventListener('click', copyMD5);

/**
 * Shows what is known of a video: what the server does not know yet, or never will without transcoding, the browser may.
 *
 * @param {object} video the fields of video_info
 */
export function showInformation(video) {
    const played = document.querySelector('#video');
    const [width, height] = [video.width || played.videoWidth, video.height || played.videoHeight];
    const values = {
        name: video.video_name,
        state: STATES[video.state] ? text(STATES[video.state]) : video.state,
        duration: formatDuration(video.duration || (Number.isFinite(played.duration) ? played.duration : 0)),
        resolution: width && height ? `${width} × ${height}` : text('unknown'),
        size: formatSize(video.size),
        category: [video.game_name, video.class_name].filter(Boolean).join(' · ') || text('none'),
        time: formatServerTime(video.create_time),
        md5: video.md5,
    };
    for (const [name, value] of Object.entries(values)) field(name).textContent = value;
    field('state').dataset.value = video.state;
    document.querySelector('#information').hidden = false;
}

function field(name) {
    return document.querySelector(`[data-info=${name}]`);
}

async function copyMD5() {
    const result = document.querySelector('#copy-result');
    try {
        await navigator.clipboard.writeText(field('md5').textContent);
        result.textContent = text('copied');
    } catch {
        // There is no clipboard without https, except on the loopback interface.
        getSelection().selectAllChildren(field('md5'));
        result.textContent = text('copyFailed');
    }
}
