import { formatSize } from './format.js';
import { text } from './messages.js';
import { Row } from './row.js';

/** The list: one row for each upload, the totals, and what is done with several rows. */
export class List {
    #rows = new Map();
    #body = document.querySelector('#rows');
    #selectAll = document.querySelector('#select-all');
    #deleteSelected = document.querySelector('#delete-selected');
    #handlers;

    /**
     * @param {{onDelete: (uploads: Upload[]) => void, onRetry: (upload: Upload) => void}} handlers
     */
    constructor(handlers) {
        this.#handlers = handlers;
        this.#selectAll.addEventListener('change', () => {
            for (const row of this.#rows.values()) row.isSelected = this.#selectAll.checked;
            this.#updateSelection();
        });
        this.#deleteSelected.addEventListener('click', () => {
            handlers.onDelete([...this.#rows].filter(([, row]) => row.isSelected).map(([upload]) => upload));
        });
        this.#updateTotals();
    }

    /** @param {import('./upload.js').Upload} upload */
    add(upload) {
        const row = new Row(upload, {
            onDelete: () => this.#handlers.onDelete([upload]),
            onRetry: () => this.#handlers.onRetry(upload),
            onSelect: () => this.#updateSelection(),
        });
        this.#rows.set(upload, row);
        this.#body.append(row.element);
        this.#updateTotals();
    }

    /**
     * Removes rows; the focus goes to the row that takes their place.
     *
     * @param {import('./upload.js').Upload[]} uploads
     */
    remove(uploads) {
        const elements = [...this.#body.children];
        const focused = elements.findIndex((element) => element.contains(document.activeElement));
        const hadFocus = focused >= 0 || document.activeElement === this.#deleteSelected;
        for (const upload of uploads) {
            this.#rows.get(upload)?.element.remove();
            this.#rows.delete(upload);
        }
        this.#updateTotals();
        if (!hadFocus) return;
        const next = elements.slice(Math.max(0, focused)).find((element) => element.isConnected)
            ?? this.#body.lastElementChild;
        (next?.querySelector('[data-delete]') ?? document.querySelector('#files')).focus();
    }

    /**
     * @param {import('./upload.js').Upload} upload
     * @param {{isPaused: boolean, isLoginNeeded: boolean}} page how the page is
     */
    update(upload, page) {
        this.#rows.get(upload)?.update(page);
    }

    /** @param {import('./upload.js').Upload} upload */
    focusName(upload) {
        this.#rows.get(upload)?.name.focus();
    }

    /** Calls back with the select of every row. @param {(select: HTMLSelectElement) => void} fill */
    forEachClassSelect(fill) {
        for (const row of this.#rows.values()) fill(row.classes);
    }

    #updateTotals() {
        const uploads = [...this.#rows.keys()];
        const bytes = uploads.reduce((sum, { file }) => sum + file.size, 0);
        document.querySelector('#count').textContent = uploads.length;
        document.querySelector('#count-unit').textContent = text('countUnit', { count: uploads.length });
        document.querySelector('#total-size').textContent = formatSize(bytes);
        document.querySelector('#list').hidden = uploads.length === 0;
        this.#updateSelection();
    }

    #updateSelection() {
        const rows = [...this.#rows.values()];
        const selected = rows.filter((row) => row.isSelected).length;
        this.#deleteSelected.disabled = selected === 0;
        this.#selectAll.disabled = rows.length === 0;
        this.#selectAll.checked = rows.length > 0 && selected === rows.length;
        this.#selectAll.indeterminate = selected > 0 && selected < rows.length;
    }
}
