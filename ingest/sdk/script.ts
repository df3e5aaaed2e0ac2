// What `<script src="playhead.js" data-key="pk_…">` runs: puts `playhead` on the window and tracks every element that
// carries `data-playhead-video`, now and when `playhead.attach()` is called after the page changed.

import { track } from './track.ts';
import type { Tracker } from './types.ts';

const script = document.currentScript as HTMLScriptElement | null;
/** The tracker of each element that `attach` found. */
const trackers = new WeakMap<HTMLVideoElement, Tracker>();

/**
 * Tracks each `<video data-playhead-video="id" data-playhead-title="…">` that is not tracked yet. The script's own
 * attributes: `data-key`, `data-endpoint` (default: where the script came from), `data-respect-do-not-track`.
 */
function attach(): void {
  const { key, endpoint = script ? new URL(script.src).origin : '', respectDoNotTrack } = script?.dataset ?? {};
  if (!key || !endpoint) return;
  for (const video of document.querySelectorAll<HTMLVideoElement>('video[data-playhead-video]')) {
    const { playheadVideo: id = '', playheadTitle: title } = video.dataset;
    if (trackers.has(video) || !id) continue;
    const info = title ? { id, title } : { id };
    trackers.set(video, track(video, { endpoint, key, video: info, respectDoNotTrack: respectDoNotTrack !== undefined }));
  }
}

Object.assign(window, { playhead: { track, attach, trackers } });
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', attach);
else attach();
