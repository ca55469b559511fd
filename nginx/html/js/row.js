import { fillClasses } from './classes.js';
import { formatSize } from './format.js';
import { applyTexts, text } from './messages.js';
import { serverWords } from './problems.js';
import { processingText } from './processing.js';
import { speedText, statusText } from './status.js';

/** Milliseconds between two changes of the speed, which nobody can read faster. */
const SPEED_INTERVAL = 500;

/** The row of the list that shows one upload. */
export class Row {
    #upload;
    #speedShown = 0;

    /**
     * @param {import('./upload.js').Upload} upload
     * @param {{onDelete: () => void, onRetry: () => void, onSelect: () => void}} handlers
     */
    constructor(upload, { onDelete, onRetry, onSelect }) {
        this.#upload = upload;
        const template = document.querySelector('#row-template');
        this.element = template.content.firstElementChild.cloneNode(true);
        applyTexts(this.element);
        this.name = this.#find('[data-field=name]');
        this.classes = this.#find('[data-field=class]');
        this.checkbox = this.#find('[data-select]');
        this.delete = this.#find('[data-delete]');
        this.status = this.#find('[data-words]');
        this.said = this.#find('[data-said]');
        this.processing = this.#find('[data-processing]');
        this.speed = this.#find('[data-speed]');
        this.bar = this.#find('progress');
        this.view = this.#find('[data-view]');
        this.retry = this.#find('[data-retry]');

        this.element.dataset.name = upload.file.name;
        this.name.value = upload.title;
        this.#find('[data-file-name]').textContent = upload.file.name;
        this.#find('[data-size]').textContent = formatSize(upload.file.size);
        this.#find('[data-name-problem]').id = `${upload.id}-problem`;
        this.#setLabels(upload.file.name);
        fillClasses(this.classes);

        this.name.addEventListener('input', () => {
            upload.title = this.name.value;
            upload.isTitleMissing = false;
            upload.changed();
        });
        this.classes.addEventListener('change', () => {
            upload.classID = this.classes.value;
        });
        this.checkbox.addEventListener('change', onSelect);
        this.delete.addEventListener('click', onDelete);
        this.retry.addEventListener('click', onRetry);
    }

    get isSelected() {
        return this.checkbox.checked;
    }

    set isSelected(value) {
        this.checkbox.checked = value;
    }

    /**
     * Shows how the upload is now.
     *
     * @param {{isPaused: boolean, isLoginNeeded: boolean}} page how the page is
     */
    update(page) {
        const upload = this.#upload;
        const { state, progress } = upload;
        const hadFocus = this.element.contains(document.activeElement) ? document.activeElement : null;
        this.element.dataset.state = state;
        this.element.dataset.progress = progress;
        this.bar.value = progress;
        setText(this.status, statusText(upload, page));
        setText(this.said, upload.problem ? serverWords(upload.problem) : '');
        this.processing.dataset.processing = upload.processing?.state ?? '';
        setText(this.processing, processingText(upload.processing));
        this.#updateSpeed();

        this.name.disabled = upload.isStarted;
        this.classes.disabled = upload.isStarted;
        this.name.setAttribute('aria-invalid', String(upload.isTitleMissing));
        setText(this.#find('[data-name-problem]'), upload.isTitleMissing ? text('nameMissing') : '');
        this.retry.hidden = state !== 'failed';
        if (upload.video) {
            this.view.href = `/play/?video_id=${encodeURIComponent(upload.video.video_id)}`;
            this.view.hidden = false;
        }
        // A button that disappears would take the keyboard's place in the page with it.
        if (hadFocus && (hadFocus.hidden || hadFocus.disabled)) this.delete.focus();
    }

    #updateSpeed() {
        const now = performance.now();
        const value = speedText(this.#upload);
        if (value !== '' && now - this.#speedShown < SPEED_INTERVAL) return;
        this.#speedShown = value === '' ? 0 : now;
        setText(this.speed, value);
    }

    #setLabels(file) {
        const labels = [
            [this.name, 'nameOf'], [this.classes, 'classOf'], [this.checkbox, 'selectRow'],
            [this.bar, 'progressOf'], [this.view, 'viewFile'], [this.delete, 'removeFile'], [this.retry, 'retryFile'],
        ];
        for (const [element, key] of labels) element.setAttribute('aria-label', text(key, { file }));
        this.name.setAttribute('aria-describedby', `${this.#upload.id}-problem`);
    }

    #find(selector) {
        return this.element.querySelector(selector);
    }
}

function setText(element, value) {
    if (element.textContent !== value) element.textContent = value;
}
