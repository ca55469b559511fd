import { formatPercent } from './format.js';
import { failureText, flawsText, text } from './messages.js';
import { videoInfo } from './service.js';

/** Seconds between two questions for a video: the first, the longest, and how they grow. */
const POLL = { first: 3, longest: 30, factor: 1.3 };

const PROCESSING = ['queued', 'running'];

/** Asks what becomes of the videos that were uploaded, until they are as they will stay. */
export class Processing {
    #onChange;

    /** @param {(upload: Upload) => void} onChange called when the server has said something else of an upload's video */
    constructor(onChange) {
        this.#onChange = onChange;
    }

    /**
     * @param {Upload} upload that has a video
     * @param {() => boolean} isWanted whether it still is in the list
     */
    async follow(upload, isWanted) {
        let seconds = POLL.first;
        while (isWanted()) {
            // In the background it would ask for nobody.
            if (!document.hidden) {
                try {
                    const video = await videoInfo(upload.video.video_id);
                    if (!video) return;
                    upload.processing = video;
                    if (isWanted()) this.#onChange(upload);
                    if (!PROCESSING.includes(video.state)) return;
                } catch {
                    // What is told here can wait.
                }
            }
            await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
            seconds = Math.min(POLL.longest, seconds * POLL.factor);
        }
    }
}

/**
 * What becomes of an uploaded video, in words.
 *
 * @param {?object} video what the server says of it
 * @returns {string} empty if there is nothing to say
 */
export function processingText(video) {
    switch (video?.state) {
        case 'queued': return text('stateQueued');
        case 'running': return `${text('stateRunning')} ${formatPercent(video.progress ?? 0)}`;
        case 'ready': return flawsText(video.flaws) || text('stateReady');
        case 'failed': return text('processingFailed', { reason: failureText(video.failure) });
        default: return '';
    }
}
