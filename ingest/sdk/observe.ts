// The measuring half of the SDK: turns what a media element does into events, each with the position it happened at.
// Promises: `playing` only where frames move from, one `seek` for one gesture of the user however often the thumb stops on its way,
// a stall is never startup nor the consequence of a seek, and nothing is reported before play was asked for (except errors).

import { NEVER } from './queue.ts';
import type { EventFields, VideoElement } from './types.ts';

/** Seeks closer together than this are one gesture (dragging the thumb). */
export const SEEK_SETTLE_MS = 300;
/** The first heartbeat comes early, so that even a very short play leaves a proven position. */
export const FIRST_HEARTBEAT_MS = 1_000;
export const HEARTBEAT_MS = 5_000;
export const HEARTBEAT_LEAST_MS = 1_000;
/** Dragging a volume slider is one event. */
export const VOLUME_SETTLE_MS = 500;
/** Time events are at most this far apart while playing; beyond it the position is not extrapolated. */
const EXTRAPOLATE_MS = 1_500;
/** Advance that proves movement where the element did not say `playing`. */
const MOVED_MS = 300;
/** Nearer to the last place than this, play resumes there; farther away it jumped. */
const RESUME_MS = 1_000;

/** By MediaError.code; each with MEDIA_ERR_ before it, as in the HTML standard. */
const MEDIA_ERRORS = ['UNKNOWN', 'ABORTED', 'NETWORK', 'DECODE', 'SRC_NOT_SUPPORTED'];
/** What it means that no <source> child could be used. */
const NO_SOURCE_CODE = 4;
const ERROR_MESSAGE_LENGTH_MAX = 200;
/** Types whose report should not wait. */
const URGENT = ['playing', 'pause', 'heartbeat', 'error', 'ended', 'leave'];

type Moment = { at: number; positionMs: number };
type Seek = { at: number; fromMs: number; toMs: number; playing?: Moment | undefined; cancel?: () => void };

export type ObserverDeps = {
  now(): number;
  after(ms: number, run: () => void): () => void;
  emit(event: EventFields, urgent: boolean): void;
  /** Duration or another fact about the media became known. */
  onMetadata(): void;
  heartbeatMs: number;
  /** Aborted = detach. */
  signal: AbortSignal;
};

/** Positions are 31-bit. Live streams that count from 1970 wrap around: only differences matter there. */
const POSITION_WRAP_MS = 2 ** 31;
/** Seconds of the element to integer ms, never negative; NaN for an endless duration. */
const toMs = (seconds: number): number => (Math.max(0, Math.round(seconds * 1000)) || 0) % POSITION_WRAP_MS;

/**
 * Modes: untouched (play never asked), waiting (asked, no frame moves: startup, pause, seek, end), moving, stalled. A pending
 * seek (`#seek`) holds back what follows it until the gesture is over, so that events leave in the order of their times.
 */
export class VideoObserver {
  readonly #video: VideoElement;
  readonly #deps: ObserverDeps;
  #asked = false;
  #opened = false;
  #started = false;
  #moving = false;
  #stalled = false;
  /** The last place known to be true; `seeking` only tells where the user went, not whence. */
  #last: Moment = { at: 0, positionMs: 0 };
  #seek: Seek | undefined;
  #heartbeatAt = 0;
  #emittedAt = 0;
  #rate = 1;
  #size = '';
  #cancelVolume: (() => void) | undefined;

  constructor(video: VideoElement, deps: ObserverDeps) {
    this.#video = video;
    this.#deps = deps;
    const listeners: Record<string, (event: { target?: unknown }) => void> = {
      play: () => this.#onPlay(),
      playing: () => this.#onPlaying(),
      pause: () => this.#onPause(),
      seeking: () => this.#onSeeking(),
      seeked: () => this.#onSeeked(),
      timeupdate: () => this.#onTime(),
      waiting: () => this.#onWaiting(),
      ended: () => this.#onEnded(),
      error: (event) => this.#onError(event.target),
      emptied: () => this.#onEmptied(),
      ratechange: () => this.#syncRate(),
      resize: () => this.#syncSize(),
      volumechange: () => this.#onVolume(),
      durationchange: () => deps.onMetadata(),
    };
    // Capture, because errors of <source> children do not bubble.
    for (const type in listeners) video.addEventListener(type, listeners[type] as () => void, { capture: true, signal: deps.signal });
    this.begin();
    this.join();
  }

  /** Starts over: another video, or another session. */
  begin(): void {
    this.#asked = this.#opened = this.#started = this.#moving = this.#stalled = false;
    this.#rate = 1;
    this.#size = '';
    this.#last = this.#here();
  }

  /** Joins a play that began before anybody measured: it has no `attempt`, since nobody knows when it was asked for. */
  join(): void {
    if (this.#video.paused || this.#video.ended) return;
    if (this.#video.readyState > 2 && !this.#video.seeking) this.#start(this.#here());
    else this.#onPlay();
  }

  /** Reports `leave` if anything was reported, with the last position even if the source is already another. */
  leave(): void {
    this.#settleSeek();
    this.#cancelVolume?.();
    const proven = this.#proven();
    const shown = this.#shown();
    const here = Math.abs(shown.positionMs - proven.positionMs) < EXTRAPOLATE_MS ? shown : proven;
    this.#endStall(here);
    if (this.#opened) this.emit({ type: 'leave', ...here });
    this.#asked = this.#opened = this.#moving = false;
  }

  /** A heartbeat out of turn, while playing. */
  heartbeat(): void {
    if (this.#moving) this.emit({ type: 'heartbeat' });
  }

  /** Reports an event of our own or of an adapter; here and now unless it says otherwise. */
  emit(fields: Partial<EventFields> & { type: string }): void {
    if (fields.type !== 'seek') this.#settleSeek();
    this.#opened = true;
    const event = { ...this.#here(), ...fields };
    event.at = this.#emittedAt = Math.max(Math.round(event.at), this.#emittedAt);
    this.#deps.emit(event, URGENT.includes(event.type));
  }

  /** Reports an event that says nothing where nobody asked to play. */
  emitIfAsked(fields: Partial<EventFields> & { type: string }): void {
    if (this.#asked) this.emit(fields);
  }

  /** What the element shows. */
  #shown(): Moment {
    return { at: this.#deps.now(), positionMs: toMs(this.#video.currentTime) };
  }

  /** Where play is. The element shows the target of a seek before its event comes. */
  #here(): Moment {
    return this.#asked && this.#video.seeking && !this.#seek ? this.#proven() : this.#shown();
  }

  /** The position by the last proof: true also while the element already shows a seek's target. */
  #proven(): Moment {
    const at = this.#deps.now();
    if (!this.#moving) return { at, positionMs: this.#last.positionMs };
    const advanceMs = Math.min(at - this.#last.at, EXTRAPOLATE_MS) * this.#video.playbackRate;
    return {
      at,
      positionMs: Math.round(Math.min(this.#last.positionMs + advanceMs, toMs(this.#video.duration) || NEVER)),
    };
  }

  #onPlay(): void {
    if (this.#asked) return;
    const here = this.#here();
    this.#asked = true;
    this.emit({ type: 'attempt', ...here });
  }

  #onPlaying(): void {
    if (this.#seek) this.#seek.playing = this.#here();
    else this.#start(this.#here());
  }

  #start(shown: Moment): void {
    const { at, positionMs } = this.#last;
    const advanceMs = shown.positionMs - positionMs;
    // The element says late that it plays, and stops a frame after it said so: play goes on where it was, nothing is skipped.
    const resumes = Math.abs(advanceMs) < RESUME_MS;
    const here = resumes ? { at: Math.max(at, shown.at - Math.max(advanceMs, 0) / this.#video.playbackRate), positionMs } : shown;
    this.#endStall(here);
    if (this.#moving) return;
    this.#heartbeatAt = here.at + (this.#started ? this.#deps.heartbeatMs : FIRST_HEARTBEAT_MS);
    this.#asked = this.#started = this.#moving = true;
    this.#last = here;
    this.emit({ type: 'playing', ...here });
    this.#syncRate();
    this.#syncSize();
  }

  /** Frames stand still: whatever was pending ends here, then the reason is reported. */
  #halt(reason: Partial<EventFields> & { type: string }, here = this.#here()): void {
    this.#settleSeek();
    this.#endStall(here);
    this.#moving = false;
    this.#last = here;
    this.emit({ ...here, ...reason });
  }

  #onPause(): void {
    // At the end the element pauses by itself: `ended` says more.
    if (this.#asked && !this.#video.ended) this.#halt({ type: 'pause' });
  }

  #onEnded(): void {
    if (this.#asked) this.#halt({ type: 'ended' });
  }

  #onSeeking(): void {
    const shown = this.#shown();
    if (!this.#asked) {
      this.#last = shown;
      return;
    }
    if (!this.#seek) {
      const from = this.#proven();
      this.#endStall(from);
      this.#moving = false;
      this.#seek = { at: from.at, fromMs: from.positionMs, toMs: 0 };
    }
    this.#seek.cancel?.();
    this.#seek.playing = undefined;
    this.#seek.toMs = shown.positionMs;
  }

  #onSeeked(): void {
    const seek = this.#seek;
    if (!seek) return;
    seek.cancel?.();
    seek.cancel = this.#deps.after(SEEK_SETTLE_MS, () => this.#settleSeek());
  }

  #settleSeek(): void {
    const seek = this.#seek;
    if (!seek) return;
    this.#seek = undefined;
    seek.cancel?.();
    this.#last = { at: seek.at, positionMs: seek.toMs };
    this.emit({ type: 'seek', at: seek.at, positionMs: seek.toMs, fromMs: seek.fromMs, toMs: seek.toMs });
    if (seek.playing) this.#start(seek.playing);
  }

  #onTime(): void {
    const here = this.#here();
    if (this.#video.seeking || this.#seek) return;
    if (this.#moving) {
      this.#last = here;
      if (here.at < this.#heartbeatAt) return;
      this.#heartbeatAt = here.at + this.#deps.heartbeatMs;
      this.heartbeat();
    } else if (!this.#video.paused && here.positionMs - this.#last.positionMs > MOVED_MS) {
      this.#start(here);
    }
  }

  #onWaiting(): void {
    if (!this.#moving || this.#seek || this.#video.seeking || this.#video.paused) return;
    this.#last = this.#here();
    this.#moving = false;
    this.#stalled = true;
    this.emit({ type: 'stall_start', ...this.#last });
  }

  #endStall(here: Moment): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.emit({ type: 'stall_end', ...here });
  }

  #onError(target: unknown): void {
    // Of several <source> children only the last one's failure is the video's.
    const next = (target as { nextElementSibling?: { tagName: string } | null }).nextElementSibling;
    if (target !== this.#video && next?.tagName === 'SOURCE') return;
    const { code = NO_SOURCE_CODE, message } = this.#video.error ?? {};
    const short = message?.slice(0, ERROR_MESSAGE_LENGTH_MAX);
    this.#halt({ type: 'error', code: `MEDIA_ERR_${MEDIA_ERRORS[code]}`, message: short, fatal: true }, this.#proven());
  }

  /** Another source without a word: the old one stopped where it was. */
  #onEmptied(): void {
    const here = this.#proven();
    this.#settleSeek();
    if (this.#moving || this.#stalled) this.#halt({ type: 'pause' }, here);
    this.#last = this.#shown();
  }

  #syncRate(): void {
    const rate = this.#video.playbackRate;
    if (!this.#asked || rate === this.#rate) return;
    this.#rate = rate;
    this.emit({ type: 'rate', rate });
    // What was played so far was played at the old rate.
    if (this.#moving) this.#last = this.#here();
  }

  #syncSize(): void {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const size = `${width}x${height}`;
    if (!this.#asked || !width || size === this.#size) return;
    this.#size = size;
    this.emit({ type: 'quality', width, height });
  }

  #onVolume(): void {
    const { volume: level, muted } = this.#video;
    this.#cancelVolume?.();
    this.#cancelVolume = this.#deps.after(VOLUME_SETTLE_MS, () => this.emitIfAsked({ type: 'volume', level, muted }));
  }
}
