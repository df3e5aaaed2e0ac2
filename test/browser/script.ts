// What a viewer does in the browser tests, and the truth of it: places and times taken from the element itself in the same turn
// as each step, by code that knows nothing of the SDK.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'puppeteer-core';
import type { TrackOptions } from '../../ingest/sdk/types.ts';

/** What the page's own listeners and steps note: epoch ms and media ms. */
export type Note = { at: number; positionMs: number };
export type TypedNote = Note & { type: string };

/** The names page/player.html puts on the window, and the element as far as steps use it. */
type Element = {
  play(): Promise<void>;
  pause(): void;
  currentTime: number;
  playbackRate: number;
  src: string;
  buffered: { end(i: number): number; length: number };
};
type PlayerWindow = {
  begin(options: TrackOptions, source: string | undefined): string;
  step(run: (video: Element) => void): Note;
  truth: TypedNote[];
  tracker: {
    session: string;
    dropped: number;
    event(name: string, data?: unknown): boolean;
    setVideo(video: { id: string }): void;
    stop(): void;
  };
};
declare const window: PlayerWindow;

export type Player = {
  session: string;
  play(): Promise<Note>;
  pause(): Promise<Note>;
  seek(seconds: number): Promise<Note>;
  rate(rate: number): Promise<Note>;
  source(url: string): Promise<Note>;
  /** Place and time now. */
  here(): Promise<Note>;
  truth(): Promise<TypedNote[]>;
  /** Waits until the element said `type` for the n-th time (from 1). */
  heard(type: string, times?: number): Promise<TypedNote>;
  /** Waits until play is at or beyond a place. */
  reached(positionMs: number): Promise<void>;
};

const HEARD_TIMEOUT_MS = 15_000;

/** Opens the player page and starts to track. */
export async function openPlayer(page: Page, url: string, options: TrackOptions, source?: string): Promise<Player> {
  await page.goto(url);
  const session = await page.evaluate((o, s) => window.begin(o, s ?? undefined), options, source);
  const player: Player = {
    session,
    play: () => page.evaluate(() => window.step((video) => void video.play().catch(() => {}))),
    pause: () => page.evaluate(() => window.step((video) => video.pause())),
    seek: (seconds) =>
      page.evaluate((s) => {
        return window.step((video) => {
          video.currentTime = s;
        });
      }, seconds),
    rate: (rate) =>
      page.evaluate((r) => {
        return window.step((video) => {
          video.playbackRate = r;
        });
      }, rate),
    source: (to) =>
      page.evaluate((s) => {
        return window.step((video) => {
          video.src = s;
        });
      }, to),
    here: () => page.evaluate(() => window.step(() => {})),
    truth: () => page.evaluate(() => window.truth),
    async heard(type, times = 1) {
      const deadline = Date.now() + HEARD_TIMEOUT_MS;
      for (;;) {
        const note = (await player.truth()).filter((entry) => entry.type === type)[times - 1];
        if (note) return note;
        if (Date.now() > deadline)
          throw new Error(`The element did not say ${type} ${times} time(s): ${JSON.stringify(await player.truth())}`);
        await sleep(25);
      }
    },
    async reached(positionMs) {
      const deadline = Date.now() + HEARD_TIMEOUT_MS;
      while ((await player.here()).positionMs < positionMs) {
        if (Date.now() > deadline) throw new Error(`Play did not reach ${positionMs} ms: ${JSON.stringify(await player.here())}`);
        await sleep(25);
      }
    },
  };
  return player;
}

export type Section = { fromMs: number; toMs: number };
export type ScriptTruth = {
  session: string;
  startupMs: number;
  /** In order played. */
  sections: Section[];
  seeks: Section[];
  pausedAt: Note;
  startedAt: number;
};

/** Play, pause, seek forward and back, double speed and back, to the end. About 14 s. `onPlaying` runs when the first frame moved. */
export async function watchScript(player: Player, onPlaying?: () => Promise<void>): Promise<ScriptTruth> {
  const asked = await player.play();
  const first = await player.heard('playing');
  await onPlaying?.();
  await player.reached(2_200);
  const pausedAt = await player.pause();
  await sleep(800);
  await player.play();
  await player.reached(3_400);
  const forward = await player.seek(9);
  await player.reached(10_500);
  const back = await player.seek(5);
  await player.reached(6_000);
  const faster = await player.rate(2);
  await player.reached(faster.positionMs + 3_000);
  await player.rate(1);
  await player.reached(10_800);
  const last = await player.seek(12.5);
  const ended = await player.heard('ended');
  return {
    session: player.session,
    startupMs: first.at - asked.at,
    startedAt: asked.at,
    pausedAt,
    sections: [
      { fromMs: 0, toMs: pausedAt.positionMs },
      { fromMs: pausedAt.positionMs, toMs: forward.positionMs },
      { fromMs: 9_000, toMs: back.positionMs },
      { fromMs: 5_000, toMs: last.positionMs },
      { fromMs: 12_500, toMs: ended.positionMs },
    ],
    seeks: [
      { fromMs: forward.positionMs, toMs: 9_000 },
      { fromMs: back.positionMs, toMs: 5_000 },
      { fromMs: last.positionMs, toMs: 12_500 },
    ],
  };
}
