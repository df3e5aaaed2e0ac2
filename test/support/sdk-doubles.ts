// Doubles for the SDK's unit tests: a browser whose time moves only by `advance`, and a media element that is told what to do.

import type { EventFields, Platform, Reply, VideoElement } from '../../ingest/sdk/types.ts';

export type SentBeacon = { session: string; video: { id: string }; sentAt: number; events: (EventFields & { seq: number })[] } & Record<
  string,
  unknown
>;

/** The beacons of a request body, one or an array. */
export const beaconsOf = (body: string): SentBeacon[] => [JSON.parse(body)].flat();

export type FakePlatform = Platform & {
  posts: string[];
  handedOver: string[];
  /** Answer of the next requests; 'lost' = none, 'pending' = not before `reply` is called. */
  answer: Reply | 'lost' | 'pending';
  /** False: the browser takes nothing over. */
  takesBeacons: boolean;
  /** Answers the oldest pending request. */
  reply(reply: Reply | 'lost'): Promise<void>;
  advance(ms: number): Promise<void>;
};

const ACCEPTED: Reply = { status: 202, retryAfterMs: 0 };

export function fakePlatform(): FakePlatform {
  let now = 1_764_000_000_000;
  let timers: { at: number; run: () => void }[] = [];
  const pending: ((reply: Reply | 'lost') => void)[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    posts: [],
    handedOver: [],
    answer: ACCEPTED,
    takesBeacons: true,
    now: () => now,
    random: () => 0.5,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    post(body) {
      this.posts.push(body);
      return new Promise((resolve, reject) => {
        const settle = (reply: Reply | 'lost'): void => (reply === 'lost' ? reject(new Error('no answer')) : resolve(reply));
        if (this.answer === 'pending') pending.push(settle);
        else settle(this.answer);
      });
    },
    beacon(body) {
      if (this.takesBeacons) this.handedOver.push(body);
      return this.takesBeacons;
    },
    async reply(reply) {
      pending.shift()?.(reply);
      await turn();
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await turn();
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = end;
      await turn();
    },
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** An element that does only what it is told; `fire` dispatches as a browser would, after the fields were set. */
export class FakeVideo implements Writable<VideoElement> {
  currentTime = 0;
  duration = 14;
  paused = true;
  ended = false;
  seeking = false;
  readyState = 4;
  playbackRate = 1;
  volume = 1;
  muted = false;
  videoWidth = 640;
  videoHeight = 360;
  error: { code: number; message: string } | null = null;
  readonly #listeners: { type: string; listener: (event: { target: unknown }) => void; signal: AbortSignal }[] = [];

  addEventListener(type: string, listener: (event: { target: unknown }) => void, { signal }: { signal: AbortSignal }): void {
    this.#listeners.push({ type, listener, signal });
  }

  fire(type: string, target: unknown = this): void {
    for (const entry of this.#listeners) if (entry.type === type && !entry.signal.aborted) entry.listener({ target });
  }

  play(): void {
    this.paused = false;
    this.ended = false;
    this.fire('play');
  }

  pause(): void {
    this.paused = true;
    this.fire('pause');
  }

  /** Sets the place as a script or a slider does; `seeked` comes from `arrive`. */
  seekTo(seconds: number): void {
    this.currentTime = seconds;
    this.seeking = true;
    this.fire('seeking');
  }

  arrive(): void {
    this.seeking = false;
    this.fire('timeupdate');
    this.fire('seeked');
    if (!this.paused) this.fire('playing');
  }
}

/** Lets the element play for `ms` of the platform's time, with time events every 250 ms. */
export async function playFor(platform: FakePlatform, video: FakeVideo, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    const step = Math.min(250, left);
    await platform.advance(step);
    video.currentTime += (step / 1000) * video.playbackRate;
    video.fire('timeupdate');
  }
}
