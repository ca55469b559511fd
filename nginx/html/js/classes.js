import { Backoff } from './backoff.js';
import { text } from './messages.js';
import { listClasses } from './service.js';

/** Times that the categories are asked for. */
const ATTEMPTS = 6;

/** @type {{class_id: number, class_name: string, game_name: string}[]} */
let classes = [];

/**
 * Asks for the categories, until there is an answer or it was tried six times, some 10 s.
 *
 * @throws {Error} the last failure
 */
export async function loadClasses() {
    const backoff = new Backoff();
    for (;;) {
        try {
            classes = await listClasses();
            return;
        } catch (error) {
            backoff.fail();
            if (backoff.failures === ATTEMPTS) throw error;
            await new Promise((resolve) => setTimeout(resolve, backoff.remaining));
        }
    }
}

/**
 * Fills a select with "no category" and the categories, by game. What was chosen stays chosen.
 *
 * @param {HTMLSelectElement} select
 */
export function fillClasses(select) {
    const chosen = select.value;
    select.replaceChildren(new Option(text('noClass'), ''));
    const groups = new Map();
    for (const { class_id: id, class_name: name, game_name: game } of classes) {
        const option = new Option(name, id);
        if (!game) {
            select.append(option);
            continue;
        }
        if (!groups.has(game)) {
            const group = document.createElement('optgroup');
            group.label = game;
            groups.set(game, group);
        }
        groups.get(game).append(option);
    }
    select.append(...groups.values());
    select.value = chosen;
}
