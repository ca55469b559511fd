import { formatServerTime } from './format.js';
import { text } from './messages.js';

const dialog = document.querySelector('#exists');
const list = dialog.querySelector('ul');

dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => list.replaceChildren());

/**
 * Shows that a video exists already; if the dialog is open, in addition to those it shows.
 *
 * @param {string} fileName
 * @param {{video_id: number, video_name: string, game_name: string, create_time: string}} video
 */
export function showExisting(fileName, video) {
    const item = document.createElement('li');
    item.dataset.videoId = video.video_id;
    item.append(
        line('strong', fileName),
        line('span', text('game', { game: video.game_name || text('noGame') })),
        line('span', text('uploadTime', { time: formatServerTime(video.create_time) })),
        link(video),
    );
    list.append(item);
    if (!dialog.open) dialog.showModal();
}

function line(tag, value) {
    const element = document.createElement(tag);
    element.textContent = value;
    return element;
}

function link(video) {
    const element = line('a', text('view'));
    element.href = `/play/?video_id=${encodeURIComponent(video.video_id)}`;
    element.target = '_blank';
    element.rel = 'noopener';
    element.setAttribute('aria-label', text('viewFile', { file: video.video_name || String(video.video_id) }));
    return element;
}
