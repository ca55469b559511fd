/*
 * What can be told about a page by looking at it from inside: a list of problems in words, empty if there are none.
 * Evaluated in the page by accessibility.py.
 */
() => {
    const CONTRAST = 4.5; // WCAG 2.1, 1.4.3, for text of any size
    const problems = [];
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

    const describe = (element) => {
        const id = element.id ? `#${element.id}` : '';
        const data = [...element.attributes].filter(({ name }) => name.startsWith('data-')).map(({ name }) => `[${name}]`).join('');
        return element.localName + id + data;
    };

    // [r, g, b, alpha], 0 to 255 and 0 to 1, of any CSS colour.
    const channels = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };

    const over = (top, bottom) => {
        const mix = (index) => top[index] * top[3] + bottom[index] * (1 - top[3]);
        return [mix(0), mix(1), mix(2), 1];
    };

    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;

    const background = (element) => {
        const layers = [];
        for (let node = element; node; node = node.parentElement) {
            layers.push(channels(getComputedStyle(node).backgroundColor));
            // A modal dialog is not painted on what it is inside of.
            if (node.matches('dialog:modal')) break;
        }
        return layers.reverse().reduce((bottom, top) => over(top, bottom), channels(isDark ? '#121212' : '#ffffff'));
    };

    const opacity = (element) => {
        let value = 1;
        for (let node = element; node; node = node.parentElement) value *= Number(getComputedStyle(node).opacity);
        return value;
    };

    const luminance = ([red, green, blue]) => {
        const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    };

    const contrast = (element) => {
        const behind = background(element);
        const color = channels(getComputedStyle(element).color);
        color[3] *= opacity(element);
        const [darker, lighter] = [luminance(over(color, behind)), luminance(behind)].sort((a, b) => a - b);
        return (lighter + 0.05) / (darker + 0.05);
    };

    const isVisible = (element) => {
        if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
        const { width, height } = element.getBoundingClientRect();
        // Texts for screen readers only are clipped to a pixel.
        return width > 1 && height > 1;
    };

    const texts = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (walker.currentNode.data.trim() !== '') texts.add(walker.currentNode.parentElement);
    }
    for (const field of document.querySelectorAll('input[type=text], select, textarea')) texts.add(field);
    const modal = document.querySelector('dialog:modal');
    for (const element of texts) {
        if (['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION', 'TEMPLATE'].includes(element.tagName)) continue;
        if (element.closest(':disabled') || !isVisible(element) || (modal && !modal.contains(element))) continue;
        const value = contrast(element);
        if (value < CONTRAST) {
            const words = (element.value || element.textContent).trim().slice(0, 30);
            problems.push(`contrast ${value.toFixed(2)}: ${describe(element)} “${words}”`);
        }
    }

    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of new Set(ids.filter((value, index) => ids.indexOf(value) !== index))) problems.push(`id twice: ${id}`);
    for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
        for (const element of document.querySelectorAll(`[${attribute}]`)) {
            for (const id of element.getAttribute(attribute).split(/\s+/)) {
                if (!document.getElementById(id)) problems.push(`${attribute} of ${describe(element)} names ${id}, which is not there`);
            }
        }
    }
    if (!document.documentElement.lang) problems.push('no lang');
    if (!document.title) problems.push('no title');
    if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
    return problems;
}
