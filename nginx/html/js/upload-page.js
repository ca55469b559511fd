import { fillClasses, loadClasses } from './classes.js';
import { acceptDrops } from './drop.js';
import { showExisting } from './exists-dialog.js';
import { List } from './list.js';
import { recallMD5 } from './md5-memory.js';
import { applyTexts, locale, text } from './messages.js';
import { announce, showMessages } from './page-messages.js';
import { Queue } from './queue.js';
import { Reader } from './reader.js';
import { isTitle, refusal } from './rules.js';
import { statusText } from './status.js';
import { Upload } from './upload.js';

document.documentElement.lang = locale;
document.title = text('uploadTitle');
applyTexts(document);

// 13 digits, as the article's page has them; two pages opened at the same time rarely have the same.
const page = String(Date.now() + Math.ceil(Math.random() * 100));
const startButton = document.querySelector('#start');
const input = document.querySelector('#files');
const uploads = [];
const lastStates = new Map();
let number = 0;

const list = new List({ onDelete: remove, onRetry: (upload) => queue.retry(upload) });
const queue = new Queue(uploads, onQueueChange);
const reader = new Reader(uploads);

function add(files) {
    const refused = [];
    for (const file of files) {
        const key = refusal(file, uploads.filter((upload) => !upload.isFinished).map((upload) => upload.file));
        if (key) {
            refused.push(text(key, { file: file.name }));
            continue;
        }
        number += 1;
        const upload = new Upload(file, number, page, onUploadChange);
        // While others upload it joins them.
        upload.isWanted = queue.state !== 'idle';
        uploads.push(upload);
        list.add(upload);
        const md5 = recallMD5(file);
        if (md5) upload.setMD5(md5, true);
        else upload.changed();
    }
    showMessages(refused);
}

function remove(removed) {
    for (const upload of removed) {
        uploads.splice(uploads.indexOf(upload), 1);
        lastStates.delete(upload);
        queue.remove(upload);
        announce(text('removed', { file: upload.file.name }));
    }
    list.remove(removed);
    reader.pump();
    updateStart();
}

function onUploadChange(upload, isProgress) {
    if (!uploads.includes(upload)) return;
    list.update(upload, queue.state === 'paused');
    if (isProgress) return;
    if (upload.state !== lastStates.get(upload)) onStateChange(upload);
    reader.pump();
    queue.pump();
    updateStart();
}

function onStateChange(upload) {
    lastStates.set(upload, upload.state);
    const { file, state } = upload;
    if (state === 'exists') showExisting(file.name, upload.video);
    announce(text('announce', { file: file.name, state: statusText(upload, queue.state === 'paused') }));
}

function onQueueChange() {
    for (const upload of uploads) list.update(upload, queue.state === 'paused');
    if (queue.state === 'idle' && uploads.length > 0) {
        const count = (states) => uploads.filter(({ state }) => states.includes(state)).length;
        announce(text('allEnded', { done: count(['done', 'exists']), failed: count(['failed']) }));
    }
    updateStart();
}

function updateStart() {
    const { state } = queue;
    startButton.dataset.state = state;
    startButton.textContent = text({ idle: 'start', uploading: 'pause', paused: 'continue' }[state]);
    startButton.disabled = state === 'idle' && !uploads.some((upload) => ['reading', 'waiting'].includes(upload.state));
}

/** Whether all titles are there; otherwise the rows say so, and the first of them has the focus. */
function checkTitles() {
    const untitled = uploads.filter((upload) => !upload.isStarted && !upload.isFinished && !isTitle(upload.title));
    for (const upload of untitled) {
        upload.isTitleMissing = true;
        upload.changed();
    }
    if (untitled.length > 0) list.focusName(untitled[0]);
    return untitled.length === 0;
}

startButton.addEventListener('click', () => {
    if (queue.state === 'uploading') queue.pause();
    else if (checkTitles()) queue.start();
});

input.addEventListener('change', () => {
    const files = [...input.files];
    // So that the same file can be chosen again.
    input.value = '';
    add(files);
});

acceptDrops(document.querySelector('#drop-zone'), add);
addEventListener('online', () => queue.wake());
addEventListener('beforeunload', (event) => {
    if (queue.state === 'uploading') event.preventDefault();
});

updateStart();
loadClasses().then(
    () => list.forEachClassSelect(fillClasses),
    () => showMessages([text('classesFailed')]),
);
