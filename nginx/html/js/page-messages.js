const box = document.querySelector('#messages');
const lines = document.querySelector('#message-lines');
const announcer = document.querySelector('#announcer');

document.querySelector('#close-messages').addEventListener('click', () => {
    showMessages([]);
    document.querySelector('#files').focus();
});

/**
 * Shows messages above the list, in place of those that are there.
 *
 * @param {string[]} texts none: hides them
 */
export function showMessages(texts) {
    lines.replaceChildren(...texts.map((value) => {
        const line = document.createElement('p');
        line.textContent = value;
        return line;
    }));
    box.classList.toggle('is-empty', texts.length === 0);
}

/**
 * Tells users of screen readers something that others see.
 *
 * @param {string} value
 */
export function announce(value) {
    const line = document.createElement('p');
    line.textContent = value;
    announcer.append(line);
    // Several in a row are all read; old ones are of no use.
    while (announcer.children.length > 5) announcer.firstElementChild.remove();
}
