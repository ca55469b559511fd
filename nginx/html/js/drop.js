/**
 * Takes files that are dropped anywhere on the page. Dropped beside the zone they would otherwise replace the page.
 *
 * @param {HTMLElement} zone what lights up
 * @param {(files: File[]) => void} onFiles
 */
export function acceptDrops(zone, onFiles) {
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    // dragenter and dragleave come for every element that is crossed.
    let depth = 0;
    const setDepth = (value) => {
        depth = Math.max(0, value);
        zone.classList.toggle('is-over', depth > 0);
    };
    addEventListener('dragenter', (event) => {
        if (hasFiles(event)) setDepth(depth + 1);
    });
    addEventListener('dragleave', (event) => {
        if (hasFiles(event)) setDepth(depth - 1);
    });
    addEventListener('dragover', (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = 'copy';
    });
    addEventListener('drop', (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setDepth(0);
        onFiles([...event.dataTransfer.files]);
    });
}
