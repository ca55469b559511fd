import { text } from './messages.js';

/** @type {{class_id: number, class_name: string, game_name: string}[]} */
let classes = [];

/** @param {{class_id: number, class_name: string, game_name: string}[]} told what the server has */
export function setClasses(told) {
    classes = told;
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
