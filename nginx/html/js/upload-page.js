import { Backoff } from './backoff.js';
import { fillClasses, setClasses } from './classes.js';
import { acceptDrops } from './drop.js';
import { showExisting } from './exists-dialog.js';
import { List } from './list.js';
import { Login } from './login.js';
import { recallMD5 } from './md5-memory.js';
import { applyTexts, locale, text } from './messages.js';
import { announce, showMessages } from './page-messages.js';
import { Processing, processingText } from './processing.js';
import { Queue } from './queue.js';
import { Reader } from './reader.js';
import { extensions, isTitle, limitTexts, refusal, setLimits } from './rules.js';
import { LoginNeeded, listClasses } from './service.js';
import { statusText } from './status.js';
import { Upload } from './upload.js';

document.documentElement.lang = locale;
document.title = text('uploadTitle');
applyTexts(document);

/** Times that the server is asked for its limits and categories: some 10 s. */
const ATTEMPTS = 6;

// 13 digits, as WebUploader's pages have them; two pages opened at the same time rarely have the same.
const page = String(Date.now() + Math.ceil(Math.random() * 100));
const startButton = document.querySelector('#start');
const loginNotice = document.querySelector('#login');
const input = document.querySelector('#files');
const uploads = [];
const lastStates = new Map();
let number = 0;

const list = new List({ onDelete: remove, onRetry: (upload) => queue.retry(upload) });
const login = new Login(askServer, onLoginChange);
const queue = new Queue(uploads, login, onQueueChange);
const reader = new Reader(uploads);
const processing = new Processing(onProcessing);

function add(files) {
    const refused = [];
    for (const file of files) {
        const key = refusal(file, uploads.filter((upload) => !upload.isFinished).map((upload) => upload.file));
        if (key) {
            refused.push(text(key, { file: file.name, ...limitTexts() }));
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

function pageState() {
    return { isPaused: queue.state === 'paused', isLoginNeeded: login.isNeeded };
}

function onUploadChange(upload, isProgress) {
    if (!uploads.includes(upload)) return;
    list.update(upload, pageState());
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
    if (upload.isFinished) processing.follow(upload, () => uploads.includes(upload) && upload.isFinished);
    announce(text('announce', { file: file.name, state: statusText(upload, pageState()) }));
}

function onProcessing(upload) {
    list.update(upload, pageState());
    const { state } = upload.processing;
    if (state === 'failed') announce(text('announce', { file: upload.file.name, state: processingText(upload.processing) }));
}

function onLoginChange() {
    loginNotice.textContent = login.isNeeded ? text('loginNotice') : '';
    loginNotice.classList.toggle('is-empty', !login.isNeeded);
    if (!login.isNeeded) announce(text('loginBack'));
    for (const upload of uploads) list.update(upload, pageState());
    queue.pump();
}

function onQueueChange() {
    for (const upload of uploads) list.update(upload, pageState());
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

function showLimits() {
    document.querySelector('#intro').textContent = text('uploadIntro', limitTexts());
    input.accept = extensions().map((extension) => `.${extension}`).join();
}

/** Asks for the limits and the categories. @throws as `listClasses` */
async function askServer() {
    const { classes, limits } = await listClasses();
    setLimits(limits);
    setClasses(classes);
    showLimits();
    list.forEachClassSelect(fillClasses);
}

/** The first question. The page works without an answer, but tells what it lacks. */
async function begin() {
    const backoff = new Backoff();
    while (backoff.failures < ATTEMPTS) {
        try {
            return await askServer();
        } catch (error) {
            if (error instanceof LoginNeeded) return login.need();
            backoff.fail();
            await new Promise((resolve) => setTimeout(resolve, backoff.remaining));
        }
    }
    showMessages([text('classesFailed')]);
}

showLimits();
updateStart();
begin();
